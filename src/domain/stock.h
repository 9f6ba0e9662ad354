#ifndef HOLDFAST_DOMAIN_STOCK_H
#define HOLDFAST_DOMAIN_STOCK_H

/* Stock levels and the four moves they know. Every move keeps I1: 0 <= reserved_quantity <= stock_quantity.
 *
 *              reserve            convert
 *   available ---------> reserved ---------> sold
 *       ^                   |
 *       +------release------+              adjust: stock_quantity up or down, never below reserved_quantity
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/money.h"

struct stock_level {
    int64_t stock_quantity;    /* on hand */
    int64_t reserved_quantity; /* of these, held by drafts */
    int64_t version;           /* one more with every move */
};

/* What has a SKU and a price. `stock` is at the one location there is for now. */
struct variant {
    int64_t row;         /* the store's own handle; 0 until it was saved */
    int64_t stock_place; /* and of its stock level, in stores that have one */
    struct uuid product_id;
    struct text sku;
    struct text title;
    struct money price;
    int64_t max_per_customer;    /* 0: no limit */
    int64_t low_stock_threshold; /* -1: none */
    int64_t version;             /* counts patches, not stock moves */
    struct stock_level stock;

    /* What the store loaded, so that saving knows what changed and what to guard. */
    int64_t loaded_version; /* 0: new */
    struct stock_level loaded_stock;
};

enum movement_reason {
    MOVEMENT_INITIAL,
    MOVEMENT_SALE,
    MOVEMENT_RESTOCK, /* from here on: what a client may give */
    MOVEMENT_CORRECTION,
    MOVEMENT_RETURN,
    MOVEMENT_DAMAGE,
    MOVEMENT_OTHER
};
#define MOVEMENT_REASON_COUNT 7

/* One row of the append-only ledger: I3, stock_quantity is the sum of its movements. */
struct movement {
    struct uuid id;
    struct variant *variant;
    int64_t delta;
    enum movement_reason reason;
    struct text reference; /* absent where none */
    bool has_order;
    struct uuid order_id;
    int64_t stock_quantity; /* resulting */
    int64_t created_at_ms;
};

/* A copy that later decisions of the same batch do not change. Texts are shared. */
struct variant *variant_snapshot(struct arena *arena, const struct variant *variant);

int64_t stock_available(const struct stock_level *level);
void stock_reserve(struct stock_level *level, int64_t quantity); /* quantity <= available, asserted */
void stock_release(struct stock_level *level, int64_t quantity); /* quantity <= reserved, asserted */
void stock_convert(struct stock_level *level, int64_t quantity); /* quantity <= reserved, asserted */
/* False, and nothing changed, where the result would be below what is reserved or above STOCK_QUANTITY_MAX. */
bool stock_adjust(struct stock_level *level, int64_t delta);

const char *movement_reason_name(enum movement_reason reason);
bool movement_reason_parse(struct text name, enum movement_reason *ret_reason);
bool movement_reason_is_for_clients(enum movement_reason reason);

#endif
