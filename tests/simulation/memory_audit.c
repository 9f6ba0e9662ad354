/* The audit, from the rows alone: nothing that is kept beside them (indexes, counters) is believed without them. Checks
 * and sentences are those of src/store/postgres/audit.c. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory_internal.h"

#define ROWS_NAMED_MAX 100 /* of one check; the others are counted */
#define SENTENCE_BYTES_MAX 512

/* An order's events by type, counted in one number of three digits each. */
#define CREATED INT64_C(1)
#define PAID INT64_C(1000)
#define CANCELLED INT64_C(1000000)
#define EXPIRED INT64_C(1000000000)
#define REFUND_DUE INT64_C(1000000000000)

/* What the rows of a variant sum up to. */
struct sums {
    int64_t held;
    int64_t moved;
    int64_t converted;
    int64_t sold;
};

struct audit {
    const struct memory_database *database;
    const struct audit_sink *sink;
    struct sums *sums; /* by the variant's number */
    int64_t now_ms;
    const char *invariant; /* that the check under way found broken last */
    int64_t found;         /* by it */
};

static PRINTF_LIKE(3, 4) void violation(struct audit *audit, const char *invariant, const char *format, ...)
{
    char sentence[SENTENCE_BYTES_MAX];
    va_list arguments;
    audit->invariant = invariant;
    if (++audit->found > ROWS_NAMED_MAX) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    audit->sink->violation(audit->sink->context, invariant, sentence, 1);
}

static void count_unnamed(struct audit *audit, const char *check)
{
    char more[SENTENCE_BYTES_MAX];
    int64_t unnamed = audit->found - ROWS_NAMED_MAX;
    if (unnamed > 0) {
        (void)snprintf(more, sizeof(more), "%s: and %" PRId64 " more", check, unnamed);
        audit->sink->violation(audit->sink->context, audit->invariant, more, unnamed);
    }
    audit->found = 0;
}

static const struct index *index_of(const struct audit *audit, enum index_name name)
{
    return &audit->database->indexes[name];
}

static const struct stored_order *order_at(const struct audit *audit, size_t place)
{
    return index_row(index_of(audit, ORDERS), place);
}

static const char *invariant_of(const struct order *order)
{
    return order->status == ORDER_DRAFT ? "I4" : order->status == ORDER_PAID ? "I5" : "I6";
}

struct id_text {
    char bytes[UUID_TEXT_LENGTH + 1];
};

static struct id_text text_of(const struct uuid *id)
{
    struct id_text text;
    uuid_format(*id, text.bytes);
    return text;
}

static bool has_order(const struct audit *audit, const struct uuid *id)
{
    return index_find(index_of(audit, ORDERS), ID_KEY(id)) != NULL;
}

static bool log_is_whole(const struct audit *audit)
{
    const struct index *events = index_of(audit, EVENTS);
    return events->count == 0 || ((const struct stored_event *)index_row(events, 0))->event.sequence == 1;
}

/* ---- Stock ---- */

static void sum_rows(struct audit *audit)
{
    const struct index *movements = index_of(audit, MOVEMENTS);
    for (size_t i = 0; i < movements->count; i++) {
        const struct movement *movement = &((const struct movement_row *)index_row(movements, i))->movement;
        struct sums *sums = &audit->sums[movement->variant->row];
        sums->moved += movement->delta;
        sums->sold -= movement->reason == MOVEMENT_SALE ? movement->delta : 0;
    }
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct stored_order *stored = order_at(audit, i);
        for (size_t line = 0; line < stored->order.line_count; line++) {
            const struct stored_hold *hold = &stored->holds[line];
            struct sums *sums = &audit->sums[hold->variant->row];
            sums->held += hold->status == RESERVATION_ACTIVE ? hold->quantity : 0;
            sums->converted += hold->status == RESERVATION_CONVERTED ? hold->quantity : 0;
        }
    }
}

