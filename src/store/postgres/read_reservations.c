#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"

/* A reservation's status follows from its order's, so the orders are found first. The page may begin inside an order
 * ($1), behind the last line of it that was shown ($2). $3 SKU, $4 status (NULL: any), $5 limit. */
static const struct statement SELECT_HOLDS = {
    "reservations",
    "SELECT r.order_id, r.line, v.sku, r.quantity, r.status, o.expires_at FROM stock_reservations r "
    "JOIN orders o ON o.order_id = r.order_id JOIN product_variants v ON v.variant_id = r.variant_id "
    "WHERE r.order_id = ANY (" FOUND_ORDERS " || $1::uuid) AND (r.order_id <> $1 OR r.line > $2::bigint) "
    "AND ($3::text IS NULL OR v.sku = $3) AND ($4::text IS NULL OR r.status = $4) "
    "ORDER BY r.order_id DESC, r.line LIMIT $5::bigint"};

struct reservations_read {
    const struct reservation_filter *filter;
    const struct page *page;
    size_t holds; /* where in the exchange */
};

static unsigned statuses_of(const struct reservation_filter *filter)
{
    unsigned statuses = 0;
    for (int status = 0; status < ORDER_STATUS_COUNT && filter->has_status; status++) {
        if (order_reservation_status((enum order_status)status) == filter->status) {
            statuses |= 1U << status;
        }
    }
    return statuses;
}

static void queue_reservations(struct session *session, void *context)
{
    struct reservations_read *read = context;
    const struct page *page = read->page;
    queue_order_search(session, &(struct order_search){
                                    .end = page->has_after ? page->after_id : UUID_MAX,
                                    .limit = page->limit + 1,
                                    .sku = read->filter->sku,
                                    .statuses = statuses_of(read->filter),
                                });
    struct parameters *parameters = session_parameters(session);
    parameter_uuid(parameters, page->has_after ? page->after_id : UUID_MAX);
    parameter_int64(parameters, (int64_t)page->after_line);
    parameter_text(parameters, read->filter->sku);
    parameter_text(parameters,
                   read->filter->has_status ? text_from_c(reservation_status_name(read->filter->status)) : TEXT_ABSENT);
    parameter_int64(parameters, (int64_t)page->limit + 1);
    read->holds = session_queue(session, &SELECT_HOLDS);
}

static bool take_hold(const PGresult *holds, int row, struct arena *arena, struct reservation_row *ret_row,
                      struct fault *fault)
{
    ret_row->order_id = value_uuid(holds, row, 0);
    ret_row->line = (size_t)value_int32(holds, row, 1);
    ret_row->sku = value_text(holds, row, 2, arena);
    ret_row->quantity = value_int64(holds, row, 3);
    ret_row->expires_at_ms = value_unix_ms(holds, row, 5);
    return reservation_status_parse(value_view(holds, row, 4), &ret_row->status) ||
           fault_set(fault, FAULT_INTERNAL, "a reservation has an unknown status");
}

bool postgres_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                                const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                                bool *ret_more, struct fault *fault)
{
    struct reservations_read read = {.filter = filter, .page = page};
    struct session *session;
    if (!read_run(reader, &(struct read){READ_LIST, queue_reservations, &read}, &session, fault)) {
        return false;
    }
    const PGresult *holds = session_result(session, read.holds);
    bool more;
    size_t count = read_page_count(holds, page, &more);
    struct reservation_row *rows = arena_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        if (!take_hold(holds, (int)i, arena, &rows[i], fault)) {
            return false;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    *ret_more = more;
    return true;
}
