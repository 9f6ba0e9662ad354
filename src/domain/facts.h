#ifndef HOLDFAST_DOMAIN_FACTS_H
#define HOLDFAST_DOMAIN_FACTS_H

/* The working set of one batch: what the store loaded for it, and, as decisions change it, what the store has to
 * save. Deciding is a pure function of the working set, its `now_ms` and its id source: throwing the set away and
 * loading it afresh replans the batch. Everything lives in the batch's arena: a decision copies what it takes over
 * from its command, since other commands' outcomes may show it after that command is gone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/table.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/event.h"
#include "domain/order.h"
#include "domain/product.h"
#include "domain/stock.h"

#define FINGERPRINT_BYTES 32 /* SHA-256 of method, path and body */

/* A request that was answered and may come again (I8). */
struct idempotency_record {
    struct text key;
    uint8_t fingerprint[FINGERPRINT_BYTES];
    int64_t created_at_ms;
    /* Either the creation of one order, whose answer is made again from the order, ... */
    struct order *order; /* NULL otherwise */
    /* ... or the answer itself, as it was given. */
    int status;
    struct text body;
    struct text location; /* absent where the answer had none */
    int64_t version;      /* the ETag; 0 where the answer had none */
    bool is_new;          /* made by this batch: to be saved */
};

/* What is recorded under a payment reference anywhere in the database. */
struct payment_owner {
    struct uuid order_id;
};

/* Units of one variant that one customer has in paid orders and live holds. */
struct purchase {
    struct text customer_id;
    struct text sku;
    int64_t quantity;
};

/* What a batch wants loaded. Tables are keyed as in struct facts; values are unused but for purchases. */
struct wanted {
    struct table skus;
    struct table order_ids;
    struct table due_ids; /* orders whose timeout is due: another server that has one in hand is not waited for */
    struct table product_ids;
    struct table payment_references;
    struct table idempotency_keys;
    struct table purchases; /* value: struct purchase *; looked up only where the variant has max_per_customer */
    size_t due_known;       /* how many due orders the caller knows of, whether it asks for them or not */
    bool skip_locked;       /* leave out what somebody else keeps locked, and say what that is */
    bool products_of_skus;  /* also the product, with all its variants, of every SKU that exists */
};

struct movement_list {
    struct movement **items;
    size_t count;
    size_t capacity;
};
struct event_list {
    struct event **items;
    size_t count;
    size_t capacity;
};

struct policy {
    int64_t hold_seconds_max;
};

struct facts {
    struct arena *arena;
    int64_t now_ms;
    struct uuid_source *ids;
    struct policy policy;
    /* Set by the store: there are overdue holds beside those that were asked for. */
    bool overdue_left;
    /* Holds that are overdue were left for a later batch: a shortage may be theirs, so it must not be judged yet. */
    bool sweep_pending;

    struct table variants;       /* sku -> struct variant * */
    struct table orders;         /* 16 id bytes -> struct order *, with lines, payments and each line's variant */
    struct table products;       /* 16 id bytes -> struct product *, with all its variants */
    struct table payment_owners; /* payment reference -> struct payment_owner * */
    struct table idempotency;    /* key -> struct idempotency_record * */
    struct table purchases;      /* purchase_key() -> struct purchase * */
    struct table locked_skus;    /* with skip_locked: what is there and was left out */
    struct table locked_orders;  /* the same, 16 id bytes */
    struct table elsewhere;      /* due_ids that another server has in hand, or has had: not loaded */

    /* New rows, in the order they were decided. Changed rows are found by comparing with loaded_*. */
    struct movement_list movements;
    struct event_list events;
    size_t change_count; /* decisions that changed something: 0 means that there is nothing to save */
};

void wanted_init(struct wanted *wanted, struct arena *arena);
void wanted_add_sku(struct wanted *wanted, struct text sku);
void wanted_add_order(struct wanted *wanted, const struct uuid *order_id); /* *order_id must outlive the batch */
void wanted_add_due(struct wanted *wanted, const struct uuid *order_id);   /* the same */
void wanted_add_product(struct wanted *wanted, const struct uuid *product_id);
void wanted_add_payment_reference(struct wanted *wanted, struct text reference);
void wanted_add_idempotency_key(struct wanted *wanted, struct text key);
void wanted_add_purchase(struct wanted *wanted, struct text customer_id, struct text sku);

void facts_init(struct facts *facts, struct arena *arena, int64_t now_ms, struct uuid_source *ids,
                struct policy policy);

/* For the store while loading, and for decisions that make new rows. The object's own id or sku is the key. */
void facts_put_variant(struct facts *facts, struct variant *variant);
void facts_put_order(struct facts *facts, struct order *order);
void facts_put_product(struct facts *facts, struct product *product);
void facts_put_payment_owner(struct facts *facts, struct text reference, struct uuid order_id);
void facts_put_idempotency(struct facts *facts, struct idempotency_record *record);
void facts_put_locked_sku(struct facts *facts, struct text sku);
void facts_put_locked_order(struct facts *facts, const struct uuid *order_id); /* *order_id outlives the facts */
void facts_put_elsewhere(struct facts *facts, const struct uuid *order_id);    /* *order_id outlives the facts */
void facts_put_purchase(struct facts *facts, struct purchase *purchase);

struct variant *facts_variant(const struct facts *facts, struct text sku); /* NULL where there is none */
struct order *facts_order(const struct facts *facts, const struct uuid *id);
/* Of what `wanted` names, was anything left out? */
bool facts_lack_locked(const struct facts *facts, const struct wanted *wanted);
bool facts_is_elsewhere(const struct facts *facts, const struct uuid *order_id);
struct product *facts_product(const struct facts *facts, const struct uuid *id);
const struct payment_owner *facts_payment_owner(const struct facts *facts, struct text reference);
struct idempotency_record *facts_idempotency(const struct facts *facts, struct text key);
struct purchase *facts_purchase(const struct facts *facts, struct text customer_id, struct text sku);

void facts_add_event(struct facts *facts, struct event *event);
/* Appends the movement that led to the variant's present stock_quantity. */
struct movement *facts_add_movement(struct facts *facts, struct variant *variant, int64_t delta,
                                    enum movement_reason reason, struct text reference, const struct order *order);
struct payment *facts_add_payment(struct facts *facts, struct order *order, const struct payment *payment);

#endif
