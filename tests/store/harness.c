#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/adjust_stock.h"
#include "domain/cancel_order.h"
#include "domain/catalogue.h"
#include "domain/expire_order.h"
#include "domain/extend_hold.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"

#define HOLD_SECONDS 900

int64_t harness_now_ms = HARNESS_START_MS;

int64_t harness_clock(void)
{
    return harness_now_ms;
}

void assert_ok_at(const struct harness *harness, bool ok, const char *file, int line)
{
    if (!ok) {
        print_error("%s: %s\n", fault_kind_name(harness->fault.kind), harness->fault.detail);
        _fail(file, line);
    }
}

void assert_fault(const struct harness *harness, bool ok, enum fault_kind kind)
{
    assert_false(ok);
    assert_string_equal(fault_kind_name(harness->fault.kind), fault_kind_name(kind));
    assert_true(strlen(harness->fault.detail) > 10);
}

static void open_store(struct harness *harness)
{
    struct store_options options = {.location = harness->location, .create = true, .unix_ms = harness_clock};
    struct migration_report report;
    assert_ok(harness, harness->ops->open(&options, &harness->store, &harness->fault));
    assert_ok(harness, harness->ops->migrate(harness->store, &report, &harness->fault));
    assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
}

static void close_store(struct harness *harness)
{
    harness->ops->reader_close(harness->reader);
    harness->ops->close(harness->store);
}

static void fill_random(void *context, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)harness_random(context, 256);
    }
}

struct harness *harness_open(const struct store_under_test *under_test)
{
    struct harness *harness = memory_zalloc(1, sizeof(*harness));
    harness->under_test = under_test;
    harness->ops = under_test->ops;
    harness->arena = arena_new((size_t)256 * 1024);
    harness->read_arena = arena_new((size_t)256 * 1024);
    harness->random_state = 1;
    harness_now_ms = HARNESS_START_MS;
    uuid_source_init(&harness->ids, fill_random, harness);
    under_test->prepare(harness->location, sizeof(harness->location));
    open_store(harness);
    return harness;
}

void harness_close(struct harness *harness)
{
    harness->ops->batch_rollback(harness->store); /* of a test that failed in the middle of one */
    close_store(harness);
    harness->under_test->discard(harness->location);
    arena_free(harness->arena);
    arena_free(harness->read_arena);
    free(harness);
}

void harness_reopen(struct harness *harness)
{
    close_store(harness);
    open_store(harness);
}

void harness_set_clock_back(struct harness *harness, int64_t ms)
{
    harness_now_ms -= ms;
    batch_begin(harness);
    harness->ops->batch_rollback(harness->store);
    for (bool more = true; more;) {
        assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault));
    }
}

uint64_t harness_random(struct harness *harness, uint64_t below)
{
    uint64_t mixed = harness->random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % below;
}

struct text harness_text(struct harness *harness, const char *format, ...)
{
    char bytes[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(bytes, sizeof(bytes), format, arguments);
    va_end(arguments);
    return arena_text(harness->read_arena, text_from_c(bytes));
}

/* Batches */

void batch_begin(struct harness *harness)
{
    int64_t now_ms;
    assert_ok(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault));
    arena_clear(harness->arena);
    wanted_init(&harness->wanted, harness->arena);
    facts_init(&harness->facts, harness->arena, now_ms, &harness->ids, (struct policy){.hold_seconds_max = 604800});
}

void batch_load(struct harness *harness)
{
    assert_ok(harness, harness->ops->batch_load(harness->store, &harness->wanted, &harness->facts, &harness->fault));
}

void batch_commit(struct harness *harness)
{
    event_stock_thresholds(&harness->facts);
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    assert_ok(harness, harness->ops->batch_commit(harness->store, &harness->fault));
}

/* Commands */

struct uuid make_limited_variant(struct harness *harness, const char *sku, int64_t stock_quantity,
                                 int64_t max_per_customer)
{
    struct create_variant variant = {
        .sku = text_from_c(sku),
        .title = TEXT_LITERAL("Tee, M"),
        .price = {1999, "EUR"},
        .stock_quantity = stock_quantity,
        .max_per_customer = max_per_customer,
        .low_stock_threshold = -1,
    };
    struct create_product product = {.title = TEXT_LITERAL("Tee"), .variants = &variant, .variant_count = 1};
    struct outcome outcome;
    batch_begin(harness);
    create_product_want(&product, &harness->wanted);
    batch_load(harness);
    create_product_decide(&harness->facts, &product, &outcome);
    assert_int_equal(outcome.code, OUTCOME_PRODUCT_CREATED);
    batch_commit(harness);
    return outcome.product->id;
}

