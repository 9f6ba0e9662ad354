/* Reads of the shop. Each sees what is committed at that moment. */

#include "memory_internal.h"

static const struct index *index_of(const struct reader *reader, enum index_name name)
{
    return &reader->store->database->indexes[name];
}

/* Facts as a place to copy to: what several rows refer to is copied once. */
static struct facts facts_in(struct arena *arena)
{
    struct facts facts;
    facts_init(&facts, arena, 0, NULL, (struct policy){0});
    return facts;
}

/* The place behind the first row to show, where the newest come first. */
static size_t page_end(const struct index *index, const struct page *page)
{
    return page->has_after ? index_seek(index, ID_KEY(&page->after_id)) : index->count;
}

/* ---- Orders ---- */

bool memory_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                       struct fault *fault)
{
    const struct stored_order *stored = index_find(index_of(reader, ORDERS), ID_KEY(id));
    struct facts facts = facts_in(arena);
    (void)fault;
    *ret_order = stored == NULL ? NULL : rows_put_order(&facts, stored);
    return true;
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

/* An id begins with the time of the order's creation, so times are bounds of ids, as they are in SQL. */
static bool is_asked_for(const struct order *order, const struct order_filter *filter)
{
    int64_t created_ms = uuid_unix_ms(order->id);
    return (!filter->has_status || order->status == filter->status) &&
           (filter->customer_id.bytes == NULL || text_equal(order->customer_id, filter->customer_id)) &&
           (filter->sku.bytes == NULL || has_sku(order, filter->sku)) &&
           (!filter->has_created_after || created_ms >= filter->created_after_ms) &&
           (!filter->has_created_before || created_ms < filter->created_before_ms);
}

bool memory_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault)
{
    const struct index *orders = index_of(reader, ORDERS);
    struct facts facts = facts_in(arena);
    size_t count = 0;
    (void)fault;
    *ret_more = false;
    *ret_orders = arena_array(arena, page->limit, sizeof(struct order *));
    for (size_t i = page_end(orders, page); i > 0 && !*ret_more; i--) {
        const struct stored_order *stored = index_row(orders, i - 1);
        if (is_asked_for(&stored->order, filter) && count == page->limit) {
            *ret_more = true;
        } else if (is_asked_for(&stored->order, filter)) {
            (*ret_orders)[count++] = rows_put_order(&facts, stored);
        }
    }
    *ret_count = count;
    return true;
}

static bool is_hold_asked_for(const struct stored_hold *hold, const struct reservation_filter *filter)
{
    return (!filter->has_status || hold->status == filter->status) &&
           (filter->sku.bytes == NULL || text_equal(hold->variant->sku, filter->sku));
}

/* A page may begin inside an order, behind the last line of it that was shown. */
bool memory_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                              const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                              bool *ret_more, struct fault *fault)
{
    const struct index *orders = index_of(reader, ORDERS);
    size_t end = page_end(orders, page);
    size_t count = 0;
    (void)fault;
    *ret_more = false;
    *ret_rows = arena_array(arena, page->limit, sizeof(struct reservation_row));
    end += page->has_after && end < orders->count && text_equal(orders->entries[end]->key, ID_KEY(&page->after_id));
    for (size_t i = end; i > 0 && !*ret_more; i--) {
        const struct stored_order *stored = index_row(orders, i - 1);
        bool is_begun = page->has_after && uuid_equal(stored->order.id, page->after_id);
        for (size_t line = is_begun ? page->after_line : 0; line < stored->order.line_count && !*ret_more; line++) {
            const struct stored_hold *hold = &stored->holds[line];
            if (!is_hold_asked_for(hold, filter)) {
                continue;
            }
            if (count == page->limit) {
                *ret_more = true;
                break;
            }
            (*ret_rows)[count++] = (struct reservation_row){
                .order_id = stored->order.id,
                .line = line + 1,
                .sku = arena_text(arena, hold->variant->sku),
                .quantity = hold->quantity,
                .status = hold->status,
                .expires_at_ms = stored->order.expires_at_ms,
            };
        }
    }
    *ret_count = count;
    return true;
}

/* ---- Catalogue ---- */

bool memory_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                         struct product **ret_product, struct fault *fault)
{
    const struct product *stored = index_find(index_of(reader, PRODUCTS), ID_KEY(id));
    struct facts facts = facts_in(arena);
    (void)fault;
    *ret_product = stored == NULL ? NULL : rows_put_product(&facts, stored);
    return true;
}

bool memory_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    const struct index *products = index_of(reader, PRODUCTS);
    struct facts facts = facts_in(arena);
    size_t end = page_end(products, page);
    size_t count = end < page->limit ? end : page->limit;
    (void)fault;
    *ret_products = arena_array(arena, count, sizeof(struct product *));
    for (size_t i = 0; i < count; i++) {
        (*ret_products)[i] = rows_put_product(&facts, index_row(products, end - 1 - i));
    }
    *ret_count = count;
    *ret_more = end > count;
    return true;
}

bool memory_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                         struct fault *fault)
{
    const struct variant *stored = index_find(index_of(reader, VARIANTS), sku);
    struct facts facts = facts_in(arena);
    (void)fault;
    *ret_variant = stored == NULL ? NULL : rows_put_variant(&facts, stored);
    return true;
}

/* ---- The ledger and the log ---- */

static size_t first_after(const struct index *index, const struct page *page)
{
    struct key key;
    return index_seek(index, key_of_number(&key, page->has_after ? page->after_number + 1 : 0));
}

bool memory_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                           struct fault *fault)
{
    const struct index *movements = index_of(reader, MOVEMENTS);
    const struct variant *variant = index_find(index_of(reader, VARIANTS), sku);
    size_t count = 0;
    (void)fault;
    *ret_found = variant != NULL;
    *ret_more = false;
    *ret_rows = arena_array(arena, page->limit, sizeof(struct movement_row));
    for (size_t i = first_after(movements, page); i < movements->count && !*ret_more; i++) {
        const struct movement_row *stored = index_row(movements, i);
        if (stored->movement.variant != variant) {
            continue;
        }
        if (count == page->limit) {
            *ret_more = true;
            break;
        }
        (*ret_rows)[count] = *stored;
        (*ret_rows)[count].movement.variant = NULL;
        (*ret_rows)[count++].movement.reference = arena_text(arena, stored->movement.reference);
    }
    *ret_count = count;
    return true;
}

bool memory_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault)
{
    const struct index *events = index_of(reader, EVENTS);
    size_t count = 0;
    (void)fault;
    *ret_found = !filter->has_order || index_find(index_of(reader, ORDERS), ID_KEY(&filter->order_id)) != NULL;
    *ret_more = false;
    *ret_rows = arena_array(arena, page->limit, sizeof(struct event_row));
    for (size_t i = first_after(events, page); i < events->count; i++) {
        const struct stored_event *stored = index_row(events, i);
        if ((filter->has_type && stored->event.type != filter->type) ||
            (filter->has_order && !(stored->has_order && uuid_equal(stored->order_id, filter->order_id)))) {
            continue;
        }
        if (count == page->limit) {
            *ret_more = true;
            break;
        }
        (*ret_rows)[count] = stored->event;
        (*ret_rows)[count++].data = arena_text(arena, stored->event.data);
    }
    *ret_count = count;
    return true;
}

bool memory_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault)
{
    (void)fault;
    *ret_sequence = reader->store->database->last_sequence;
    return true;
}
