#include <stdio.h>

#include "store/postgres/postgres_internal.h"
#include "store/postgres/rows.h"
#include "store/postgres/values.h"

/* Each check is a query whose rows are what breaks an invariant: its number and a sentence. They read whole tables
 * once and join them by hash or in key order, as the server sees fit. */

#define CHECK_MS_MAX (INT64_C(24) * 60 * 60 * 1000)

/* Whole tables are held against each other: never one row at a time, whatever the statistics said before they grew. */
static const char SETTINGS[] =
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET work_mem = '256MB'; "
    "SET enable_nestloop = off; SET jit = off; SET timezone = 'UTC'; SET client_min_messages = error";

/* A hundred rows are named; the others are counted. */
#define CHECK(query)                                                                                                   \
    "SELECT invariant, sentence, count(*) OVER () FROM (" query ") AS broken (invariant, sentence) ORDER BY sentence " \
    "LIMIT 100"

/* In every query o is an order. I4 speaks of drafts, I5 of paid orders, I6 of the others. */
#define INVARIANT_OF_ORDER "CASE o.status WHEN 'draft' THEN 'I4' WHEN 'paid' THEN 'I5' ELSE 'I6' END"
#define LOG_IS_WHOLE "coalesce((SELECT min(sequence) FROM events), 1) = 1"

/* Where no foreign key looks. c is a row, p what it refers to. */
#define ORPHANS                                                                                               \
    "SELECT 'order_items' AS child, c.order_id || ' ' || c.line AS place, 'orders' AS parent "                \
    "FROM order_items c WHERE NOT EXISTS (SELECT FROM orders p WHERE p.order_id = c.order_id) "               \
    "UNION ALL SELECT 'order_items', c.order_id || ' ' || c.line, 'product_variants' "                        \
    "FROM order_items c WHERE NOT EXISTS (SELECT FROM product_variants p WHERE p.variant_id = c.variant_id) " \
    "UNION ALL SELECT 'stock_reservations', c.order_id || ' ' || c.line, 'order_items' "                      \
    "FROM stock_reservations c WHERE NOT EXISTS (SELECT FROM order_items p "                                  \
    "WHERE p.order_id = c.order_id AND p.line = c.line) "                                                     \
    "UNION ALL SELECT 'payment_timeouts', c.order_id::text, 'orders' "                                        \
    "FROM payment_timeouts c WHERE NOT EXISTS (SELECT FROM orders p WHERE p.order_id = c.order_id) "          \
    "UNION ALL SELECT 'events', c.sequence::text, 'orders' FROM events c "                                    \
    "WHERE c.order_id IS NOT NULL AND NOT EXISTS (SELECT FROM orders p WHERE p.order_id = c.order_id) "       \
    "UNION ALL SELECT 'stock_movements', c.movement_no::text, 'orders' FROM stock_movements c "               \
    "WHERE c.order_id IS NOT NULL AND NOT EXISTS (SELECT FROM orders p WHERE p.order_id = c.order_id)"

