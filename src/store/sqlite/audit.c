#include <stdio.h>

#include "store/sqlite/sqlite_internal.h"

/* Each check is a query whose rows are what breaks an invariant: its number and a sentence. They read whole tables
 * once, in key order where that can be; what has to be sorted goes to a temporary file. */

#define ROWS_NAMED_MAX 100 /* of one check; the others are counted */

/* In every query o is an order and s a stock level. Names are looked up only for rows that are broken. */
#define ORDER_NAME "(SELECT 'order ' || order_id FROM orders_readable r WHERE r.order_no = o.order_no)"
#define SKU_NAME "(SELECT 'sku ' || sku FROM product_variants v WHERE v.variant_no = s.variant_no)"

/* I4 speaks of drafts, I5 of paid orders, I6 of the others. */
#define INVARIANT_OF_ORDER "CASE o.status WHEN 'draft' THEN 'I4' WHEN 'paid' THEN 'I5' ELSE 'I6' END"

#define LOG_IS_WHOLE "coalesce((SELECT min(sequence) FROM events), 1) = 1"

static const char CHECK_FILE[] = "SELECT 'I9', 'the file is damaged: ' || integrity_check FROM pragma_integrity_check "
                                 "WHERE integrity_check <> 'ok'";

static const char CHECK_REFERENCES[] =
    "SELECT 'I9', format('%s row %s refers to a row of %s that is not there', \"table\", coalesce(rowid, '?'), parent) "
    "FROM pragma_foreign_key_check";

static const char CHECK_LEVELS[] =
    "SELECT 'I1', format('sku %s: stock %d, reserved %d', v.sku, s.stock_quantity, s.reserved_quantity) "
    "FROM product_variants v "
    "LEFT JOIN stock_levels s ON s.variant_no = v.variant_no AND s.location_no = " STOCK_LOCATION " "
    "WHERE (0 <= s.reserved_quantity AND s.reserved_quantity <= s.stock_quantity) IS NOT TRUE";

static const char CHECK_RESERVED[] =
    "SELECT 'I2', format('%s: reserved %d, active reservations sum to %d', " SKU_NAME ", s.reserved_quantity, "
    "coalesce(held, 0)) FROM stock_levels s "
    "LEFT JOIN (SELECT variant_no, sum(quantity) AS held FROM stock_reservations "
    "WHERE status = 'active' GROUP BY variant_no) h ON h.variant_no = s.variant_no "
    "WHERE s.reserved_quantity <> coalesce(held, 0)";

static const char CHECK_LEDGER[] =
    "SELECT 'I3', format('%s: stock %d, movements sum to %d', " SKU_NAME ", s.stock_quantity, coalesce(moved, 0)) "
    "FROM stock_levels s "
    "LEFT JOIN (SELECT variant_no, sum(delta) AS moved FROM stock_movements GROUP BY variant_no) m "
    "ON m.variant_no = s.variant_no WHERE s.stock_quantity <> coalesce(moved, 0)";

static const char CHECK_LINES[] =
    "SELECT " INVARIANT_OF_ORDER
    ", format('%s is %s, and line %d of %d units has a reservation of %d that is %s', " ORDER_NAME
    ", o.status, i.line, i.quantity, coalesce(h.quantity, 0), coalesce(h.status, 'missing')) "
    "FROM orders o CROSS JOIN order_items i ON i.order_no = o.order_no "
    "LEFT JOIN stock_reservations h ON h.order_no = i.order_no AND h.line = i.line "
    "WHERE h.status IS NOT CASE o.status WHEN 'draft' THEN 'active' WHEN 'paid' THEN 'converted' "
    "ELSE 'released' END OR h.quantity <> i.quantity OR h.variant_no <> i.variant_no";

static const char CHECK_LINES_EXIST[] =
    "SELECT " INVARIANT_OF_ORDER ", format('%s is %s and has no lines', " ORDER_NAME ", o.status) "
    "FROM orders o WHERE NOT EXISTS (SELECT 1 FROM order_items i WHERE i.order_no = o.order_no)";

static const char CHECK_TIMEOUTS[] =
    "SELECT 'I4', format('%s is draft and has no payment timeout at its deadline', " ORDER_NAME ") "
    "FROM orders o WHERE o.status = 'draft' AND NOT EXISTS (SELECT 1 FROM payment_timeouts t "
    "WHERE t.run_at = o.expires_at AND t.order_no = o.order_no)";

