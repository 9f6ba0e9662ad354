#include "store/postgres/postgres_internal.h"
#include "store/postgres/rows.h"
#include "store/postgres/values.h"

static const struct statement SELECT_VARIANT = {"variant", "SELECT " VARIANT_COLUMNS " FROM " VARIANT_TABLES
                                                           " WHERE v.sku = $1::text"};

static const struct statement SELECT_PRODUCT = {"product", "SELECT " PRODUCT_COLUMNS
                                                           " FROM products p WHERE p.product_id = $1::uuid"};
static const struct statement SELECT_PRODUCT_VARIANTS = {
    "variants_of_product", "SELECT " VARIANT_COLUMNS " FROM " VARIANT_TABLES " WHERE v.product_id = $1::uuid"};

/* $1 end (exclusive), $2 limit. */
#define PRODUCTS_FROM "FROM products p WHERE p.product_id < $1::uuid ORDER BY p.product_id DESC LIMIT $2::bigint"
static const struct statement SELECT_PRODUCTS = {"products", "SELECT " PRODUCT_COLUMNS " " PRODUCTS_FROM};
static const struct statement SELECT_PRODUCTS_VARIANTS = {
    "variants_of_products", "SELECT " VARIANT_COLUMNS " FROM " VARIANT_TABLES " WHERE v.variant_id = ANY (ARRAY("
                            "SELECT variant_id FROM product_variants WHERE product_id = ANY (ARRAY("
                            "SELECT p.product_id " PRODUCTS_FROM "))))"};

static const struct statement FIND_VARIANT = {"find_variant",
                                              "SELECT variant_id FROM product_variants WHERE sku = $1::text"};
/* $1 SKU, $2 after, $3 limit. A stretch of one index, as in read_orders.c: most of the ledger may be other
 * variants'. */
static const struct statement SELECT_MOVEMENTS = {
    "movements",
    "SELECT movement_no, movement_id, delta, reason, reference, order_id, stock_quantity, created_at "
    "FROM stock_movements WHERE (variant_id, movement_no) > "
    "((SELECT variant_id FROM product_variants WHERE sku = $1::text), $2::bigint) AND (variant_id, movement_no) <= "
    "((SELECT variant_id FROM product_variants WHERE sku = $1::text), 9223372036854775807) "
    "ORDER BY variant_id, movement_no LIMIT $3::bigint"};

/* Products and variants */

struct catalogue_read {
    const struct uuid *id;   /* of one product, ... */
    struct text sku;         /* of one variant, ... */
    const struct page *page; /* or of a list */
    size_t variants;         /* where in the exchange */
    size_t products;
};

static void queue_product(struct session *session, void *context)
{
    struct catalogue_read *read = context;
    parameter_uuid(session_parameters(session), *read->id);
    read->variants = session_queue(session, &SELECT_PRODUCT_VARIANTS);
    parameter_uuid(session_parameters(session), *read->id);
    read->products = session_queue(session, &SELECT_PRODUCT);
}

static void queue_variant(struct session *session, void *context)
{
    struct catalogue_read *read = context;
    parameter_text(session_parameters(session), read->sku);
    read->variants = session_queue(session, &SELECT_VARIANT);
}

static size_t queue_products_page(struct session *session, const struct page *page, const struct statement *statement)
{
    struct parameters *parameters = session_parameters(session);
    parameter_uuid(parameters, page->has_after ? page->after_id : UUID_MAX);
    parameter_int64(parameters, (int64_t)page->limit + 1);
    return session_queue(session, statement);
}

static void queue_products(struct session *session, void *context)
{
    struct catalogue_read *read = context;
    read->variants = queue_products_page(session, read->page, &SELECT_PRODUCTS_VARIANTS);
    read->products = queue_products_page(session, read->page, &SELECT_PRODUCTS);
}

static void facts_start(struct facts *facts, struct row_loader *loader, struct arena *arena)
{
    facts_init(facts, arena, 0, NULL, (struct policy){0});
    row_loader_begin(loader, facts);
}