static const struct statement CHECKS[] = {
    {"references",
     CHECK("SELECT 'I9', format('%s row %s refers to a row of %s that is not there', child, place, parent) "
           "FROM (" ORPHANS ") orphans")},
    {"stock levels",
     CHECK("SELECT 'I1', format('sku %s: stock %s, reserved %s', v.sku, coalesce(s.stock_quantity::text, 'missing'), "
           "coalesce(s.reserved_quantity::text, 'missing')) FROM product_variants v "
           "LEFT JOIN stock_levels s ON s.variant_id = v.variant_id AND s.location_id = 1 "
           "WHERE (0 <= s.reserved_quantity AND s.reserved_quantity <= s.stock_quantity) IS NOT TRUE")},
    {"reserved stock",
     CHECK("SELECT 'I2', format('sku %s: reserved %s, active reservations sum to %s', v.sku, s.reserved_quantity, "
           "coalesce(held, 0)) FROM stock_levels s LEFT JOIN product_variants v ON v.variant_id = s.variant_id "
           "LEFT JOIN (SELECT variant_id, sum(quantity) AS held FROM stock_reservations WHERE status = 'active' "
           "GROUP BY variant_id) h ON h.variant_id = s.variant_id WHERE s.reserved_quantity <> coalesce(held, 0)")},
    {"ledger",
     CHECK("SELECT 'I3', format('sku %s: stock %s, movements sum to %s', v.sku, s.stock_quantity, coalesce(moved, 0)) "
           "FROM stock_levels s LEFT JOIN product_variants v ON v.variant_id = s.variant_id "
           "LEFT JOIN (SELECT variant_id, sum(delta) AS moved FROM stock_movements GROUP BY variant_id) m "
           "ON m.variant_id = s.variant_id WHERE s.stock_quantity <> coalesce(moved, 0)")},
    {"order lines",
     CHECK("SELECT " INVARIANT_OF_ORDER ", format('order %s is %s, and line %s of %s units has a reservation of %s "
           "that is %s', o.order_id, o.status, i.line, i.quantity, coalesce(h.quantity, 0), "
           "coalesce(h.status, 'missing')) FROM orders o JOIN order_items i ON i.order_id = o.order_id "
           "LEFT JOIN stock_reservations h ON h.order_id = i.order_id AND h.line = i.line "
           "WHERE h.status IS DISTINCT FROM CASE o.status WHEN 'draft' THEN 'active' WHEN 'paid' THEN 'converted' "
           "ELSE 'released' END OR h.quantity <> i.quantity OR h.variant_id <> i.variant_id")},
    {"orders without lines",
     CHECK("SELECT " INVARIANT_OF_ORDER ", format('order %s is %s and has no lines', o.order_id, o.status) "
           "FROM orders o WHERE NOT EXISTS (SELECT FROM order_items i WHERE i.order_id = o.order_id)")},
    {"payment timeouts",
     CHECK("SELECT 'I4', format('order %s is draft and has no payment timeout at its deadline', o.order_id) "
           "FROM orders o WHERE o.status = 'draft' AND NOT EXISTS (SELECT FROM payment_timeouts t "
           "WHERE t.run_at = o.expires_at AND t.order_id = o.order_id)")},
    {"payment timeouts' orders",
     CHECK("SELECT " INVARIANT_OF_ORDER ", format('order %s is %s and has a payment timeout %s ms from its deadline', "
           "o.order_id, o.status, round(extract(epoch FROM t.run_at - o.expires_at) * 1000)) "
           "FROM payment_timeouts t JOIN orders o ON o.order_id = t.order_id "
           "WHERE o.status <> 'draft' OR t.run_at <> o.expires_at")},
    {"live holds",
     CHECK("SELECT 'I4', format('counters has %s live holds, and there are %s drafts', counted, drafts) FROM ("
           "SELECT (SELECT live_holds FROM counters) AS counted, "
           "(SELECT count(*) FROM orders WHERE status = 'draft') AS drafts) c WHERE counted IS DISTINCT FROM drafts")},
    {"accepted payments",
     CHECK("SELECT 'I5', format('order %s is %s of %s %s and has %s accepted payments, %s of its total', o.order_id, "
           "o.status, o.total_amount, o.currency, o.accepted, o.exact) FROM ("
           "SELECT o.order_id, o.status, o.total_amount, o.currency, count(p.order_id) AS accepted, "
           "count(*) FILTER (WHERE p.amount = o.total_amount AND p.currency = o.currency) AS exact FROM orders o "
           "LEFT JOIN payments p ON p.order_id = o.order_id AND p.status = 'accepted' GROUP BY o.order_id) o "
           "WHERE o.accepted <> (o.status = 'paid')::integer OR o.exact <> (o.status = 'paid')::integer")},
    {"sales", CHECK("SELECT 'I5', format('sku %s: %s units converted, %s in the ledger as sold', v.sku, "
                    "coalesce(converted, 0), coalesce(sold, 0)) FROM product_variants v "
                    "LEFT JOIN (SELECT variant_id, sum(quantity) AS converted FROM stock_reservations "
                    "WHERE status = 'converted' GROUP BY variant_id) h ON h.variant_id = v.variant_id "
                    "LEFT JOIN (SELECT variant_id, -sum(delta) AS sold FROM stock_movements "
                    "WHERE reason = 'sale' GROUP BY variant_id) m ON m.variant_id = v.variant_id "
                    "WHERE coalesce(converted, 0) <> coalesce(sold, 0)")},
    {"payment references",
     CHECK("SELECT 'I7', format('payment reference %s is recorded %s times', payment_reference, count(*)) "
           "FROM payments GROUP BY payment_reference HAVING count(*) > 1")},
    {"payment numbers",
     CHECK("SELECT 'I7', format('order %s has %s payments, numbered to %s', order_id, count(*), max(number)) "
           "FROM payments GROUP BY order_id HAVING max(number) <> count(*)")},
    {"idempotency keys", CHECK("SELECT 'I8', format('idempotency key %s stands for an order that is not there', key) "
                               "FROM idempotency_keys k WHERE k.order_id IS NOT NULL "
                               "AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = k.order_id)")},
    {"effects of keys",
     CHECK("SELECT 'I8', format('order %s was created under %s idempotency keys', order_id, count(*)) "
           "FROM idempotency_keys WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1")},
    {"repeated keys",
     CHECK("SELECT 'I8', format('idempotency key %s is kept %s times', key, count(*)) FROM idempotency_keys "
           "GROUP BY key HAVING count(*) > 1")},
    {"event sequences", CHECK("SELECT 'I11', format('event %s is there and the one before it is not', sequence) FROM ("
                              "SELECT sequence, lag(sequence) OVER (ORDER BY sequence) AS last FROM events) e "
                              "WHERE last <> sequence - 1")},
    {"last event",
     CHECK("SELECT 'I11', format('counters has given out event %s, and the last there is is %s', counted, last) FROM ("
           "SELECT (SELECT last_sequence FROM counters) AS counted, "
           "coalesce((SELECT max(sequence) FROM events), 0) AS last) c WHERE counted IS DISTINCT FROM last")},
    /* An order's events, counted by type in one number of three digits each: created, paid, cancelled, expired,
     * refund_due. Where the log's beginning was pruned away, only orders whose creation is still there are held to
     * it. */
    {"order events",
     CHECK("SELECT 'I11', format('order %s is %s, its events (refund_due, expired, cancelled, paid, created) are %s', "
           "order_id, status, lpad(found::text, 16, '0')) FROM ("
           "SELECT o.order_id, o.status, 1 + (o.status = 'paid')::integer * 1000 "
           "+ (o.status = 'cancelled')::integer * 1000000 + (o.status = 'expired' OR o.revived)::integer * 1000000000 "
           "+ coalesce(p.refunds, 0) * 1000000000000 AS expected, coalesce(e.found, 0) AS found FROM orders o "
           "LEFT JOIN (SELECT order_id, count(*) FILTER (WHERE type = 'order.created') "
           "+ count(*) FILTER (WHERE type = 'order.paid') * 1000 "
           "+ count(*) FILTER (WHERE type = 'order.cancelled') * 1000000 "
           "+ count(*) FILTER (WHERE type = 'order.expired') * 1000000000 "
           "+ count(*) FILTER (WHERE type = 'payment.refund_due') * 1000000000000 AS found "
           "FROM events WHERE order_id IS NOT NULL GROUP BY order_id) e ON e.order_id = o.order_id "
           "LEFT JOIN (SELECT order_id, count(*) AS refunds FROM payments WHERE status = 'refund_due' "
           "GROUP BY order_id) p ON p.order_id = o.order_id) o "
           "WHERE found <> expected AND (found % 1000 > 0 OR " LOG_IS_WHOLE ")")},
    {"stock events",
     CHECK("SELECT 'I11', format('%s stock adjustments have %s events', adjusted, logged) FROM ("
           "SELECT (SELECT count(*) FROM stock_movements WHERE reason NOT IN ('initial', 'sale')) AS adjusted, "
           "(SELECT count(*) FROM events WHERE type = 'stock.adjusted') AS logged) c "
           "WHERE adjusted <> logged AND " LOG_IS_WHOLE)},
    {"deliveries' events",
     CHECK("SELECT 'I11', format('job %s delivers event %s, which is not there', j.job_id, j.event_sequence) "
           "FROM jobs j WHERE j.event_sequence > (SELECT last_sequence FROM counters) "
           "OR (j.event_sequence >= (SELECT min(sequence) FROM events) "
           "AND NOT EXISTS (SELECT FROM events e WHERE e.sequence = j.event_sequence))")},
};
#define CHECK_COUNT (sizeof(CHECKS) / sizeof(CHECKS[0]))

