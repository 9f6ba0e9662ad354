#include "cmocka_all.h"

#include <string.h>

#include "support/shop.h"

#define MEMBERS_MAX 4

/* A batch under construction: each member one line by one customer. */
struct batch_draft {
    struct place_orders_member members[MEMBERS_MAX];
    struct place_order_line lines[MEMBERS_MAX];
    struct place_orders command;
};

static struct place_orders_member *add_member(struct batch_draft *draft, const char *sku, int64_t quantity)
{
    size_t i = draft->command.member_count++;
    draft->command.members = draft->members;
    draft->lines[i] = (struct place_order_line){text_from_c(sku), quantity};
    draft->members[i].order = (struct place_order){
        .customer_id = TEXT_LITERAL("c-1"),
        .lines = &draft->lines[i],
        .line_count = 1,
        .hold_seconds = 900,
    };
    return &draft->members[i];
}

static void set_key(struct place_orders_member *member, const char *key, uint8_t fingerprint)
{
    member->idempotency.key = text_from_c(key);
    memset(member->idempotency.fingerprint, fingerprint, FINGERPRINT_BYTES);
}

static struct outcome decide(struct shop *shop, const struct batch_draft *draft)
{
    struct outcome outcome;
    place_orders_decide(&shop->facts, &draft->command, &outcome);
    return outcome;
}

static void each_member_stands_alone(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 3);
    struct batch_draft draft = {.command = {.member_count = 0}};
    add_member(&draft, "tee-m", 2);
    add_member(&draft, "tee-m", 2);
    add_member(&draft, "nope", 1);
    add_member(&draft, "tee-m", 1);
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.code, OUTCOME_ORDERS_PLACED);
    assert_true(outcome.changed);
    assert_int_equal(outcome.member_count, 4);
    assert_int_equal(outcome.members[0].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(outcome.members[1].code, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(outcome.members[1].lines[0].available, 1);
    assert_int_equal(outcome.members[2].code, OUTCOME_UNKNOWN_SKU);
    assert_int_equal(outcome.members[3].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(tee->stock.reserved_quantity, 3);
    assert_string_equal(shop_event_types(shop), "order.created order.created");
}

static void a_batch_of_refusals_is_answered_and_changes_nothing(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 0);
    struct batch_draft draft = {.command = {.member_count = 0}};
    add_member(&draft, "tee-m", 1);
    add_member(&draft, "nope", 1);
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.code, OUTCOME_ORDERS_PLACED);
    assert_false(outcome.changed);
    assert_int_equal(shop->facts.change_count, 0);
}

static void a_member_refused_at_the_door_is_skipped_in_its_place(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 3);
    struct batch_draft draft = {.command = {.member_count = 0}};
    add_member(&draft, "tee-m", 1);
    struct place_orders_member *malformed = add_member(&draft, "mug", 1);
    malformed->refused = "items is missing";
    malformed->order = (struct place_order){.line_count = 0};
    add_member(&draft, "tee-m", 1);
    struct wanted wanted;
    wanted_init(&wanted, shop->arena);
    place_orders_want(&draft.command, &wanted);
    assert_int_equal(wanted.skus.count, 1);
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.member_count, 3);
    assert_int_equal(outcome.members[0].code, OUTCOME_ORDER_PLACED);
    assert_null(outcome.members[1].order);
    assert_int_equal(outcome.members[2].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(tee->stock.reserved_quantity, 2);
}

static void members_count_towards_each_others_purchase_limit(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 10);
    tee->max_per_customer = 3;
    shop_count_purchases(shop, "c-1", tee);
    struct batch_draft draft = {.command = {.member_count = 0}};
    add_member(&draft, "tee-m", 2);
    add_member(&draft, "tee-m", 2);
    add_member(&draft, "tee-m", 1);
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.members[0].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(outcome.members[1].code, OUTCOME_PURCHASE_LIMIT);
    assert_int_equal(outcome.members[1].limit.already, 2);
    assert_int_equal(outcome.members[2].code, OUTCOME_ORDER_PLACED);
}