static const char CHECK_JOBS[] =
    "SELECT " INVARIANT_OF_ORDER ", format('%s is %s and has a payment timeout %d ms from its deadline', " ORDER_NAME
    ", o.status, t.run_at - o.expires_at) "
    "FROM payment_timeouts t CROSS JOIN orders o ON o.order_no = t.order_no "
    "WHERE o.status <> 'draft' OR t.run_at <> o.expires_at";

static const char CHECK_DELIVERIES[] =
    "SELECT 'I11', format('job %d delivers event %d, which is not there', j.job_no, j.event_sequence) FROM jobs j "
    "WHERE j.event_sequence > coalesce((SELECT max(sequence) FROM events), 0) "
    "OR (j.event_sequence >= (SELECT min(sequence) FROM events) "
    "AND NOT EXISTS (SELECT 1 FROM events e WHERE e.sequence = j.event_sequence))";

static const char CHECK_PAYMENTS[] =
    "SELECT 'I5', format('%s is %s of %d %s and has %d accepted payments, %d of its total', " ORDER_NAME
    ", o.status, o.total_amount, o.currency, accepted, exact) FROM ("
    "SELECT order_no, status, total_amount, currency, "
    "(SELECT count(*) FROM payments p WHERE p.order_no = t.order_no AND p.status = 'accepted') AS accepted, "
    "(SELECT count(*) FROM payments p WHERE p.order_no = t.order_no AND p.status = 'accepted' "
    "AND p.amount = t.total_amount AND p.currency = t.currency) AS exact FROM orders t) o "
    "WHERE accepted <> (o.status = 'paid') OR exact <> (o.status = 'paid')";

static const char CHECK_SALES[] =
    "SELECT 'I5', format('%s: %d units converted, %d in the ledger as sold', " SKU_NAME ", "
    "coalesce(converted, 0), coalesce(sold, 0)) FROM stock_levels s "
    "LEFT JOIN (SELECT variant_no, sum(quantity) AS converted FROM stock_reservations "
    "WHERE status = 'converted' GROUP BY variant_no) h ON h.variant_no = s.variant_no "
    "LEFT JOIN (SELECT variant_no, -sum(delta) AS sold FROM stock_movements "
    "WHERE reason = 'sale' GROUP BY variant_no) m ON m.variant_no = s.variant_no "
    "WHERE coalesce(converted, 0) <> coalesce(sold, 0)";

static const char CHECK_PAYMENT_REFERENCES[] =
    "SELECT 'I7', format('payment reference %s is recorded %d times', payment_reference, count(*)) "
    "FROM payments NOT INDEXED GROUP BY payment_reference HAVING count(*) > 1";

static const char CHECK_PAYMENT_NUMBERS[] =
    "SELECT 'I7', format('%s has %d payments, numbered to %d', " ORDER_NAME ", count(*), max(number)) "
    "FROM payments o GROUP BY o.order_no HAVING max(number) <> count(*)";

static const char CHECK_KEYS[] =
    "SELECT 'I8', format('idempotency key %s stands for an order that is not there', key) FROM idempotency_keys k "
    "WHERE k.order_no IS NOT NULL AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_no = k.order_no)";

static const char CHECK_KEY_EFFECTS[] =
    "SELECT 'I8', format('%s was created under %d idempotency keys', " ORDER_NAME ", count(*)) "
    "FROM idempotency_keys o WHERE o.order_no IS NOT NULL GROUP BY o.order_no HAVING count(*) > 1";

static const char CHECK_KEY_REPEATS[] =
    "SELECT 'I8', format('idempotency key %s is kept %d times', key, count(*)) FROM idempotency_keys "
    "GROUP BY key HAVING count(*) > 1";

/* Each order up to covered_to has its postings; the hashes are the program's, so they are counted. */
#define CHECK_INDEX(name, rows)                                                                                 \
    "SELECT 'I8', format('" name " covers %d rows of %d', found, expected) FROM (SELECT "                       \
    "(SELECT count(*) FROM " name ", deferred_indexes d WHERE d.name = '" name "' AND order_no <= covered_to) " \
    "AS found, (SELECT count(*) FROM " rows ", deferred_indexes d WHERE d.name = '" name "' "                   \
    "AND order_no <= covered_to) AS expected) WHERE found <> expected"
static const char CHECK_CUSTOMER_INDEX[] = CHECK_INDEX("orders_by_customer", "orders");
static const char CHECK_VARIANT_INDEX[] =
    CHECK_INDEX("orders_by_variant", "(SELECT DISTINCT order_no, variant_no FROM order_items)");

static const char CHECK_SEQUENCES[] =
    "SELECT 'I11', format('event %d is there and the one before it is not', sequence) FROM events e "
    "WHERE sequence > (SELECT min(sequence) FROM events) "
    "AND NOT EXISTS (SELECT 1 FROM events b WHERE b.sequence = e.sequence - 1)";