static void check_variants(struct audit *audit,
                           void check(struct audit *audit, const struct variant *variant, const struct sums *sums))
{
    const struct index *variants = index_of(audit, VARIANTS);
    for (size_t i = 0; i < variants->count; i++) {
        const struct variant *variant = index_row(variants, i);
        check(audit, variant, &audit->sums[variant->row]);
    }
}

#define SKU(variant) (int)(variant)->sku.length, (variant)->sku.bytes

static void check_level(struct audit *audit, const struct variant *variant, const struct sums *sums)
{
    const struct stock_level *level = &variant->stock;
    (void)sums;
    if (level->reserved_quantity < 0 || level->reserved_quantity > level->stock_quantity) {
        violation(audit, "I1", "sku %.*s: stock %" PRId64 ", reserved %" PRId64, SKU(variant), level->stock_quantity,
                  level->reserved_quantity);
    }
}

static void check_held(struct audit *audit, const struct variant *variant, const struct sums *sums)
{
    if (variant->stock.reserved_quantity != sums->held) {
        violation(audit, "I2", "sku %.*s: reserved %" PRId64 ", active reservations sum to %" PRId64, SKU(variant),
                  variant->stock.reserved_quantity, sums->held);
    }
}

static void check_moved(struct audit *audit, const struct variant *variant, const struct sums *sums)
{
    if (variant->stock.stock_quantity != sums->moved) {
        violation(audit, "I3", "sku %.*s: stock %" PRId64 ", movements sum to %" PRId64, SKU(variant),
                  variant->stock.stock_quantity, sums->moved);
    }
}

static void check_sold(struct audit *audit, const struct variant *variant, const struct sums *sums)
{
    if (sums->converted != sums->sold) {
        violation(audit, "I5", "sku %.*s: %" PRId64 " units converted, %" PRId64 " in the ledger as sold", SKU(variant),
                  sums->converted, sums->sold);
    }
}

static void check_stock_levels(struct audit *audit)
{
    check_variants(audit, check_level);
}

static void check_reserved_stock(struct audit *audit)
{
    check_variants(audit, check_held);
}

static void check_ledger(struct audit *audit)
{
    check_variants(audit, check_moved);
}

static void check_sales(struct audit *audit)
{
    check_variants(audit, check_sold);
}

/* ---- Orders ---- */

static void check_references(struct audit *audit)
{
    const struct index *timeouts = index_of(audit, TIMEOUTS);
    const struct index *events = index_of(audit, EVENTS);
    const struct index *movements = index_of(audit, MOVEMENTS);
    for (size_t i = 0; i < timeouts->count; i++) {
        const struct stored_order *stored = index_row(timeouts, i);
        if (!has_order(audit, &stored->order.id)) {
            violation(audit, "I9", "payment_timeouts row %s refers to a row of orders that is not there",
                      text_of(&stored->order.id).bytes);
        }
    }
    for (size_t i = 0; i < events->count; i++) {
        const struct stored_event *stored = index_row(events, i);
        if (stored->has_order && !has_order(audit, &stored->order_id)) {
            violation(audit, "I9", "events row %" PRId64 " refers to a row of orders that is not there",
                      stored->event.sequence);
        }
    }
    for (size_t i = 0; i < movements->count; i++) {
        const struct movement_row *stored = index_row(movements, i);
        if (stored->movement.has_order && !has_order(audit, &stored->movement.order_id)) {
            violation(audit, "I9", "stock_movements row %" PRId64 " refers to a row of orders that is not there",
                      stored->sequence);
        }
    }
}

