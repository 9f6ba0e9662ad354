#include "conformance.h"

#include <stdlib.h>
#include <string.h>

#include "domain/place_order.h"

#define MODEL_ORDERS_MAX 2000

/* All orders as one long page, newest first: what every filter and page is held against. */
static size_t read_all(struct harness *harness, struct order **ret_orders)
{
    struct order_filter filter = {.has_status = false};
    struct page page = {.limit = MODEL_ORDERS_MAX};
    struct order **orders;
    size_t count;
    bool more;
    assert_ok(harness, harness->ops->read_orders(harness->reader, harness->read_arena, &filter, &page, &orders, &count,
                                                 &more, &harness->fault));
    assert_false(more);
    memcpy(ret_orders, orders, count * sizeof(struct order *));
    for (size_t i = 1; i < count; i++) {
        assert_true(uuid_compare(orders[i]->id, orders[i - 1]->id) < 0);
    }
    return count;
}

static bool has_sku(const struct order *order, struct text sku)
{
    for (size_t i = 0; i < order->line_count; i++) {
        if (text_equal(order->lines[i].variant->sku, sku)) {
            return true;
        }
    }
    return false;
}

static bool matches(const struct order *order, const struct order_filter *filter)
{
    return (!filter->has_status || order->status == filter->status) &&
           (filter->customer_id.bytes == NULL || text_equal(order->customer_id, filter->customer_id)) &&
           (filter->sku.bytes == NULL || has_sku(order, filter->sku)) &&
           (!filter->has_created_after || order->created_at_ms >= filter->created_after_ms) &&
           (!filter->has_created_before || order->created_at_ms < filter->created_before_ms);
}

/* Reads the list page by page and holds it against the model. */
static void assert_list(struct harness *harness, struct order *const *model, size_t model_count,
                        const struct order_filter *filter, size_t limit)
{
    struct page page = {.limit = limit};
    size_t at = 0;
    bool more = true;
    while (more) {
        struct order **orders;
        size_t count;
        assert_ok(harness, harness->ops->read_orders(harness->reader, harness->read_arena, filter, &page, &orders,
                                                     &count, &more, &harness->fault));
        assert_true(count <= limit);
        assert_true(!more || count == limit);
        for (size_t i = 0; i < count; i++) {
            while (at < model_count && !matches(model[at], filter)) {
                at++;
            }
            assert_true(at < model_count);
            assert_true(uuid_equal(orders[i]->id, model[at]->id));
            assert_int_equal(orders[i]->status, model[at]->status);
            assert_int_equal(orders[i]->payment_count, model[at]->payment_count);
            at++;
            page.has_after = true;
            page.after_id = orders[i]->id;
        }
    }
    for (; at < model_count; at++) {
        assert_false(matches(model[at], filter));
    }
}

static void order_lists_are_what_their_filters_say(void **state)
{
    struct harness *harness = *state;
    struct order **model = calloc(MODEL_ORDERS_MAX, sizeof(struct order *));
    random_day(harness, 1200);
    size_t count = read_all(harness, model);
    assert_true(count > 200);
    for (unsigned mask = 0; mask < 32; mask++) {
        for (int status = 0; status < ORDER_STATUS_COUNT; status++) {
            struct order_filter filter = {
                .has_status = (mask & 1) != 0,
                .status = (enum order_status)status,
                .customer_id = (mask & 2) != 0 ? TEXT_LITERAL("c-1") : TEXT_ABSENT,
                .sku = (mask & 4) != 0 ? TEXT_LITERAL("day-2") : TEXT_ABSENT,
                .has_created_after = (mask & 8) != 0,
                .created_after_ms = model[count * 3 / 4]->created_at_ms,
                .has_created_before = (mask & 16) != 0,
                .created_before_ms = model[count / 4]->created_at_ms,
            };
            assert_list(harness, model, count, &filter, 7);
        }
    }
    struct order_filter unknown = {.sku = TEXT_LITERAL("no such sku")};
    assert_list(harness, model, 0, &unknown, 7);
    free(model);
}