/* An order's events, counted by type in one number of three digits each: created, paid, cancelled, expired, refund_due.
 * Where the log's beginning was pruned away, only orders whose creation is still there are held to it. */
static const char CHECK_EVENTS[] =
    "SELECT 'I11', format('%s is %s, its events (refund_due, expired, cancelled, paid, created) are %016d', " ORDER_NAME
    ", o.status, found) FROM ("
    "SELECT order_no, status, 1 + (status = 'paid') * 1000 + (status = 'cancelled') * 1000000 "
    "+ (status = 'expired' OR revived) * 1000000000 + (SELECT count(*) FROM payments p "
    "WHERE p.order_no = t.order_no AND p.status = 'refund_due') * 1000000000000 AS expected, "
    "coalesce((SELECT sum(CASE e.type WHEN 'order.created' THEN 1 WHEN 'order.paid' THEN 1000 "
    "WHEN 'order.cancelled' THEN 1000000 WHEN 'order.expired' THEN 1000000000 "
    "WHEN 'payment.refund_due' THEN 1000000000000 ELSE 0 END) FROM events e INDEXED BY events_by_order "
    "WHERE e.order_no = t.order_no AND e.order_no IS NOT NULL), 0) AS found FROM orders t) o "
    "WHERE found <> expected AND (found % 1000 > 0 OR " LOG_IS_WHOLE ")";

static const char CHECK_ADJUSTMENTS[] =
    "SELECT 'I11', format('%d stock adjustments have %d events', adjusted, logged) FROM ("
    "SELECT (SELECT count(*) FROM stock_movements WHERE reason NOT IN ('initial', 'sale')) AS adjusted, "
    "(SELECT count(*) FROM events WHERE type = 'stock.adjusted') AS logged) "
    "WHERE adjusted <> logged AND " LOG_IS_WHOLE;

static const struct check {
    const char *name;
    const char *sql;
} CHECKS[] = {
    {"file", CHECK_FILE},
    {"references", CHECK_REFERENCES},
    {"stock levels", CHECK_LEVELS},
    {"reserved stock", CHECK_RESERVED},
    {"ledger", CHECK_LEDGER},
    {"order lines", CHECK_LINES},
    {"orders without lines", CHECK_LINES_EXIST},
    {"payment timeouts", CHECK_TIMEOUTS},
    {"payment timeouts' orders", CHECK_JOBS},
    {"accepted payments", CHECK_PAYMENTS},
    {"sales", CHECK_SALES},
    {"payment references", CHECK_PAYMENT_REFERENCES},
    {"payment numbers", CHECK_PAYMENT_NUMBERS},
    {"idempotency keys", CHECK_KEYS},
    {"effects of keys", CHECK_KEY_EFFECTS},
    {"repeated keys", CHECK_KEY_REPEATS},
    {"customer index", CHECK_CUSTOMER_INDEX},
    {"variant index", CHECK_VARIANT_INDEX},
    {"event sequences", CHECK_SEQUENCES},
    {"order events", CHECK_EVENTS},
    {"stock events", CHECK_ADJUSTMENTS},
    {"deliveries' events", CHECK_DELIVERIES},
};
static const char OVERDUE_HOLDS[] = "holds overdue";

#define CHECK_COUNT (sizeof(CHECKS) / sizeof(CHECKS[0]))

static const struct tally {
    const char *what;
    const char *sql;
} TALLIES[] = {
    {"products", "SELECT count(*) FROM products"},
    {"variants", "SELECT count(*) FROM product_variants"},
    {"orders", "SELECT count(*) FROM orders"},
    {"orders draft", "SELECT count(*) FROM orders NOT INDEXED WHERE status = 'draft'"},
    {"orders paid", "SELECT count(*) FROM orders NOT INDEXED WHERE status = 'paid'"},
    {"orders cancelled", "SELECT count(*) FROM orders NOT INDEXED WHERE status = 'cancelled'"},
    {"orders expired", "SELECT count(*) FROM orders NOT INDEXED WHERE status = 'expired'"},
    {"order lines", "SELECT count(*) FROM order_items"},
    {"reservations", "SELECT count(*) FROM stock_reservations"},
    {"payments", "SELECT count(*) FROM payments"},
    {"payments refund_due", "SELECT count(*) FROM payments WHERE status = 'refund_due'"},
    {"stock movements", "SELECT count(*) FROM stock_movements"},
    {"payment timeouts", "SELECT count(*) FROM payment_timeouts"},
    {"jobs", "SELECT count(*) FROM jobs"},
    {"events", "SELECT count(*) FROM events"},
    {"idempotency keys", "SELECT count(*) FROM idempotency_keys"},
    {"api keys", "SELECT count(*) FROM api_keys"},
};
#define TALLY_COUNT (sizeof(TALLIES) / sizeof(TALLIES[0]))