static void check_order_lines(struct audit *audit)
{
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct stored_order *stored = order_at(audit, i);
        const struct order *order = &stored->order;
        for (size_t line = 0; line < order->line_count; line++) {
            const struct stored_hold *hold = &stored->holds[line];
            if (hold->status != order_reservation_status(order->status) ||
                hold->quantity != order->lines[line].quantity || hold->variant != order->lines[line].variant) {
                violation(audit, invariant_of(order),
                          "order %s is %s, and line %zu of %" PRId64 " units has a reservation of %" PRId64
                          " that is %s",
                          text_of(&order->id).bytes, order_status_name(order->status), line + 1,
                          order->lines[line].quantity, hold->quantity, reservation_status_name(hold->status));
            }
        }
    }
}

static void check_orders_without_lines(struct audit *audit)
{
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct order *order = &order_at(audit, i)->order;
        if (order->line_count == 0) {
            violation(audit, invariant_of(order), "order %s is %s and has no lines", text_of(&order->id).bytes,
                      order_status_name(order->status));
        }
    }
}

static void check_payment_timeouts(struct audit *audit)
{
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct order *order = &order_at(audit, i)->order;
        struct key key;
        if (order->status == ORDER_DRAFT &&
            index_find(index_of(audit, TIMEOUTS), key_of_time(&key, order->expires_at_ms, &order->id)) == NULL) {
            violation(audit, "I4", "order %s is draft and has no payment timeout at its deadline",
                      text_of(&order->id).bytes);
        }
    }
}

static void check_orders_of_timeouts(struct audit *audit)
{
    const struct index *timeouts = index_of(audit, TIMEOUTS);
    for (size_t i = 0; i < timeouts->count; i++) {
        const struct order *order = &((const struct stored_order *)index_row(timeouts, i))->order;
        int64_t run_at_ms = key_first_number(timeouts->entries[i]->key);
        if (order->status != ORDER_DRAFT || run_at_ms != order->expires_at_ms) {
            violation(audit, invariant_of(order),
                      "order %s is %s and has a payment timeout %" PRId64 " ms from its deadline",
                      text_of(&order->id).bytes, order_status_name(order->status), run_at_ms - order->expires_at_ms);
        }
    }
}

static int64_t count_orders(const struct audit *audit, enum order_status status)
{
    int64_t count = 0;
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        count += order_at(audit, i)->order.status == status;
    }
    return count;
}

static void check_live_holds(struct audit *audit)
{
    int64_t drafts = count_orders(audit, ORDER_DRAFT);
    if (audit->database->live_holds != drafts) {
        violation(audit, "I4", "counters has %" PRId64 " live holds, and there are %" PRId64 " drafts",
                  audit->database->live_holds, drafts);
    }
}

/* ---- Payments ---- */

static void check_accepted_payments(struct audit *audit)
{
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct order *order = &order_at(audit, i)->order;
        int accepted = 0;
        int exact = 0;
        int expected = order->status == ORDER_PAID;
        for (size_t j = 0; j < order->payment_count; j++) {
            bool is_accepted = order->payments[j].status == PAYMENT_ACCEPTED;
            accepted += is_accepted;
            exact += is_accepted && money_equal(order->payments[j].amount, order->total);
        }
        if (accepted != expected || exact != expected) {
            violation(audit, "I5", "order %s is %s of %" PRId64 " %s and has %d accepted payments, %d of its total",
                      text_of(&order->id).bytes, order_status_name(order->status), order->total.amount,
                      order->total.currency, accepted, exact);
        }
    }
}

/* Where two orders have one, the index can only lead to one of them. */
static void check_payment_references(struct audit *audit)
{
    const struct index *payments = index_of(audit, PAYMENTS);
    size_t count = 0;
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct stored_order *stored = order_at(audit, i);
        count += stored->order.payment_count;
        for (size_t j = 0; j < stored->order.payment_count; j++) {
            struct text reference = stored->order.payments[j].reference;
            if (index_find(payments, reference) != stored ||
                order_find_payment(&stored->order, reference) != &stored->order.payments[j]) {
                violation(audit, "I7", "payment reference %.*s is recorded 2 times", (int)reference.length,
                          reference.bytes);
            }
        }
    }
    if (count != payments->count) {
        violation(audit, "I7", "%zu payments have %zu references", count, payments->count);
    }
}