static void pages_stay_in_place_while_orders_come_in(void **state)
{
    struct harness *harness = *state;
    struct order *model[10];
    struct order_filter filter = {.has_status = false};
    struct page page = {.limit = 4};
    struct order **orders;
    size_t count;
    bool more;
    (void)make_variant(harness, "a", 100);
    for (size_t i = 0; i < 6; i++) {
        (void)place_id(harness, "c", "a", 1);
    }
    assert_int_equal(read_all(harness, model), 6);
    page.has_after = true;
    page.after_id = model[1]->id;
    (void)place_id(harness, "c", "a", 1);
    assert_ok(harness, harness->ops->read_orders(harness->reader, harness->read_arena, &filter, &page, &orders, &count,
                                                 &more, &harness->fault));
    assert_int_equal(count, 4);
    assert_false(more);
    assert_true(uuid_equal(orders[0]->id, model[2]->id) && uuid_equal(orders[3]->id, model[5]->id));
}

static bool holds(const struct order *order, const struct reservation_filter *filter)
{
    return (!filter->has_status || order_reservation_status(order->status) == filter->status) &&
           (filter->sku.bytes == NULL || has_sku(order, filter->sku));
}

static void assert_reservation(const struct reservation_row *row, const struct order *order)
{
    assert_true(uuid_equal(row->order_id, order->id));
    assert_int_equal(row->line, 1);
    assert_int_equal(row->quantity, order->lines[0].quantity);
    assert_int_equal(row->status, order_reservation_status(order->status));
    assert_int_equal(row->expires_at_ms, order->expires_at_ms);
    assert_true(text_equal(row->sku, order->lines[0].variant->sku));
}

/* Every order of the model has one line. */
static void assert_reservations(struct harness *harness, struct order *const *model, size_t model_count,
                                const struct reservation_filter *filter)
{
    struct page page = {.limit = 5};
    size_t at = 0;
    bool more = true;
    while (more) {
        struct reservation_row *rows;
        size_t count;
        assert_ok(harness, harness->ops->read_reservations(harness->reader, harness->read_arena, filter, &page, &rows,
                                                           &count, &more, &harness->fault));
        for (size_t i = 0; i < count; i++, at++) {
            while (at < model_count && !holds(model[at], filter)) {
                at++;
            }
            assert_true(at < model_count);
            assert_reservation(&rows[i], model[at]);
            page.has_after = true;
            page.after_id = rows[i].order_id;
            page.after_line = rows[i].line;
        }
    }
    for (; at < model_count; at++) {
        assert_false(holds(model[at], filter));
    }
}

static void reservations_follow_their_orders(void **state)
{
    struct harness *harness = *state;
    struct order **model = calloc(MODEL_ORDERS_MAX, sizeof(struct order *));
    random_day(harness, 800);
    size_t count = read_all(harness, model);
    for (unsigned mask = 0; mask < 4; mask++) {
        for (int status = 0; status < RESERVATION_STATUS_COUNT; status++) {
            struct reservation_filter filter = {
                .has_status = (mask & 1) != 0,
                .status = (enum reservation_status)status,
                .sku = (mask & 2) != 0 ? TEXT_LITERAL("day-1") : TEXT_ABSENT,
            };
            assert_reservations(harness, model, count, &filter);
        }
    }
    free(model);
}

static void a_page_of_reservations_may_end_inside_an_order(void **state)
{
    struct harness *harness = *state;
    struct place_order_line lines[] = {{TEXT_LITERAL("a"), 1}, {TEXT_LITERAL("b"), 2}, {TEXT_LITERAL("a"), 3}};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c"), .lines = lines, .line_count = 3, .hold_seconds = 60};
    (void)make_variant(harness, "a", 100);
    (void)make_variant(harness, "b", 100);
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome;
        batch_begin(harness);
        place_order_want(&command, &harness->wanted);
        batch_load(harness);
        place_order_decide(&harness->facts, &command, &outcome);
        batch_commit(harness);
    }
    for (unsigned mask = 0; mask < 4; mask++) {
        struct reservation_filter filter = {
            .has_status = (mask & 1) != 0,
            .status = RESERVATION_ACTIVE,
            .sku = (mask & 2) != 0 ? TEXT_LITERAL("a") : TEXT_ABSENT,
        };
        struct page page = {.limit = 2};
        char seen[32] = "";
        bool more = true;
        while (more) {
            struct reservation_row *rows;
            size_t count;
            assert_ok(harness, harness->ops->read_reservations(harness->reader, harness->read_arena, &filter, &page,
                                                               &rows, &count, &more, &harness->fault));
            for (size_t i = 0; i < count; i++) {
                seen[strlen(seen)] = (char)('0' + rows[i].line);
            }
            page.has_after = true;
            page.after_id = rows[count - 1].order_id;
            page.after_line = rows[count - 1].line;
        }
        assert_string_equal(seen, filter.sku.bytes == NULL ? "123123123" : "131313");
    }
}