/* ?1 is now, ?2 how late a draft may be. The latest come first. */
static const char COUNT_OVERDUE[] =
    "SELECT count(*), ?1 - min(expires_at) FROM orders WHERE status = 'draft' AND expires_at <= ?1";
static const char CHECK_OVERDUE[] =
    "SELECT 'I10', format('%s is overdue by %.3f s', " ORDER_NAME ", (?1 - o.expires_at) / 1000.0) FROM orders o "
    "WHERE o.status = 'draft' AND o.expires_at < ?1 - ?2 ORDER BY o.expires_at";

/* Texts of SQLite end with a NUL; a NULL among them would be a bug in a query above. */
static const char *column_name(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text == NULL ? "?" : (const char *)text;
}

static bool name_broken(sqlite3_stmt *statement, const char *check, const struct audit_sink *sink, struct fault *fault)
{
    int64_t found = 0;
    char invariant[8] = "";
    char more[64];
    for (;;) {
        bool row;
        if (!statement_next(statement, &row, fault)) {
            return false;
        }
        if (!row) {
            break;
        }
        if (found++ < ROWS_NAMED_MAX) {
            (void)snprintf(invariant, sizeof(invariant), "%s", column_name(statement, 0));
            sink->violation(sink->context, invariant, column_name(statement, 1), 1);
        }
    }
    if (found > ROWS_NAMED_MAX) {
        int64_t unnamed = found - ROWS_NAMED_MAX;
        (void)snprintf(more, sizeof(more), "%s: and %lld more", check, (long long)unnamed);
        sink->violation(sink->context, invariant, more, unnamed);
    }
    return true;
}

static bool run_check(struct connection *connection, const struct check *check, const struct audit_sink *sink,
                      struct fault *fault)
{
    sqlite3_stmt *statement;
    return connection_prepare(connection, check->sql, &statement, fault) &&
           name_broken(statement, check->name, sink, fault);
}

static bool count_rows(struct connection *connection, const struct audit_sink *sink, struct fault *fault)
{
    for (size_t i = 0; i < TALLY_COUNT; i++) {
        int64_t count;
        if (!connection_read_int64(connection, TALLIES[i].sql, 0, &count, fault)) {
            return false;
        }
        sink->count(sink->context, TALLIES[i].what, count);
    }
    return true;
}

/* I10: whoever asked knows whether a server was there to release them. */
static bool find_overdue(struct connection *connection, int64_t now_ms, const struct audit_sink *sink,
                         struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(connection, COUNT_OVERDUE, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, now_ms);
    if (!statement_next(statement, &row, fault)) {
        return false;
    }
    int64_t overdue = row ? column_int64(statement, 0) : 0;
    sink->count(sink->context, OVERDUE_HOLDS, overdue);
    sink->overdue(sink->context, overdue, row ? column_int64(statement, 1) : 0);
    (void)sqlite3_reset(statement);
    if (sink->late_ms_max < 0) {
        return true;
    }
    if (!connection_prepare(connection, CHECK_OVERDUE, &statement, fault)) {
        return false;
    }
    bind_int64(statement, 1, now_ms);
    bind_int64(statement, 2, sink->late_ms_max);
    return name_broken(statement, OVERDUE_HOLDS, sink, fault);
}

static bool run_checks(struct reader *reader, const struct audit_sink *sink, struct fault *fault)
{
    int total = (int)CHECK_COUNT + 2;
    sink->progress(sink->context, "counts", 1, total);
    if (!count_rows(&reader->connection, sink, fault)) {
        return false;
    }
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        sink->progress(sink->context, CHECKS[i].name, (int)i + 2, total);
        if (!run_check(&reader->connection, &CHECKS[i], sink, fault)) {
            return false;
        }
    }
    sink->progress(sink->context, OVERDUE_HOLDS, total, total);
    return find_overdue(&reader->connection, reader->store->unix_ms(), sink, fault);
}

/* One snapshot, however long it takes: no time limit, and the gate does not count it. The log grows meanwhile. */
bool sqlite_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault)
{
    struct fault ignored;
    if (!connection_run(&reader->connection, "BEGIN", fault)) {
        return false;
    }
    bool ok = run_checks(reader, sink, fault);
    (void)!connection_run(&reader->connection, "ROLLBACK", &ignored);
    return ok;
}