struct uuid make_variant(struct harness *harness, const char *sku, int64_t stock_quantity)
{
    return make_limited_variant(harness, sku, stock_quantity, 0);
}

struct outcome place(struct harness *harness, const char *customer_id, const char *sku, int64_t quantity)
{
    struct place_order_line line = {text_from_c(sku), quantity};
    struct place_order order = {
        .customer_id = text_from_c(customer_id), .lines = &line, .line_count = 1, .hold_seconds = HOLD_SECONDS};
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&order, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &order, &outcome);
    batch_commit(harness);
    return outcome;
}

struct uuid place_id(struct harness *harness, const char *customer_id, const char *sku, int64_t quantity)
{
    struct outcome outcome = place(harness, customer_id, sku, quantity);
    assert_int_equal(outcome.code, OUTCOME_ORDER_PLACED);
    return outcome.order->id;
}

static struct outcome run_pay(struct harness *harness, const struct pay_order *command)
{
    struct outcome outcome;
    batch_begin(harness);
    pay_order_want(command, &harness->wanted);
    batch_load(harness);
    pay_order_decide(&harness->facts, command, &outcome);
    batch_commit(harness);
    return outcome;
}

struct outcome pay(struct harness *harness, struct uuid order_id, const char *reference)
{
    struct pay_order command = {.order_id = order_id, .payment_reference = text_from_c(reference)};
    return run_pay(harness, &command);
}

struct outcome pay_amount(struct harness *harness, struct uuid order_id, const char *reference, int64_t amount)
{
    struct pay_order command = {.order_id = order_id,
                                .payment_reference = text_from_c(reference),
                                .has_amount = true,
                                .amount = {amount, "EUR"}};
    return run_pay(harness, &command);
}

struct outcome cancel(struct harness *harness, struct uuid order_id, const char *reason)
{
    struct cancel_order command = {order_id, text_from_c(reason)};
    struct outcome outcome;
    batch_begin(harness);
    cancel_order_want(&command, &harness->wanted);
    batch_load(harness);
    cancel_order_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    return outcome;
}

struct outcome extend(struct harness *harness, struct uuid order_id, int64_t seconds)
{
    struct extend_hold command = {order_id, seconds};
    struct outcome outcome;
    batch_begin(harness);
    extend_hold_want(&command, &harness->wanted);
    batch_load(harness);
    extend_hold_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    return outcome;
}

struct outcome adjust(struct harness *harness, const char *sku, int64_t delta)
{
    struct adjust_stock command = {
        .sku = text_from_c(sku), .delta = delta, .reason = MOVEMENT_RESTOCK, .reference = TEXT_LITERAL("po-1")};
    struct outcome outcome;
    batch_begin(harness);
    adjust_stock_want(&command, &harness->wanted);
    batch_load(harness);
    adjust_stock_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    return outcome;
}

size_t expire_due(struct harness *harness, size_t max)
{
    bool more;
    size_t count;
    batch_begin(harness);
    struct uuid *due = arena_array(harness->arena, max, sizeof(*due));
    assert_ok(harness,
              harness->ops->batch_due(harness->store, harness->facts.now_ms, max, due, &count, &more, &harness->fault));
    for (size_t i = 0; i < count; i++) {
        wanted_add_order(&harness->wanted, &due[i]);
    }
    batch_load(harness);
    for (size_t i = 0; i < count; i++) {
        assert_true(expire_order_decide(&harness->facts, facts_order(&harness->facts, &due[i])));
    }
    batch_commit(harness);
    return count;
}

#define DAY_VARIANTS 3
#define DAY_ORDERS 64

static void random_command(struct harness *harness, size_t number, struct uuid orders[DAY_ORDERS])
{
    const char *sku = harness_text(harness, "day-%d", (int)harness_random(harness, DAY_VARIANTS)).bytes;
    struct uuid *order = &orders[harness_random(harness, DAY_ORDERS)];
    switch (harness_random(harness, 9)) {
    case 0:
        (void)pay(harness, *order, harness_text(harness, "pi-%d", (int)harness_random(harness, 400)).bytes);
        return;
    case 1:
        (void)pay_amount(harness, *order, harness_text(harness, "pa-%zu", number).bytes, 1);
        return;
    case 2:
        (void)cancel(harness, *order, "changed my mind");
        return;
    case 3:
        (void)extend(harness, *order, 60);
        return;
    case 4:
        (void)adjust(harness, sku, (int64_t)harness_random(harness, 9) - 3);
        return;
    case 5:
        (void)expire_due(harness, 2);
        return;
    default:
        break;
    }
    const char *customer = harness_text(harness, "c-%d", (int)harness_random(harness, 4)).bytes;
    struct outcome outcome = place(harness, customer, sku, 1 + (int64_t)harness_random(harness, 3));
    if (outcome.code == OUTCOME_ORDER_PLACED) {
        *order = outcome.order->id;
    }
}