static size_t read_events(struct harness *harness, const struct event_filter *filter, int64_t after, size_t limit,
                          struct event_row **ret_rows, bool *ret_more)
{
    struct page page = {.limit = limit, .has_after = after > 0, .after_number = after};
    size_t count;
    bool found;
    assert_ok(harness, harness->ops->read_events(harness->reader, harness->read_arena, filter, &page, ret_rows, &count,
                                                 ret_more, &found, &harness->fault));
    assert_true(found);
    return count;
}

static void assert_events_of_type(struct harness *harness, const struct event_row *all, size_t all_count,
                                  enum event_type type)
{
    struct event_filter filter = {.has_type = true, .type = type};
    struct event_row *page;
    int64_t after = 0;
    bool more = true;
    for (size_t i = 0; i < all_count; i++) {
        if (all[i].type == type) {
            assert_true(more);
            assert_int_equal(read_events(harness, &filter, after, 1, &page, &more), 1);
            assert_int_equal(page[0].sequence, all[i].sequence);
            after = page[0].sequence;
        }
    }
    assert_int_equal(read_events(harness, &filter, after, 1, &page, &more), 0);
}

static void events_are_numbered_without_gaps(void **state)
{
    struct harness *harness = *state;
    struct event_row *all;
    struct event_row *page;
    bool more;
    random_day(harness, 400);
    struct event_filter any = {.has_type = false};
    size_t count = read_events(harness, &any, 0, 5000, &all, &more);
    assert_false(more);
    assert_true(count > 100);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].sequence, i + 1);
        assert_true(all[i].data.length > 2 && all[i].data.bytes[0] == '{');
    }
    assert_int_equal(read_events(harness, &any, 10, 5, &page, &more), 5);
    assert_true(more);
    assert_int_equal(page[0].sequence, 11);
    assert_true(uuid_equal(page[0].id, all[10].id));
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        assert_events_of_type(harness, all, count, (enum event_type)type);
    }
}

static int64_t last_sequence(struct harness *harness)
{
    int64_t sequence = -1;
    assert_ok(harness, harness->ops->read_last_sequence(harness->reader, &sequence, &harness->fault));
    return sequence;
}

static void the_newest_event_is_known_by_its_number(void **state)
{
    struct harness *harness = *state;
    struct event_filter any = {.has_type = false};
    struct event_row *rows;
    bool more;
    assert_int_equal(last_sequence(harness), 0);
    (void)make_variant(harness, "a", 100);
    for (int64_t orders = 1; orders <= 3; orders++) {
        (void)place_id(harness, "c", "a", 1);
        size_t count = read_events(harness, &any, 0, 100, &rows, &more);
        assert_true(count >= (size_t)orders);
        assert_int_equal(last_sequence(harness), rows[count - 1].sequence);
    }
}

static void an_order_has_its_history(void **state)
{
    struct harness *harness = *state;
    struct event_row *rows;
    struct page page = {.limit = 10};
    size_t count;
    bool more;
    bool found;
    (void)make_variant(harness, "a", 100);
    struct uuid id = place_id(harness, "c", "a", 1);
    (void)place_id(harness, "c", "a", 1);
    (void)extend(harness, id, 60);
    (void)pay(harness, id, "pi_1");
    struct event_filter filter = {.has_order = true, .order_id = id};
    assert_int_equal(read_events(harness, &filter, 0, 10, &rows, &more), 3);
    assert_int_equal(rows[0].type, EVENT_ORDER_CREATED);
    assert_int_equal(rows[1].type, EVENT_ORDER_EXTENDED);
    assert_int_equal(rows[2].type, EVENT_ORDER_PAID);
    filter.has_type = true;
    filter.type = EVENT_ORDER_PAID;
    assert_int_equal(read_events(harness, &filter, 0, 10, &rows, &more), 1);
    filter.order_id = uuid_source_next(&harness->ids, harness_now_ms);
    assert_ok(harness, harness->ops->read_events(harness->reader, harness->read_arena, &filter, &page, &rows, &count,
                                                 &more, &found, &harness->fault));
    assert_false(found);
}