/* ---- Idempotency ---- */

static void check_idempotency_keys(struct audit *audit)
{
    const struct index *answers = index_of(audit, ANSWERS);
    for (size_t i = 0; i < answers->count; i++) {
        const struct stored_answer *stored = index_row(answers, i);
        if (stored->has_order && !has_order(audit, &stored->order_id)) {
            violation(audit, "I8", "idempotency key %.*s stands for an order that is not there",
                      (int)stored->record.key.length, stored->record.key.bytes);
        }
    }
}

static void check_effects_of_keys(struct audit *audit)
{
    const struct index *answers = index_of(audit, ANSWERS);
    const struct index *orders = index_of(audit, ORDERS);
    unsigned *counts = memory_zalloc(orders->count + 1, sizeof(*counts));
    for (size_t i = 0; i < answers->count; i++) {
        const struct stored_answer *stored = index_row(answers, i);
        if (stored->has_order) {
            counts[index_seek(orders, ID_KEY(&stored->order_id))]++;
        }
    }
    for (size_t i = 0; i < orders->count; i++) {
        if (counts[i] > 1) {
            violation(audit, "I8", "order %s was created under %u idempotency keys",
                      text_of(&order_at(audit, i)->order.id).bytes, counts[i]);
        }
    }
    free(counts);
}

static void check_repeated_keys(struct audit *audit)
{
    size_t answers = index_of(audit, ANSWERS)->count;
    size_t by_age = index_of(audit, ANSWERS_BY_AGE)->count;
    if (answers != by_age) {
        violation(audit, "I8", "%zu answers are kept under %zu idempotency keys", by_age, answers);
    }
}

/* ---- Events ---- */

static void check_event_sequences(struct audit *audit)
{
    const struct index *events = index_of(audit, EVENTS);
    for (size_t i = 1; i < events->count; i++) {
        const struct stored_event *before = index_row(events, i - 1);
        const struct stored_event *stored = index_row(events, i);
        if (before->event.sequence != stored->event.sequence - 1) {
            violation(audit, "I11", "event %" PRId64 " is there and the one before it is not", stored->event.sequence);
        }
    }
}

static void check_last_event(struct audit *audit)
{
    const struct index *events = index_of(audit, EVENTS);
    int64_t last =
        events->count == 0 ? 0 : ((const struct stored_event *)index_row(events, events->count - 1))->event.sequence;
    if (last != audit->database->last_sequence) {
        violation(audit, "I11", "counters has given out event %" PRId64 ", and the last there is is %" PRId64,
                  audit->database->last_sequence, last);
    }
}

static int64_t digit_of(enum event_type type)
{
    switch (type) {
    case EVENT_ORDER_CREATED:
        return CREATED;
    case EVENT_ORDER_PAID:
        return PAID;
    case EVENT_ORDER_CANCELLED:
        return CANCELLED;
    case EVENT_ORDER_EXPIRED:
        return EXPIRED;
    case EVENT_PAYMENT_REFUND_DUE:
        return REFUND_DUE;
    default:
        return 0;
    }
}

static int64_t expected_events(const struct order *order)
{
    int64_t expected = CREATED;
    expected += order->status == ORDER_PAID ? PAID : 0;
    expected += order->status == ORDER_CANCELLED ? CANCELLED : 0;
    expected += order->status == ORDER_EXPIRED || order->revived ? EXPIRED : 0;
    for (size_t i = 0; i < order->payment_count; i++) {
        expected += order->payments[i].status == PAYMENT_REFUND_DUE ? REFUND_DUE : 0;
    }
    return expected;
}