/* Shown under their columns' names. */
static const struct statement SELECT_COUNTS = {
    "counts", "SELECT (SELECT count(*) FROM products) AS \"products\", "
              "(SELECT count(*) FROM product_variants) AS \"variants\", "
              "(SELECT count(*) FROM orders) AS \"orders\", "
              "(SELECT count(*) FROM orders WHERE status = 'draft') AS \"orders draft\", "
              "(SELECT count(*) FROM orders WHERE status = 'paid') AS \"orders paid\", "
              "(SELECT count(*) FROM orders WHERE status = 'cancelled') AS \"orders cancelled\", "
              "(SELECT count(*) FROM orders WHERE status = 'expired') AS \"orders expired\", "
              "(SELECT count(*) FROM order_items) AS \"order lines\", "
              "(SELECT count(*) FROM stock_reservations) AS \"reservations\", "
              "(SELECT count(*) FROM payments) AS \"payments\", "
              "(SELECT count(*) FROM payments WHERE status = 'refund_due') AS \"payments refund_due\", "
              "(SELECT count(*) FROM stock_movements) AS \"stock movements\", "
              "(SELECT count(*) FROM payment_timeouts) AS \"payment timeouts\", "
              "(SELECT count(*) FROM jobs) AS \"jobs\", "
              "(SELECT count(*) FROM events) AS \"events\", "
              "(SELECT count(*) FROM idempotency_keys) AS \"idempotency keys\", "
              "(SELECT count(*) FROM api_keys) AS \"api keys\""};