static void the_ledger_is_read_oldest_first(void **state)
{
    struct harness *harness = *state;
    struct movement_row *rows;
    struct page page = {.limit = 2};
    size_t count;
    bool more;
    bool found;
    (void)make_variant(harness, "a", 10);
    (void)make_variant(harness, "b", 10);
    (void)adjust(harness, "a", 5);
    (void)adjust(harness, "b", 5);
    struct uuid id = place_id(harness, "c", "a", 3);
    (void)pay(harness, id, "pi_1");
    assert_ok(harness, harness->ops->read_movements(harness->reader, harness->read_arena, TEXT_LITERAL("a"), &page,
                                                    &rows, &count, &more, &found, &harness->fault));
    assert_true(found && more);
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].movement.reason, MOVEMENT_INITIAL);
    assert_int_equal(rows[1].movement.delta, 5);
    assert_int_equal(rows[1].movement.stock_quantity, 15);
    assert_true(text_equal_c(rows[1].movement.reference, "po-1"));
    assert_false(rows[1].movement.has_order);
    page.has_after = true;
    page.after_number = rows[1].sequence;
    assert_ok(harness, harness->ops->read_movements(harness->reader, harness->read_arena, TEXT_LITERAL("a"), &page,
                                                    &rows, &count, &more, &found, &harness->fault));
    assert_int_equal(count, 1);
    assert_false(more);
    assert_int_equal(rows[0].movement.reason, MOVEMENT_SALE);
    assert_true(rows[0].movement.has_order && uuid_equal(rows[0].movement.order_id, id));
    assert_ok(harness, harness->ops->read_movements(harness->reader, harness->read_arena, TEXT_LITERAL("x"), &page,
                                                    &rows, &count, &more, &found, &harness->fault));
    assert_false(found);
}

static void products_are_listed_newest_first(void **state)
{
    struct harness *harness = *state;
    struct uuid ids[5];
    struct page page = {.limit = 2};
    bool more = true;
    size_t at = 5;
    for (size_t i = 0; i < 5; i++) {
        ids[i] = make_variant(harness, harness_text(harness, "sku-%zu", i).bytes, 1);
    }
    while (more) {
        struct product **products;
        size_t count;
        assert_ok(harness, harness->ops->read_products(harness->reader, harness->read_arena, &page, &products, &count,
                                                       &more, &harness->fault));
        for (size_t i = 0; i < count; i++) {
            at--;
            assert_true(uuid_equal(products[i]->id, ids[at]));
            assert_int_equal(products[i]->variant_count, 1);
            page.has_after = true;
            page.after_id = products[i]->id;
        }
    }
    assert_int_equal(at, 0);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct harness *harness = *state;
    struct uuid id = uuid_source_next(&harness->ids, harness_now_ms);
    struct product *product;
    assert_null(read_order(harness, id));
    assert_null(read_variant(harness, "a"));
    assert_ok(harness,
              harness->ops->read_product(harness->reader, harness->read_arena, &id, &product, &harness->fault));
    assert_null(product);
    assert_ok(harness, harness->ops->read_ping(harness->reader, &harness->fault));
}

