/* The audit is the judge of simulations: each of its checks finds what was broken for it. */

#include "../store/harness.h"

#include <stdio.h>
#include <string.h>

#include "memory_internal.h"

static void prepare(char *ret_location, size_t size)
{
    (void)snprintf(ret_location, size, "memory:audit");
}

static const struct store_under_test MEMORY = {&MEMORY_STORE, prepare, memory_database_discard};

static struct stored_order *order_of(struct memory_database *database, const char *customer_id)
{
    const struct index *orders = &database->indexes[ORDERS];
    for (size_t i = 0; i < orders->count; i++) {
        struct stored_order *stored = index_row(orders, i);
        if (text_equal_c(stored->order.customer_id, customer_id)) {
            return stored;
        }
    }
    fail_msg("no order of %s", customer_id);
    return NULL;
}

static struct variant *variant_of(struct memory_database *database, const char *sku)
{
    return index_find(&database->indexes[VARIANTS], text_from_c(sku));
}

static struct stored_event *event_of(struct memory_database *database, enum event_type type)
{
    const struct index *events = &database->indexes[EVENTS];
    for (size_t i = 0; i < events->count; i++) {
        struct stored_event *stored = index_row(events, i);
        if (stored->event.type == type) {
            return stored;
        }
    }
    fail_msg("no event %s", event_type_name(type));
    return NULL;
}

static void oversell(struct memory_database *database)
{
    variant_of(database, "a")->stock.reserved_quantity = 101;
}

static void reserve_too_much(struct memory_database *database)
{
    variant_of(database, "a")->stock.reserved_quantity = 2;
}

static void find_stock(struct memory_database *database)
{
    variant_of(database, "a")->stock.stock_quantity = 99;
}

static void release_a_draft(struct memory_database *database)
{
    order_of(database, "draft")->holds[0].status = RESERVATION_RELEASED;
}

static void lose_a_timeout(struct memory_database *database)
{
    index_remove_places(&database->indexes[TIMEOUTS], 0, 1);
}

static void move_a_deadline(struct memory_database *database)
{
    order_of(database, "draft")->order.expires_at_ms++;
}

static void miscount_drafts(struct memory_database *database)
{
    database->live_holds = 3;
}

static void lose_the_lines(struct memory_database *database)
{
    order_of(database, "draft")->order.line_count = 0;
}

static void sell_more_than_was_ordered(struct memory_database *database)
{
    order_of(database, "paid")->holds[0].quantity = 3;
}

static void pay_too_little(struct memory_database *database)
{
    order_of(database, "paid")->order.payments[0].amount.amount = 1;
}

static void lose_a_payment(struct memory_database *database)
{
    order_of(database, "paid")->order.payment_count = 0;
}

static void accept_what_is_refunded(struct memory_database *database)
{
    order_of(database, "refund")->order.payments[0].status = PAYMENT_ACCEPTED;
}

static void forget_a_sale(struct memory_database *database)
{
    struct movement_row *last = index_row(&database->indexes[MOVEMENTS], 2);
    assert_int_equal(last->movement.reason, MOVEMENT_SALE);
    last->movement.reason = MOVEMENT_OTHER;
}

static void hold_for_a_cancelled_order(struct memory_database *database)
{
    order_of(database, "cancelled")->holds[0].status = RESERVATION_ACTIVE;
}

static void time_a_cancelled_order_out(struct memory_database *database)
{
    struct stored_order *stored = order_of(database, "cancelled");
    struct key key;
    index_add(&database->indexes[TIMEOUTS], database->arena,
              key_of_time(&key, stored->order.expires_at_ms, &stored->order.id), stored);
}

static void record_a_reference_twice(struct memory_database *database)
{
    order_of(database, "refund")->order.payments[0].reference = TEXT_LITERAL("pi_2");
}

static struct stored_answer *add_answer(struct memory_database *database, const char *key, struct uuid order_id)
{
    struct stored_answer *stored = arena_zalloc(database->arena, sizeof(*stored));
    struct key place;
    stored->record.key = text_from_c(key);
    stored->has_order = true;
    stored->order_id = order_id;
    (void)key_of_number(&place, 0);
    key_add_last(&place, stored->record.key);
    index_add(&database->indexes[ANSWERS], database->arena, stored->record.key, stored);
    index_add(&database->indexes[ANSWERS_BY_AGE], database->arena, key_text(&place), stored);
    return stored;
}

