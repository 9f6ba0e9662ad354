/* One key, one request, one effect (I8). */

#include "cmocka_all.h"

#include <string.h>

#include "domain/expire_order.h"
#include "domain/idempotency.h"
#include "support/shop.h"

static struct idempotency request(const char *key, uint8_t fingerprint)
{
    struct idempotency idempotency = {.key = text_from_c(key)};
    memset(idempotency.fingerprint, fingerprint, FINGERPRINT_BYTES);
    return idempotency;
}

static void a_key_never_seen_decides_nothing(void **state)
{
    struct shop *shop = *state;
    struct idempotency first = request("k-1", 1);
    struct outcome outcome;
    assert_false(idempotency_decide(&shop->facts, &first, &outcome));
}

static void without_a_key_nothing_is_kept(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    struct idempotency none = {.key = TEXT_ABSENT};
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 1);
    struct outcome outcome;
    assert_null(idempotency_keep(&shop->facts, &none, &placed));
    assert_false(idempotency_decide(&shop->facts, &none, &outcome));
    assert_int_equal(shop->facts.idempotency.count, 0);
}

static void the_same_request_again_is_a_replay(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    struct idempotency first = request("k-1", 1);
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 1);
    struct idempotency_record *record = idempotency_keep(&shop->facts, &first, &placed);
    assert_non_null(record);
    assert_true(record->is_new);
    assert_int_equal(record->created_at_ms, SHOP_NOW_MS);
    assert_true(uuid_equal(record->order->id, placed.order->id));
    struct outcome outcome;
    assert_true(idempotency_decide(&shop->facts, &first, &outcome));
    assert_int_equal(outcome.code, OUTCOME_REPLAYED);
    assert_ptr_equal(outcome.record, record);
    assert_false(outcome.changed);
    assert_true(uuid_equal(outcome.order->id, placed.order->id));
}

static void another_request_under_the_key_is_refused(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 5);
    struct idempotency first = request("k-1", 1);
    struct idempotency other = request("k-1", 1);
    other.fingerprint[FINGERPRINT_BYTES - 1] = 2;
    struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 1);
    (void)idempotency_keep(&shop->facts, &first, &placed);
    struct outcome outcome;
    assert_true(idempotency_decide(&shop->facts, &other, &outcome));
    assert_int_equal(outcome.code, OUTCOME_IDEMPOTENCY_KEY_REUSED);
    assert_null(outcome.record);
    assert_null(outcome.order);
}

static void a_refusal_that_changed_nothing_is_not_kept(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 0);
    struct idempotency first = request("k-1", 1);
    struct outcome refused = shop_place_one(shop, "c-1", "tee-m", 1);
    assert_null(idempotency_keep(&shop->facts, &first, &refused));
    assert_int_equal(shop->facts.change_count, 0);
}

static void what_must_wait_for_the_sweep_is_not_kept(void **state)
{
    struct shop *shop = *state;
    struct variant *tee = shop_variant(shop, "tee-m", 1);
    (void)shop_overdue_draft(shop, tee, 1);
    shop->facts.sweep_pending = true;
    struct idempotency first = request("k-1", 1);
    struct outcome waiting = shop_place_one(shop, "c-1", "tee-m", 1);
    assert_null(idempotency_keep(&shop->facts, &first, &waiting));
}

static void a_refusal_that_recorded_money_is_kept(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_CANCELLED);
    struct idempotency first = request("k-1", 1);
    struct outcome refund = shop_pay(shop, order, "pi_1");
    struct idempotency_record *record = idempotency_keep(&shop->facts, &first, &refund);
    assert_non_null(record);
    assert_null(record->order); /* answered again from what the caller fills in */
    struct outcome outcome;
    assert_true(idempotency_decide(&shop->facts, &first, &outcome));
    assert_int_equal(outcome.code, OUTCOME_REPLAYED);
    assert_null(outcome.order);
}

static void a_success_that_changed_nothing_is_kept(void **state)
{
    struct shop *shop = *state;
    struct order *order = shop_order(shop, shop_variant(shop, "tee-m", 5), 1, ORDER_CANCELLED);
    struct idempotency first = request("k-1", 1);
    struct outcome again = shop_cancel(shop, order, NULL);
    assert_false(again.changed);
    assert_non_null(idempotency_keep(&shop->facts, &first, &again));
    assert_int_equal(shop->facts.change_count, 1); /* the key itself is to be saved */
}

static void a_creation_is_answered_as_it_was_whatever_became_of_the_order(void **state)
{
    struct shop *shop = *state;
    (void)shop_variant(shop, "tee-m", 50);
    const char *const keys[] = {"k-pay", "k-extend", "k-cancel", "k-expire"};
    struct idempotency requests[4];
    struct order *orders[4];
    for (size_t i = 0; i < 4; i++) {
        requests[i] = request(keys[i], (uint8_t)i);
        struct outcome placed = shop_place_one(shop, "c-1", "tee-m", 1);
        (void)idempotency_keep(&shop->facts, &requests[i], &placed);
        orders[i] = facts_order(&shop->facts, &placed.order->id);
    }
    assert_int_equal(shop_extend(shop, orders[0], 60).code, OUTCOME_ORDER_EXTENDED);
    assert_int_equal(shop_pay(shop, orders[0], "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(shop_extend(shop, orders[1], 60).code, OUTCOME_ORDER_EXTENDED);
    assert_int_equal(shop_cancel(shop, orders[2], "no").code, OUTCOME_ORDER_CANCELLED);
    shop_next_batch(shop, SHOP_HOLD_MS);
    assert_true(expire_order_decide(&shop->facts, orders[3]));
    for (size_t i = 0; i < 4; i++) {
        struct outcome outcome;
        assert_true(idempotency_decide(&shop->facts, &requests[i], &outcome));
        assert_true(uuid_equal(outcome.order->id, orders[i]->id));
        assert_int_equal(outcome.order->status, ORDER_DRAFT);
        assert_int_equal(outcome.order->expires_at_ms, SHOP_NOW_MS + SHOP_HOLD_MS);
        assert_int_equal(outcome.order->version, 1);
        assert_int_equal(outcome.order->payment_count, 0);
        assert_null(outcome.order->cancel_reason.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(a_key_never_seen_decides_nothing),
        IN_SHOP(without_a_key_nothing_is_kept),
        IN_SHOP(the_same_request_again_is_a_replay),
        IN_SHOP(another_request_under_the_key_is_refused),
        IN_SHOP(a_refusal_that_changed_nothing_is_not_kept),
        IN_SHOP(what_must_wait_for_the_sweep_is_not_kept),
        IN_SHOP(a_refusal_that_recorded_money_is_kept),
        IN_SHOP(a_success_that_changed_nothing_is_kept),
        IN_SHOP(a_creation_is_answered_as_it_was_whatever_became_of_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