static void keys_are_made_listed_and_revoked(void **state)
{
    struct harness *harness = *state;
    struct key_row key = {.name = TEXT_LITERAL("till"),
                          .scope = KEY_SCOPE_WRITE,
                          .hint = TEXT_LITERAL("hf_abc"),
                          .created_at_ms = HARNESS_START_MS};
    struct key_row *rows;
    size_t count;
    bool found;
    char id[UUID_TEXT_LENGTH + 1];
    key.id = uuid_source_next(&harness->ids, HARNESS_START_MS);
    memset(key.hash, 7, sizeof(key.hash));
    assert_ok(harness, harness->ops->key_create(harness->store, &key, &harness->fault));
    struct key_row twin = key;
    twin.id = uuid_source_next(&harness->ids, HARNESS_START_MS);
    twin.created_at_ms++;
    memset(twin.hash, 8, sizeof(twin.hash));
    assert_fault(harness, harness->ops->key_create(harness->store, &twin, &harness->fault), FAULT_CONSTRAINT);

    assert_ok(harness, harness->ops->key_revoke(harness->store, key.name, 5, &found, &harness->fault));
    assert_true(found);
    assert_ok(harness, harness->ops->key_revoke(harness->store, key.name, 6, &found, &harness->fault));
    assert_false(found);
    assert_ok(harness, harness->ops->key_create(harness->store, &twin, &harness->fault));
    uuid_format(twin.id, id);
    assert_ok(harness, harness->ops->key_revoke(harness->store, text_from_c(id), 9, &found, &harness->fault));
    assert_true(found);

    assert_ok(harness, harness->ops->read_keys(harness->reader, harness->read_arena, &rows, &count, &harness->fault));
    assert_int_equal(count, 2);
    assert_true(uuid_equal(rows[0].id, key.id));
    assert_true(text_equal_c(rows[0].name, "till") && text_equal_c(rows[0].hint, "hf_abc"));
    assert_int_equal(rows[0].scope, KEY_SCOPE_WRITE);
    assert_memory_equal(rows[0].hash, key.hash, KEY_HASH_BYTES);
    assert_int_equal(rows[0].revoked_at_ms, 5);
    assert_int_equal(rows[1].revoked_at_ms, 9);
}

static void the_audit_counts_overdue_holds(void **state)
{
    struct harness *harness = *state;
    size_t overdue;
    (void)make_variant(harness, "a", 100);
    (void)place_id(harness, "c", "a", 1);
    (void)place_id(harness, "c", "a", 1);
    assert_string_equal(run_audit(harness, &overdue), "");
    assert_int_equal(overdue, 0);
    harness_now_ms += 900000;
    (void)place_id(harness, "c", "a", 1);
    assert_string_equal(run_audit(harness, &overdue), "");
    assert_int_equal(overdue, 2);
    assert_int_equal(count_from_audit(harness, "orders draft"), 3);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void the_audit_names_a_hundred_holds_that_are_too_late_and_counts_all(void **state)
{
    struct harness *harness = *state;
    int64_t rows;
    (void)make_variant(harness, "a", 1000);
    for (int i = 0; i < 150; i++) {
        (void)place_id(harness, "c", "a", 1);
    }
    harness_now_ms += 905000;
    assert_string_equal(run_strict_audit(harness, 5000, &rows), "");
    assert_int_equal(rows, 0);
    const char *violations = run_strict_audit(harness, 4999, &rows);
    assert_int_equal(rows, 150);
    assert_int_equal(count_lines(violations), 101);
    assert_ptr_equal(strstr(violations, "I10: order 0"), violations);
    assert_non_null(strstr(violations, " is overdue by 5.000 s\n"));
    assert_non_null(strstr(violations, "I10: holds overdue: and 50 more\n"));
}

const struct CMUnitTest CONFORMANCE_READ_TESTS[] = {
    ON_FRESH_STORE(order_lists_are_what_their_filters_say),
    ON_FRESH_STORE(pages_stay_in_place_while_orders_come_in),
    ON_FRESH_STORE(reservations_follow_their_orders),
    ON_FRESH_STORE(a_page_of_reservations_may_end_inside_an_order),
    ON_FRESH_STORE(events_are_numbered_without_gaps),
    ON_FRESH_STORE(the_newest_event_is_known_by_its_number),
    ON_FRESH_STORE(an_order_has_its_history),
    ON_FRESH_STORE(the_ledger_is_read_oldest_first),
    ON_FRESH_STORE(products_are_listed_newest_first),
    ON_FRESH_STORE(what_is_not_there_is_not_found),
    ON_FRESH_STORE(keys_are_made_listed_and_revoked),
    ON_FRESH_STORE(the_audit_counts_overdue_holds),
    ON_FRESH_STORE(the_audit_names_a_hundred_holds_that_are_too_late_and_counts_all),
};
const size_t CONFORMANCE_READ_TEST_COUNT = sizeof(CONFORMANCE_READ_TESTS) / sizeof(CONFORMANCE_READ_TESTS[0]);