static const struct statement SELECT_CLOCK = {"clock", "SELECT clock_timestamp()"};
/* $1 now. */
static const struct statement COUNT_OVERDUE = {
    "count of holds overdue",
    "SELECT count(*), coalesce((extract(epoch FROM $1::timestamptz - min(expires_at)) * 1000)::bigint, 0) "
    "FROM orders WHERE status = 'draft' AND expires_at <= $1"};
/* $1 the deadline that a draft may have at the least, $2 now. The latest come first. */
static const struct statement CHECK_OVERDUE = {
    "holds overdue", "SELECT 'I10', format('order %s is overdue by %s s', order_id, "
                     "round(extract(epoch FROM $2::timestamptz - expires_at), 3)), count(*) OVER () "
                     "FROM orders WHERE status = 'draft' AND expires_at < $1 ORDER BY expires_at LIMIT 100"};

struct audit {
    struct session *session;
    const struct audit_sink *sink;
    int64_t now_ms; /* when the snapshot was taken, by the store's clock */
};

/* Runs one statement whose parameters are set. */
static bool run(struct audit *audit, const struct statement *statement, const PGresult **ret_result,
                struct fault *fault)
{
    size_t number = session_queue(audit->session, statement);
    if (!session_exchange(audit->session, fault)) {
        return false;
    }
    *ret_result = session_result(audit->session, number);
    return true;
}