/* Where the log's beginning was pruned away, only orders whose creation is still there are held to it. */
static void check_order_events(struct audit *audit)
{
    const struct index *events = index_of(audit, EVENTS);
    const struct index *orders = index_of(audit, ORDERS);
    bool is_whole = log_is_whole(audit);
    int64_t *found = memory_zalloc(orders->count + 1, sizeof(*found));
    for (size_t i = 0; i < events->count; i++) {
        const struct stored_event *stored = index_row(events, i);
        if (stored->has_order && has_order(audit, &stored->order_id)) {
            found[index_seek(orders, ID_KEY(&stored->order_id))] += digit_of(stored->event.type);
        }
    }
    for (size_t i = 0; i < orders->count; i++) {
        const struct order *order = &order_at(audit, i)->order;
        if (found[i] != expected_events(order) && (found[i] % PAID > 0 || is_whole)) {
            violation(audit, "I11",
                      "order %s is %s, its events (refund_due, expired, cancelled, paid, created) are %016" PRId64,
                      text_of(&order->id).bytes, order_status_name(order->status), found[i]);
        }
    }
    free(found);
}

static void check_stock_events(struct audit *audit)
{
    const struct index *movements = index_of(audit, MOVEMENTS);
    const struct index *events = index_of(audit, EVENTS);
    int64_t adjusted = 0;
    int64_t logged = 0;
    for (size_t i = 0; i < movements->count; i++) {
        const struct movement_row *stored = index_row(movements, i);
        adjusted += stored->movement.reason != MOVEMENT_INITIAL && stored->movement.reason != MOVEMENT_SALE;
    }
    for (size_t i = 0; i < events->count; i++) {
        logged += ((const struct stored_event *)index_row(events, i))->event.type == EVENT_STOCK_ADJUSTED;
    }
    if (adjusted != logged && log_is_whole(audit)) {
        violation(audit, "I11", "%" PRId64 " stock adjustments have %" PRId64 " events", adjusted, logged);
    }
}

static void check_events_of_deliveries(struct audit *audit)
{
    const struct index *jobs = index_of(audit, JOBS);
    const struct index *events = index_of(audit, EVENTS);
    int64_t first = events->count == 0 ? INT64_MAX : key_first_number(events->entries[0]->key);
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &((const struct stored_job *)index_row(jobs, i))->job;
        struct key key;
        bool is_there = index_find(events, key_of_number(&key, job->event_sequence)) != NULL;
        if (job->event_sequence > audit->database->last_sequence || (job->event_sequence >= first && !is_there)) {
            violation(audit, "I11", "job %s delivers event %" PRId64 ", which is not there", text_of(&job->id).bytes,
                      job->event_sequence);
        }
    }
}

/* ---- All of it ---- */

static const struct {
    const char *name;
    void (*run)(struct audit *audit);
} CHECKS[] = {
    {"references", check_references},
    {"stock levels", check_stock_levels},
    {"reserved stock", check_reserved_stock},
    {"ledger", check_ledger},
    {"order lines", check_order_lines},
    {"orders without lines", check_orders_without_lines},
    {"payment timeouts", check_payment_timeouts},
    {"payment timeouts' orders", check_orders_of_timeouts},
    {"live holds", check_live_holds},
    {"accepted payments", check_accepted_payments},
    {"sales", check_sales},
    {"payment references", check_payment_references},
    {"idempotency keys", check_idempotency_keys},
    {"effects of keys", check_effects_of_keys},
    {"repeated keys", check_repeated_keys},
    {"event sequences", check_event_sequences},
    {"last event", check_last_event},
    {"order events", check_order_events},
    {"stock events", check_stock_events},
    {"deliveries' events", check_events_of_deliveries},
};
static const char OVERDUE_HOLDS[] = "holds overdue";

#define CHECK_COUNT (sizeof(CHECKS) / sizeof(CHECKS[0]))

