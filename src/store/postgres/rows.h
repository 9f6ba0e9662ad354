#ifndef HOLDFAST_STORE_POSTGRES_ROWS_H
#define HOLDFAST_STORE_POSTGRES_ROWS_H

/* From results to the domain's structures, for batches and reads alike: both fill a working set, so that each variant,
 * product and order is there once however many rows name it. The statements select the columns that are named here, in
 * this order. A result may be NULL: nothing is taken. */

#include <libpq-fe.h>

#include "base/attributes.h"
#include "base/fault.h"
#include "domain/facts.h"

/* Of product_variants v and stock_levels s. A look-up that has a LIMIT is done row by row through its index,
 * whatever the planner thought of the tables' sizes when it made the plan; a join it might have turned round, to
 * read a whole table for each row once that has grown. */
#define VARIANT_COLUMNS                                                                            \
    "v.variant_id, v.product_id, v.sku, v.title, v.price_amount, v.currency, v.max_per_customer, " \
    "v.low_stock_threshold, v.version, s.stock_quantity, s.reserved_quantity, s.version, s.place"
#define VARIANT_LEVEL                                                                               \
    "CROSS JOIN LATERAL (SELECT l.stock_quantity, l.reserved_quantity, l.version, l.ctid AS place " \
    "FROM stock_levels l WHERE l.variant_id = v.variant_id AND l.location_id = 1 LIMIT 1"
#define VARIANT_TABLES "product_variants v " VARIANT_LEVEL ") s"
/* Of products p. */
#define PRODUCT_COLUMNS "p.product_id, p.title, p.created_at, p.version"
/* Of orders o. */
#define ORDER_COLUMNS                                                                                          \
    "o.order_id, o.customer_id, o.status, o.currency, o.total_amount, o.created_at, o.expires_at, o.hold_ms, " \
    "o.version, o.revived, o.cancel_reason, "                                                                  \
    "CASE WHEN o.metadata IS NOT NULL THEN metadata_text(o.metadata, o.metadata_keys) END"
/* Of order_items i; ordered by order_id, line. */
#define ITEM_COLUMNS "i.order_id, i.variant_id, i.quantity, i.unit_price"
/* Of payments p; ordered by order_id, number. */
#define PAYMENT_COLUMNS "p.order_id, p.payment_reference, p.status, p.amount, p.currency, p.reason, p.created_at"

struct row_loader {
    struct facts *facts;
    struct table variants_by_id; /* the bytes of variant->row -> struct variant * */
    bool may_miss_variants;      /* of lines: left out, since somebody has locked them; else that is a fault */
};

/* `facts` may hold rows already: what is known is kept as it is, and rows of it are passed over. */
void row_loader_begin(struct row_loader *loader, struct facts *facts);
void take_variants(struct row_loader *loader, const PGresult *variants);
/* The products, each with those variants of the working set that are its own, in the order of their ids: take the
 * variants first. */
void take_products(struct row_loader *loader, const PGresult *products);
/* The orders; then their lines, behind the variants of these, and their payments. */
MUST_USE bool take_orders(struct row_loader *loader, const PGresult *orders, struct fault *fault);
MUST_USE bool take_lines(struct row_loader *loader, const PGresult *items, struct fault *fault);
void take_payments(struct row_loader *loader, const PGresult *payments);

#endif
