#include <assert.h>

#include "store/postgres/postgres_internal.h"
#include "store/postgres/rows.h"
#include "store/postgres/values.h"

/* A search leaves what it found in a setting of the transaction, so that the statements behind it need no round trip to
 * learn of it; a replica can do that, too. */
#define FIND(orders) \
    "SELECT length(set_config('holdfast.found', coalesce(array_agg(order_id)::text, '{}'), true)) FROM (" orders ") f"

/* $1 first, $2 end, $3 limit; then what is looked for.
 *
 * Rows between (key, $1) and (key, $2) in the order of (key, id) are one stretch of one index, and no other index has
 * that order. Asked for those with the key, in the order of ids, the planner would go by the statistics, which know how
 * many orders have a key but not that the newest have not: it could read a million to find a page.
 *
 * Likewise one order's rows are looked up by subqueries and arrays, not joined: there is no other order to do it in. */
#define VARIANT "(SELECT variant_id FROM product_variants WHERE sku = $4::text)"
#define HAS_SKU                                                                                                \
    "($4::text IS NULL OR " VARIANT " = ANY (ARRAY(SELECT i.variant_id FROM order_items i WHERE i.order_id = " \
    "o.order_id))) "

static const struct statement FIND_ALL = {
    "find_orders", FIND("SELECT o.order_id FROM orders o WHERE o.order_id >= $1::uuid AND o.order_id < $2::uuid "
                        "ORDER BY o.order_id DESC LIMIT $3::bigint")};
static const struct statement FIND_BY_CUSTOMER = {
    "find_orders_by_customer",
    FIND("SELECT o.order_id FROM orders o WHERE (o.customer_id, o.order_id) >= ($5::text, $1::uuid) "
         "AND (o.customer_id, o.order_id) < ($5, $2::uuid) AND " HAS_SKU
         "AND (cardinality($6::text[]) = 0 OR o.status = ANY ($6)) "
         "ORDER BY o.customer_id DESC, o.order_id DESC LIMIT $3::bigint")};
static const struct statement FIND_BY_SKU = {
    "find_orders_by_sku",
    FIND("SELECT DISTINCT ON (i.variant_id, i.order_id) i.order_id FROM order_items i "
         "WHERE (i.variant_id, i.order_id) >= (" VARIANT ", $1::uuid) "
         "AND (i.variant_id, i.order_id) < (" VARIANT ", $2::uuid) AND (cardinality($5::text[]) = 0 "
         "OR (SELECT o.status FROM orders o WHERE o.order_id = i.order_id) = ANY ($5)) "
         "ORDER BY i.variant_id DESC, i.order_id DESC LIMIT $3::bigint")};
/* A page of each status, merged. */
static const struct statement FIND_BY_STATUS = {
    "find_orders_by_status",
    FIND("SELECT s.order_id FROM unnest($4::text[]) AS wanted(status) CROSS JOIN LATERAL ("
         "SELECT o.order_id FROM orders o WHERE o.status <> 'draft' AND (o.status, o.order_id) >= (wanted.status, "
         "$1::uuid) AND (o.status, o.order_id) < (wanted.status, $2::uuid) "
         "ORDER BY o.status DESC, o.order_id DESC LIMIT $3::bigint) s ORDER BY s.order_id DESC LIMIT $3")};
/* By their timeouts. All drafts are looked at, however many orders there are beside them; the sort keeps only a page. */
static const struct statement FIND_DRAFTS = {
    "find_drafts", FIND("SELECT o.order_id FROM payment_timeouts o WHERE o.order_id >= $1::uuid "
                        "AND o.order_id < $2::uuid AND " HAS_SKU "ORDER BY o.order_id DESC LIMIT $3::bigint")};
static const struct statement FIND_ONE = {"find_order",
                                          "SELECT length(set_config('holdfast.found', ARRAY[$1::uuid]::text, true))"};

static const struct statement SELECT_VARIANTS = {
    "variants_of_orders", "SELECT " VARIANT_COLUMNS " FROM " VARIANT_TABLES " WHERE v.variant_id = ANY (ARRAY("
                          "SELECT i.variant_id FROM order_items i WHERE i.order_id = ANY (" FOUND_ORDERS ")))"};
static const struct statement SELECT_ORDERS = {"orders", "SELECT " ORDER_COLUMNS
                                                         " FROM orders o WHERE o.order_id = ANY (" FOUND_ORDERS ") "
                                                         "ORDER BY o.order_id DESC"};
static const struct statement SELECT_ITEMS = {
    "items_of_orders", "SELECT " ITEM_COLUMNS " FROM order_items i WHERE i.order_id = ANY (" FOUND_ORDERS ") "
                       "ORDER BY i.order_id, i.line"};
static const struct statement SELECT_PAYMENTS = {
    "payments_of_orders", "SELECT " PAYMENT_COLUMNS " FROM payments p WHERE p.order_id = ANY (" FOUND_ORDERS ") "
                          "ORDER BY p.order_id, p.number"};

#define DRAFTS_ONLY (1U << ORDER_DRAFT)

