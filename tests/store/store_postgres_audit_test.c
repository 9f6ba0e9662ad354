#include "harness.h"

#include <string.h>

#include "postgres_schemas.h"
#include "store/postgres/postgres_store.h"

static const struct store_under_test POSTGRES = {&POSTGRES_STORE, postgres_schemas_prepare, postgres_schemas_discard};

struct planted {
    const char *sql;
    const char *invariant; /* how the violation begins */
};

static void assert_found(const struct planted *planted)
{
    struct harness *harness = harness_open(&POSTGRES);
    size_t overdue;
    one_order_of_each_kind(harness);
    (void)postgres_schemas_run(harness->location, planted->sql);
    const char *violations = run_audit(harness, &overdue);
    if (strstr(violations, planted->invariant) == NULL) {
        fail_msg("%s: wanted \"%s\", found:\n%s", planted->sql, planted->invariant, violations);
    }
    harness_close(harness);
}

#define ORDER(customer) "(SELECT order_id FROM orders WHERE customer_id = '" customer "')"
#define VARIANT(sku) "(SELECT variant_id FROM product_variants WHERE sku = '" sku "')"
#define OF(customer) " WHERE order_id = " ORDER(customer)
#define NOBODY "'01900000-0000-7000-8000-000000000000'"
#define HASH "decode(repeat('00', 32), 'hex')"

static void the_audit_finds_what_is_broken(void **state)
{
    static const struct planted all[] = {
        {"ALTER TABLE stock_levels DROP CONSTRAINT never_oversold; "
         "UPDATE stock_levels SET reserved_quantity = 101 WHERE variant_id = " VARIANT("a"),
         "I1: sku a: stock 98, reserved 101"},
        {"DELETE FROM stock_levels WHERE variant_id = " VARIANT("b"), "I1: sku b: stock missing, reserved missing"},
        {"UPDATE stock_levels SET reserved_quantity = 2 WHERE variant_id = " VARIANT("a"),
         "I2: sku a: reserved 2, active reservations sum to 1"},
        {"UPDATE stock_levels SET stock_quantity = 99 WHERE variant_id = " VARIANT("a"),
         "I3: sku a: stock 99, movements sum to 98"},
        {"DELETE FROM stock_movements WHERE reason = 'initial' AND variant_id = " VARIANT("b"), "I3: sku b"},
        {"UPDATE stock_reservations SET status = 'released'" OF("draft"), "I4: order 0"},
        {"DELETE FROM stock_reservations" OF("draft"), "I4: order 0"},
        {"DELETE FROM payment_timeouts" OF("draft"), "I4: order 0"},
        {"UPDATE orders SET expires_at = expires_at + interval '1 ms'" OF("draft"), "I4: order 0"},
        {"INSERT INTO payment_timeouts SELECT run_at + interval '5 ms', order_id FROM payment_timeouts" OF("draft"),
         "I4: order 0"},
        {"DELETE FROM order_items" OF("draft"), "I4: order 0"},
        {"UPDATE counters SET live_holds = 3", "I4: counters has 3 live holds, and there are 2 drafts"},
        {"UPDATE stock_reservations SET status = 'active'" OF("paid"), "I5: order 0"},
        {"UPDATE stock_reservations SET quantity = 3" OF("paid"), "I5: order 0"},
        {"UPDATE payments SET amount = 1" OF("paid"), "I5: order 0"},
        {"DELETE FROM payments" OF("paid"), "I5: order 0"},
        {"UPDATE payments SET status = 'accepted', reason = NULL" OF("refund"), "I5: order 0"},
        {"UPDATE stock_movements SET reason = 'other' WHERE reason = 'sale'", "I5: sku a: 2 units converted, 0"},
        {"INSERT INTO payment_timeouts VALUES (now(), " ORDER("cancelled") ")", "I6: order 0"},
        {"UPDATE stock_reservations SET status = 'active'" OF("cancelled"), "I6: order 0"},
        {"UPDATE payments SET number = 7" OF("paid"), "I7: order 0"},
        {"ALTER TABLE payments DROP CONSTRAINT payments_pkey; "
         "INSERT INTO payments SELECT payment_reference, order_id, 2, status, amount, currency, reason, created_at "
         "FROM payments" OF("paid"),
         "I7: payment reference pi_2 is recorded 2 times"},
        {"INSERT INTO idempotency_keys (key, fingerprint, created_at, order_id) VALUES ('k', " HASH ", now(), " NOBODY
         ")",
         "I8: idempotency key k"},
        {"INSERT INTO idempotency_keys (key, fingerprint, created_at, order_id) "
         "SELECT k, " HASH ", now(), " ORDER("paid") " FROM unnest(ARRAY['k', 'l']) k",
         "I8: order 0"},
        {"ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey; "
         "INSERT INTO idempotency_keys (key, fingerprint, created_at, status) "
         "SELECT 'k', " HASH ", now(), 201 FROM generate_series(1, 2)",
         "I8: idempotency key k is kept 2 times"},
        {"INSERT INTO order_items VALUES (" NOBODY ", 1, " VARIANT("a") ", 1, 1)",
         "I9: order_items row 01900000-0000-7000-8000-000000000000 1 refers to a row of orders that is not there"},
        {"UPDATE order_items SET variant_id = 77" OF("paid"), "refers to a row of product_variants"},
        {"INSERT INTO stock_reservations VALUES (" NOBODY ", 1, " VARIANT("a") ", 1, 'released')",
         "I9: stock_reservations row 0"},
        {"INSERT INTO payment_timeouts VALUES (now(), " NOBODY ")", "I9: payment_timeouts row 0"},
        {"UPDATE events SET order_id = " NOBODY " WHERE type = 'order.paid'", "I9: events row "},
        {"UPDATE stock_movements SET order_id = " NOBODY " WHERE reason = 'sale'", "I9: stock_movements row "},
        {"DELETE FROM events WHERE sequence = 2", "I11: event 3 is there and the one before it is not"},
        {"DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
         "I11: counters has given out event "},
        {"DELETE FROM events WHERE type = 'order.paid'", "I11: order 0"},
        {"DELETE FROM events WHERE type = 'payment.refund_due'", "I11: order 0"},
        {"UPDATE events SET type = 'order.expired' WHERE type = 'order.cancelled'", "I11: order 0"},
        {"UPDATE events SET type = 'stock.low' WHERE type = 'stock.adjusted'",
         "I11: 1 stock adjustments have 0 events"},
        {"INSERT INTO payment_timeouts SELECT now() + i * interval '1 s', order_id FROM orders, "
         "generate_series(1, 150) i WHERE customer_id = 'cancelled'",
         "I6: payment timeouts' orders: and 50 more"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_found(&all[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(the_audit_finds_what_is_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