static void count_rows(const struct audit *audit)
{
    static const struct {
        const char *what;
        enum index_name index;
    } WHOLE[] = {
        {"products", PRODUCTS},         {"variants", VARIANTS},         {"orders", ORDERS}, {"payments", PAYMENTS},
        {"stock movements", MOVEMENTS}, {"payment timeouts", TIMEOUTS}, {"jobs", JOBS},     {"events", EVENTS},
        {"idempotency keys", ANSWERS},  {"api keys", API_KEYS}};
    static const char *const BY_STATUS[ORDER_STATUS_COUNT] = {"orders draft", "orders paid", "orders cancelled",
                                                              "orders expired"};
    const struct audit_sink *sink = audit->sink;
    int64_t lines = 0;
    int64_t refunds = 0;
    for (size_t i = 0; i < sizeof(WHOLE) / sizeof(WHOLE[0]); i++) {
        sink->count(sink->context, WHOLE[i].what, (int64_t)index_of(audit, WHOLE[i].index)->count);
    }
    for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
        sink->count(sink->context, BY_STATUS[status], count_orders(audit, (enum order_status)status));
    }
    for (size_t i = 0; i < index_of(audit, ORDERS)->count; i++) {
        const struct order *order = &order_at(audit, i)->order;
        lines += (int64_t)order->line_count;
        for (size_t j = 0; j < order->payment_count; j++) {
            refunds += order->payments[j].status == PAYMENT_REFUND_DUE;
        }
    }
    sink->count(sink->context, "order lines", lines);
    sink->count(sink->context, "reservations", lines);
    sink->count(sink->context, "payments refund_due", refunds);
}

/* I10: whoever asked knows whether a server was there to release them. The latest come first. */
static void find_overdue(struct audit *audit)
{
    const struct index *orders = index_of(audit, ORDERS);
    const struct audit_sink *sink = audit->sink;
    struct index overdue = {0};
    struct arena *arena = arena_new((size_t)64 * 1024);
    for (size_t i = 0; i < orders->count; i++) {
        const struct stored_order *stored = order_at(audit, i);
        struct key key;
        if (stored->order.status == ORDER_DRAFT && stored->order.expires_at_ms <= audit->now_ms) {
            index_add(&overdue, arena, key_of_time(&key, stored->order.expires_at_ms, &stored->order.id),
                      index_row(orders, i));
        }
    }
    sink->count(sink->context, OVERDUE_HOLDS, (int64_t)overdue.count);
    for (size_t i = 0; i < overdue.count; i++) {
        const struct order *order = &((const struct stored_order *)index_row(&overdue, i))->order;
        int64_t late_ms = audit->now_ms - order->expires_at_ms;
        if (i == 0) {
            sink->overdue(sink->context, (int64_t)overdue.count, late_ms);
        }
        if (sink->late_ms_max >= 0 && late_ms > sink->late_ms_max) {
            violation(audit, "I10", "order %s is overdue by %.3f s", text_of(&order->id).bytes, (double)late_ms / 1000);
        }
    }
    count_unnamed(audit, OVERDUE_HOLDS);
    index_done(&overdue);
    arena_free(arena);
}

bool memory_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault)
{
    struct audit audit = {.database = reader->store->database, .sink = sink, .now_ms = reader->store->unix_ms()};
    int total = (int)CHECK_COUNT + 2;
    if (!memory_schema_check(reader->store, fault)) {
        return false;
    }
    audit.sums = memory_zalloc((size_t)audit.database->variant_count + 1, sizeof(*audit.sums));
    sink->progress(sink->context, "counts", 1, total);
    count_rows(&audit);
    sum_rows(&audit);
    for (size_t i = 0; i < CHECK_COUNT; i++) {
        sink->progress(sink->context, CHECKS[i].name, (int)i + 2, total);
        CHECKS[i].run(&audit);
        count_unnamed(&audit, CHECKS[i].name);
    }
    sink->progress(sink->context, OVERDUE_HOLDS, total, total);
    find_overdue(&audit);
    free(audit.sums);
    return true;
}