static void add_statuses(struct parameters *parameters, unsigned statuses)
{
    static const enum value_type COLUMN[] = {VALUE_TEXT};
    parameters_columns(parameters, COLUMN, 1);
    for (unsigned status = 0; status < ORDER_STATUS_COUNT; status++) {
        if ((statuses & 1U << status) != 0) {
            row_c_text(parameters, order_status_name((enum order_status)status));
        }
    }
}

/* A customer has fewer orders than a variant or a status, and there are fewer drafts than orders of a variant. */
void queue_order_search(struct session *session, const struct order_search *search)
{
    struct parameters *parameters = session_parameters(session);
    parameter_uuid(parameters, search->first);
    parameter_uuid(parameters, search->end);
    parameter_int64(parameters, (int64_t)search->limit);
    if (search->customer_id.bytes != NULL) {
        parameter_text(parameters, search->sku);
        parameter_text(parameters, search->customer_id);
        add_statuses(parameters, search->statuses);
        (void)session_queue(session, &FIND_BY_CUSTOMER);
    } else if (search->statuses == DRAFTS_ONLY) {
        parameter_text(parameters, search->sku);
        (void)session_queue(session, &FIND_DRAFTS);
    } else if (search->sku.bytes != NULL) {
        parameter_text(parameters, search->sku);
        add_statuses(parameters, search->statuses);
        (void)session_queue(session, &FIND_BY_SKU);
    } else if (search->statuses != 0) {
        assert((search->statuses & DRAFTS_ONLY) == 0);
        add_statuses(parameters, search->statuses);
        (void)session_queue(session, &FIND_BY_STATUS);
    } else {
        (void)session_queue(session, &FIND_ALL);
    }
}

/* Where in the exchange the found orders' rows are. */
struct found {
    size_t variants;
    size_t orders;
    size_t items;
    size_t payments;
};

static struct found queue_found(struct session *session)
{
    (void)session_parameters(session);
    struct found found;
    found.variants = session_queue(session, &SELECT_VARIANTS);
    found.orders = session_queue(session, &SELECT_ORDERS);
    found.items = session_queue(session, &SELECT_ITEMS);
    found.payments = session_queue(session, &SELECT_PAYMENTS);
    return found;
}

static bool take_found(struct session *session, const struct found *found, struct arena *arena, struct facts *ret_facts,
                       struct fault *fault)
{
    struct row_loader loader;
    facts_init(ret_facts, arena, 0, NULL, (struct policy){0});
    row_loader_begin(&loader, ret_facts);
    take_variants(&loader, session_result(session, found->variants));
    if (!take_orders(&loader, session_result(session, found->orders), fault) ||
        !take_lines(&loader, session_result(session, found->items), fault)) {
        return false;
    }
    take_payments(&loader, session_result(session, found->payments));
    return true;
}

/* One order */

struct order_read {
    const struct uuid *id;
    struct found found;
};

static void queue_order(struct session *session, void *context)
{
    struct order_read *order = context;
    parameter_uuid(session_parameters(session), *order->id);
    (void)session_queue(session, &FIND_ONE);
    order->found = queue_found(session);
}

bool postgres_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                         struct fault *fault)
{
    struct order_read order = {.id = id};
    struct session *session;
    struct facts facts;
    if (!read_run(reader, &(struct read){READ_ONE, queue_order, &order}, &session, fault) ||
        !take_found(session, &order.found, arena, &facts, fault)) {
        return false;
    }
    *ret_order = facts_order(&facts, id);
    return true;
}

/* A list */

struct list_read {
    struct order_search search;
    struct found found;
};

/* An id begins with the time of the order's creation, so times are bounds of ids, too: of two spans that adjoin each
 * order is in one. */
static struct order_search search_of(const struct order_filter *filter, const struct page *page)
{
    struct order_search search = {
        .end = UUID_MAX,
        .limit = page->limit + 1,
        .customer_id = filter->customer_id,
        .sku = filter->sku,
        .statuses = filter->has_status ? 1U << filter->status : 0,
    };
    if (filter->has_created_after) {
        search.first = uuid_floor_of_ms(filter->created_after_ms);
    }
    if (filter->has_created_before) {
        search.end = uuid_floor_of_ms(filter->created_before_ms);
    }
    if (page->has_after && uuid_compare(page->after_id, search.end) < 0) {
        search.end = page->after_id;
    }
    return search;
}

static void queue_list(struct session *session, void *context)
{
    struct list_read *list = context;
    queue_order_search(session, &list->search);
    list->found = queue_found(session);
}

bool postgres_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                          const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                          struct fault *fault)
{
    struct list_read list = {.search = search_of(filter, page)};
    struct session *session;
    struct facts facts;
    if (!read_run(reader, &(struct read){READ_LIST, queue_list, &list}, &session, fault) ||
        !take_found(session, &list.found, arena, &facts, fault)) {
        return false;
    }
    const PGresult *rows = session_result(session, list.found.orders);
    size_t count = read_page_count(rows, page, ret_more);
    struct order **orders = arena_array(arena, count, sizeof(struct order *));
    for (size_t i = 0; i < count; i++) {
        struct uuid id = value_uuid(rows, (int)i, 0);
        orders[i] = facts_order(&facts, &id);
    }
    *ret_orders = orders;
    *ret_count = count;
    return true;
}