static void answer_without_an_order(struct memory_database *database)
{
    (void)add_answer(database, "k", (struct uuid){{1}});
}

static void create_an_order_twice(struct memory_database *database)
{
    (void)add_answer(database, "k", order_of(database, "paid")->order.id);
    (void)add_answer(database, "l", order_of(database, "paid")->order.id);
}

static void lose_an_event(struct memory_database *database)
{
    index_remove_places(&database->indexes[EVENTS], 1, 1);
}

static void lose_the_last_event(struct memory_database *database)
{
    index_remove_places(&database->indexes[EVENTS], database->indexes[EVENTS].count - 1, 1);
}

static void tell_of_another_end(struct memory_database *database)
{
    event_of(database, EVENT_ORDER_CANCELLED)->event.type = EVENT_ORDER_EXPIRED;
}

static void give_an_event_to_nobody(struct memory_database *database)
{
    event_of(database, EVENT_ORDER_PAID)->order_id = (struct uuid){{1}};
}

static void tell_of_another_adjustment(struct memory_database *database)
{
    event_of(database, EVENT_STOCK_ADJUSTED)->event.type = EVENT_STOCK_LOW;
}

static void deliver_what_never_was(struct memory_database *database)
{
    struct stored_job *stored = arena_zalloc(database->arena, sizeof(*stored));
    stored->job.event_sequence = database->last_sequence + 1;
    index_add(&database->indexes[JOBS], database->arena, ID_KEY(&stored->job.id), stored);
}

static const struct {
    void (*plant)(struct memory_database *database);
    const char *found; /* how the violation begins */
} PLANTED[] = {
    {oversell, "I1: sku a: stock 98, reserved 101"},
    {reserve_too_much, "I2: sku a: reserved 2, active reservations sum to 1"},
    {find_stock, "I3: sku a: stock 99, movements sum to 98"},
    {release_a_draft, "I4: order 0"},
    {lose_a_timeout, "I4: order 0"},
    {move_a_deadline, "I4: order 0"},
    {miscount_drafts, "I4: counters has 3 live holds, and there are 2 drafts"},
    {lose_the_lines, "I4: order 0"},
    {sell_more_than_was_ordered, "I5: sku a: 3 units converted, 2 in the ledger as sold"},
    {sell_more_than_was_ordered, "I5: order 0"},
    {pay_too_little, "I5: order 0"},
    {lose_a_payment, "I5: order 0"},
    {accept_what_is_refunded, "I5: order 0"},
    {forget_a_sale, "I5: sku a: 2 units converted, 0 in the ledger as sold"},
    {hold_for_a_cancelled_order, "I6: order 0"},
    {time_a_cancelled_order_out, "I6: order 0"},
    {record_a_reference_twice, "I7: payment reference pi_2 is recorded 2 times"},
    {lose_a_payment, "I7: 1 payments have 2 references"},
    {answer_without_an_order, "I8: idempotency key k stands for an order that is not there"},
    {create_an_order_twice, "I8: order 0"},
    {give_an_event_to_nobody, "I9: events row "},
    {lose_an_event, "I11: event 3 is there and the one before it is not"},
    {lose_the_last_event, "I11: counters has given out event "},
    {tell_of_another_end, "I11: order 0"},
    {tell_of_another_adjustment, "I11: 1 stock adjustments have 0 events"},
    {deliver_what_never_was, "I11: job 0"},
};

static void the_audit_finds_what_is_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(PLANTED) / sizeof(PLANTED[0]); i++) {
        struct harness *harness = harness_open(&MEMORY);
        size_t overdue;
        one_order_of_each_kind(harness);
        PLANTED[i].plant(harness->store->database);
        const char *violations = run_audit(harness, &overdue);
        if (strstr(violations, PLANTED[i].found) == NULL) {
            fail_msg("%zu: wanted \"%s\", found:\n%s", i, PLANTED[i].found, violations);
        }
        harness_close(harness);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(the_audit_finds_what_is_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