static void a_members_key_that_came_again_replays_its_order(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 3);
    struct batch_draft draft = {.command = {.member_count = 0}};
    set_key(add_member(&draft, "tee-m", 1), "k-1", 1);
    struct outcome first = decide(shop, &draft);
    assert_false(first.members[0].replayed);
    (void)shop_pay(shop, first.members[0].order, "pi_1");
    shop_next_batch(shop, 1000);

    set_key(add_member(&draft, "tee-m", 1), "k-2", 2);
    struct outcome second = decide(shop, &draft);
    assert_int_equal(second.members[0].code, OUTCOME_REPLAYED);
    assert_true(second.members[0].replayed);
    assert_true(uuid_equal(second.members[0].order->id, first.members[0].order->id));
    assert_int_equal(second.members[0].order->status, ORDER_DRAFT); /* as it was answered then */
    assert_int_equal(second.members[1].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(tee->stock.stock_quantity, 2);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

static void a_key_given_twice_within_one_batch_has_one_effect(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 5);
    struct batch_draft draft = {.command = {.member_count = 0}};
    set_key(add_member(&draft, "tee-m", 1), "k-1", 1);
    set_key(add_member(&draft, "tee-m", 1), "k-1", 1);
    set_key(add_member(&draft, "tee-m", 2), "k-1", 2);
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.members[0].code, OUTCOME_ORDER_PLACED);
    assert_int_equal(outcome.members[1].code, OUTCOME_REPLAYED);
    assert_true(uuid_equal(outcome.members[1].order->id, outcome.members[0].order->id));
    assert_int_equal(outcome.members[2].code, OUTCOME_IDEMPOTENCY_KEY_REUSED);
    assert_false(outcome.members[2].replayed);
    assert_int_equal(tee->stock.reserved_quantity, 1);
}

static void a_refused_members_key_may_try_again(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 0);
    struct batch_draft draft = {.command = {.member_count = 0}};
    set_key(add_member(&draft, "tee-m", 1), "k-1", 1);
    assert_int_equal(decide(shop, &draft).members[0].code, OUTCOME_INSUFFICIENT_STOCK);
    assert_null(facts_idempotency(&shop->facts, TEXT_LITERAL("k-1")));
    (void)shop_adjust(shop, "tee-m", 1);
    assert_int_equal(decide(shop, &draft).members[0].code, OUTCOME_ORDER_PLACED);
}

static void a_batch_that_may_run_short_waits_whole_for_the_sweep(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 3);
    struct variant *mug = shop_variant(shop, "mug", 3);
    (void)shop_overdue_draft(shop, tee, 1);
    shop->facts.sweep_pending = true;
    struct batch_draft draft = {.command = {.member_count = 0}};
    set_key(add_member(&draft, "mug", 1), "k-1", 1);
    add_member(&draft, "nope", 1);
    add_member(&draft, "tee-m", 2);
    add_member(&draft, "tee-m", 1); /* 2 are free: only together they may be short */
    struct outcome outcome = decide(shop, &draft);
    assert_int_equal(outcome.code, OUTCOME_NEEDS_SWEEP);
    assert_int_equal(outcome.member_count, 0);
    assert_int_equal(shop->facts.change_count, 0);
    assert_int_equal(shop->facts.idempotency.count, 0);
    assert_int_equal(tee->stock.reserved_quantity, 1);
    assert_int_equal(mug->stock.reserved_quantity, 0);

    draft.command.member_count = 3;
    assert_int_equal(decide(shop, &draft).code, OUTCOME_ORDERS_PLACED); /* enough for these whatever is overdue */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(each_member_stands_alone),
        IN_SHOP(a_batch_of_refusals_is_answered_and_changes_nothing),
        IN_SHOP(a_member_refused_at_the_door_is_skipped_in_its_place),
        IN_SHOP(members_count_towards_each_others_purchase_limit),
        IN_SHOP(a_members_key_that_came_again_replays_its_order),
        IN_SHOP(a_key_given_twice_within_one_batch_has_one_effect),
        IN_SHOP(a_refused_members_key_may_try_again),
        IN_SHOP(a_batch_that_may_run_short_waits_whole_for_the_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