void random_day(struct harness *harness, size_t commands)
{
    struct uuid orders[DAY_ORDERS] = {0};
    for (size_t i = 0; i < DAY_VARIANTS; i++) {
        (void)make_variant(harness, harness_text(harness, "day-%zu", i).bytes, 20);
    }
    for (size_t i = 0; i < commands; i++) {
        harness_now_ms += (int64_t)harness_random(harness, 30000);
        random_command(harness, i, orders);
    }
}

/* Reading */

struct order *read_order(struct harness *harness, struct uuid id)
{
    struct order *order;
    assert_ok(harness, harness->ops->read_order(harness->reader, harness->read_arena, &id, &order, &harness->fault));
    return order;
}

struct variant *read_variant(struct harness *harness, const char *sku)
{
    struct variant *variant;
    assert_ok(harness, harness->ops->read_variant(harness->reader, harness->read_arena, text_from_c(sku), &variant,
                                                  &harness->fault));
    return variant;
}

/* Audit */

struct audit_notes {
    struct buffer violations;
    int64_t rows; /* that they speak of */
    size_t overdue;
    int64_t late_ms_max;
    const char *wanted_count;
    int64_t count;
};

static void note_progress(void *context, const char *check, int number, int total)
{
    (void)context;
    assert_non_null(check);
    assert_in_range(number, 1, total);
}

static void note_count(void *context, const char *what, int64_t count)
{
    struct audit_notes *notes = context;
    if (notes->wanted_count != NULL && strcmp(what, notes->wanted_count) == 0) {
        notes->count = count;
    }
}

static void note_violation(void *context, const char *invariant, const char *row, int64_t rows)
{
    struct audit_notes *notes = context;
    notes->rows += rows;
    buffer_append_format(&notes->violations, "%s: %s\n", invariant, row);
}

static void note_overdue(void *context, int64_t drafts, int64_t late_ms)
{
    struct audit_notes *notes = context;
    assert_true(late_ms >= 0);
    notes->overdue = (size_t)drafts;
}

static void audit(struct harness *harness, struct audit_notes *notes)
{
    struct audit_sink sink = {notes, note_progress, note_count, note_violation, note_overdue, notes->late_ms_max};
    buffer_init(&notes->violations, 1024 * 1024);
    assert_ok(harness, harness->ops->audit(harness->reader, &sink, &harness->fault));
}

static const char *violations(struct harness *harness, struct audit_notes *notes)
{
    audit(harness, notes);
    struct text text = arena_text(harness->read_arena, buffer_text(&notes->violations));
    buffer_done(&notes->violations);
    return text.bytes;
}

const char *run_audit(struct harness *harness, size_t *ret_overdue)
{
    struct audit_notes notes = {.late_ms_max = -1};
    const char *text = violations(harness, &notes);
    *ret_overdue = notes.overdue;
    return text;
}

const char *run_strict_audit(struct harness *harness, int64_t late_ms_max, int64_t *ret_rows)
{
    struct audit_notes notes = {.late_ms_max = late_ms_max};
    const char *text = violations(harness, &notes);
    *ret_rows = notes.rows;
    return text;
}

void assert_audit_clean(struct harness *harness)
{
    size_t overdue;
    assert_string_equal(run_audit(harness, &overdue), "");
}

int64_t count_from_audit(struct harness *harness, const char *what)
{
    struct audit_notes notes = {.late_ms_max = -1, .wanted_count = what, .count = -1};
    audit(harness, &notes);
    buffer_done(&notes.violations);
    return notes.count;
}

void one_order_of_each_kind(struct harness *harness)
{
    (void)make_variant(harness, "a", 100);
    (void)make_variant(harness, "b", 100);
    harness_now_ms++;
    (void)place_id(harness, "draft", "a", 1);
    (void)pay(harness, place_id(harness, "paid", "a", 2), "pi_2");
    (void)cancel(harness, place_id(harness, "cancelled", "b", 3), "no");
    (void)pay_amount(harness, place_id(harness, "refund", "b", 4), "pi_4", 1);
    (void)adjust(harness, "b", 5);
    assert_audit_clean(harness);
}