bool postgres_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                           struct product **ret_product, struct fault *fault)
{
    struct catalogue_read read = {.id = id};
    struct session *session;
    struct facts facts;
    struct row_loader loader;
    if (!read_run(reader, &(struct read){READ_ONE, queue_product, &read}, &session, fault)) {
        return false;
    }
    facts_start(&facts, &loader, arena);
    take_variants(&loader, session_result(session, read.variants));
    take_products(&loader, session_result(session, read.products));
    *ret_product = facts_product(&facts, id);
    return true;
}

bool postgres_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                            struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    struct catalogue_read read = {.page = page};
    struct session *session;
    struct facts facts;
    struct row_loader loader;
    if (!read_run(reader, &(struct read){READ_LIST, queue_products, &read}, &session, fault)) {
        return false;
    }
    facts_start(&facts, &loader, arena);
    take_variants(&loader, session_result(session, read.variants));
    const PGresult *rows = session_result(session, read.products);
    take_products(&loader, rows);
    size_t count = read_page_count(rows, page, ret_more);
    struct product **products = arena_array(arena, count, sizeof(struct product *));
    for (size_t i = 0; i < count; i++) {
        struct uuid id = value_uuid(rows, (int)i, 0);
        products[i] = facts_product(&facts, &id);
    }
    *ret_products = products;
    *ret_count = count;
    return true;
}

bool postgres_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                           struct fault *fault)
{
    struct catalogue_read read = {.sku = sku};
    struct session *session;
    struct facts facts;
    struct row_loader loader;
    if (!read_run(reader, &(struct read){READ_ONE, queue_variant, &read}, &session, fault)) {
        return false;
    }
    facts_start(&facts, &loader, arena);
    take_variants(&loader, session_result(session, read.variants));
    *ret_variant = facts_variant(&facts, sku);
    return true;
}

/* The ledger */

struct movements_read {
    struct text sku;
    const struct page *page;
    size_t variant; /* where in the exchange */
    size_t movements;
};

static void queue_movements(struct session *session, void *context)
{
    struct movements_read *read = context;
    struct parameters *parameters = session_parameters(session);
    parameter_text(parameters, read->sku);
    read->variant = session_queue(session, &FIND_VARIANT);
    parameters = session_parameters(session);
    parameter_text(parameters, read->sku);
    parameter_int64(parameters, read->page->has_after ? read->page->after_number : 0);
    parameter_int64(parameters, (int64_t)read->page->limit + 1);
    read->movements = session_queue(session, &SELECT_MOVEMENTS);
}

static bool take_movement(const PGresult *movements, int row, struct arena *arena, struct movement_row *ret_row,
                          struct fault *fault)
{
    struct movement *movement = &ret_row->movement;
    ret_row->sequence = value_int64(movements, row, 0);
    movement->id = value_uuid(movements, row, 1);
    movement->delta = value_int64(movements, row, 2);
    movement->reference = value_text(movements, row, 4, arena);
    movement->has_order = !value_is_null(movements, row, 5);
    movement->order_id = value_uuid(movements, row, 5);
    movement->stock_quantity = value_int64(movements, row, 6);
    movement->created_at_ms = value_unix_ms(movements, row, 7);
    return movement_reason_parse(value_view(movements, row, 3), &movement->reason) ||
           fault_set(fault, FAULT_INTERNAL, "stock movement %lld has an unknown reason", (long long)ret_row->sequence);
}

bool postgres_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                             struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                             struct fault *fault)
{
    struct movements_read read = {.sku = sku, .page = page};
    struct session *session;
    bool more;
    if (!read_run(reader, &(struct read){READ_LIST, queue_movements, &read}, &session, fault)) {
        return false;
    }
    bool found = PQntuples(session_result(session, read.variant)) > 0;
    if (!found && reader->replica != NULL) { /* it may not have heard of the SKU yet */
        if (!read_run(reader, &(struct read){READ_ONE, queue_movements, &read}, &session, fault)) {
            return false;
        }
        found = PQntuples(session_result(session, read.variant)) > 0;
    }
    const PGresult *movements = session_result(session, read.movements);
    size_t count = read_page_count(movements, page, &more);
    struct movement_row *rows = arena_array(arena, count, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        if (!take_movement(movements, (int)i, arena, &rows[i], fault)) {
            return false;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    *ret_more = more;
    *ret_found = found;
    return true;
}