static bool read_clock(struct audit *audit, const struct store *store, struct fault *fault)
{
    const PGresult *clock;
    (void)session_parameters(audit->session);
    if (!run(audit, &SELECT_CLOCK, &clock, fault)) {
        return false;
    }
    audit->now_ms = store->unix_ms == NULL ? value_unix_ms(clock, 0, 0) : store->unix_ms();
    return true;
}

static bool count_rows(struct audit *audit, struct fault *fault)
{
    const PGresult *counts;
    (void)session_parameters(audit->session);
    if (!run(audit, &SELECT_COUNTS, &counts, fault)) {
        return false;
    }
    for (int i = 0; i < PQnfields(counts); i++) {
        audit->sink->count(audit->sink->context, PQfname(counts, i), value_int64(counts, 0, i));
    }
    return true;
}

/* Whose parameters are set. */
static bool run_check(struct audit *audit, const struct statement *check, struct fault *fault)
{
    const struct audit_sink *sink = audit->sink;
    const PGresult *broken;
    if (!run(audit, check, &broken, fault)) {
        return false;
    }
    int named = PQntuples(broken);
    for (int row = 0; row < named; row++) {
        sink->violation(sink->context, PQgetvalue(broken, row, 0), PQgetvalue(broken, row, 1), 1);
    }
    int64_t found = named == 0 ? 0 : value_int64(broken, 0, 2);
    if (found > named) {
        char more[64];
        (void)snprintf(more, sizeof(more), "%s: and %lld more", check->name, (long long)(found - named));
        sink->violation(sink->context, PQgetvalue(broken, 0, 0), more, found - named);
    }
    return true;
}

/* I10: whoever asked knows whether a server was there to release them. */
static bool find_overdue(struct audit *audit, struct fault *fault)
{
    const struct audit_sink *sink = audit->sink;
    const PGresult *overdue;
    parameter_time(session_parameters(audit->session), audit->now_ms);
    if (!run(audit, &COUNT_OVERDUE, &overdue, fault)) {
        return false;
    }
    sink->count(sink->context, CHECK_OVERDUE.name, value_int64(overdue, 0, 0));
    sink->overdue(sink->context, value_int64(overdue, 0, 0), value_int64(overdue, 0, 1));
    if (sink->late_ms_max < 0) {
        return true;
    }
    struct parameters *parameters = session_parameters(audit->session);
    parameter_time(parameters, audit->now_ms - sink->late_ms_max);
    parameter_time(parameters, audit->now_ms);
    return run_check(audit, &CHECK_OVERDUE, fault);
}

static bool run_checks(struct audit *audit, struct fault *fault)
{
    const struct audit_sink *sink = audit->sink;
    int total = (int)CHECK_COUNT + 2;
    sink->progress(sink->context, SELECT_COUNTS.name, 1, total);
    if (!count_rows(audit, fault)) {
        return false;
    }
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        sink->progress(sink->context, CHECKS[i].name, (int)i + 2, total);
        (void)session_parameters(audit->session);
        if (!run_check(audit, &CHECKS[i], fault)) {
            return false;
        }
    }
    sink->progress(sink->context, CHECK_OVERDUE.name, total, total);
    return find_overdue(audit, fault);
}

/* One snapshot, however long it takes, on a connection of its own that has no time limits. */
bool postgres_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault)
{
    struct audit audit = {
        .session = session_new(&(struct session_options){
            .uri = reader->store->uri,
            .settings = SETTINGS,
            .exchange_ms_max = CHECK_MS_MAX,
            .let_in_us = &reader->store->let_in_us,
        }),
        .sink = sink,
    };
    bool ok = session_connect(audit.session, fault) &&
              session_run_script(audit.session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fault) &&
              read_clock(&audit, reader->store, fault) && run_checks(&audit, fault);
    session_free(audit.session); /* which ends the transaction, too */
    return ok;
}
