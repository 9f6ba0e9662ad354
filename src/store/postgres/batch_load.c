#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres/jobs.h"
#include "store/postgres/rows.h"
#include "store/postgres/values.h"

/* One exchange. Rows that are going to change are locked, everywhere in the same order, so that servers cannot wait for
 * each other in a circle: orders by id, then due orders (not waited for), then jobs by id, then, while others are met,
 * stock levels by variant (see LOAD_GUARDED). Each statement
 * sees what was committed before it began, so what is read behind a lock is as new as the lock. Products and variants
 * are not locked: they change rarely, and their updates are guarded. Keys find rows one by one or through arrays; see
 * VARIANT_LEVEL for why no tables are joined. */

#define ORDERS_BY_ID "SELECT " ORDER_COLUMNS " FROM orders o WHERE o.order_id = ANY ($1::uuid[])"
static const struct statement LOCK_ORDERS = {"lock_orders", ORDERS_BY_ID " ORDER BY o.order_id FOR UPDATE"};
static const struct statement LOCK_FREE_ORDERS = {"lock_free_orders",
                                                  ORDERS_BY_ID " ORDER BY o.order_id FOR UPDATE SKIP LOCKED"};
static const struct statement SELECT_ORDERS = {"select_orders", ORDERS_BY_ID};
/* Another server may have been faster between our look at the timeouts and the lock. */
static const struct statement CHECK_DUE = {
    "check_due", "SELECT w.order_id FROM unnest($1::uuid[], $2::timestamptz[]) AS w(order_id, run_at), "
                 "LATERAL (SELECT FROM payment_timeouts t WHERE t.run_at = w.run_at "
                 "AND t.order_id = w.order_id LIMIT 1) f"};

#define VARIANTS(which, how)                                                       \
    "SELECT " VARIANT_COLUMNS " FROM (SELECT * FROM product_variants WHERE " which \
    " ORDER BY variant_id OFFSET 0) v " VARIANT_LEVEL how ") s"
#define OF_SKUS "sku = ANY ($1::text[])"
/* $2 orders, $3 products, $4 the products of these SKUs, too. */
#define OF_ANYTHING(orders)                                                                         \
    "variant_id = ANY (ARRAY(SELECT variant_id FROM product_variants WHERE sku = ANY ($1::text[]) " \
    "UNION SELECT variant_id FROM order_items WHERE order_id = ANY (" orders ") "                   \
    "UNION SELECT variant_id FROM product_variants WHERE product_id = ANY ($3::uuid[]) "            \
    "UNION SELECT variant_id FROM product_variants WHERE product_id = ANY (ARRAY("                  \
    "SELECT product_id FROM product_variants WHERE sku = ANY ($4::text[])))))"
#define OWN_ORDERS "ARRAY(SELECT order_id FROM orders WHERE order_id = ANY ($2::uuid[]) FOR UPDATE SKIP LOCKED)"
static const struct statement LOCK_VARIANTS = {"lock_variants", VARIANTS(OF_SKUS, " FOR UPDATE")};
static const struct statement SELECT_VARIANTS = {"select_variants", VARIANTS(OF_SKUS, "")};
static const struct statement LOCK_ALL_VARIANTS = {"lock_all_variants",
                                                   VARIANTS(OF_ANYTHING(OWN_ORDERS), " FOR UPDATE")};
static const struct statement LOCK_FREE_VARIANTS = {"lock_free_variants",
                                                    VARIANTS(OF_ANYTHING(OWN_ORDERS), " FOR UPDATE SKIP LOCKED")};
static const struct statement SELECT_ALL_VARIANTS = {"select_all_variants", VARIANTS(OF_ANYTHING("$2::uuid[]"), "")};

static const struct statement SELECT_ITEMS = {"select_items", "SELECT " ITEM_COLUMNS
                                                              " FROM order_items i WHERE i.order_id = ANY ($1::uuid[]) "
                                                              "ORDER BY i.order_id, i.line"};
static const struct statement SELECT_PAYMENTS = {
    "select_payments", "SELECT " PAYMENT_COLUMNS " FROM payments p WHERE p.order_id = ANY ($1::uuid[]) "
                       "ORDER BY p.order_id, p.number"};
static const struct statement SELECT_PRODUCTS = {
    "select_products", "SELECT " PRODUCT_COLUMNS " FROM products p WHERE p.product_id = ANY (ARRAY("
                       "SELECT unnest($1::uuid[]) UNION SELECT product_id FROM product_variants "
                       "WHERE sku = ANY ($2::text[])))"};
static const struct statement SELECT_PAYMENT_OWNERS = {
    "select_payment_owners",
    "SELECT payment_reference, order_id FROM payments WHERE payment_reference = ANY ($1::text[])"};
static const struct statement SELECT_KEYS = {
    "select_keys", "SELECT key, fingerprint, created_at, order_id, status, body, location, version "
                   "FROM idempotency_keys WHERE key = ANY ($1::text[])"};
#define BATCH_TIME "current_setting('holdfast.now')::timestamptz"
/* Of variants with a limit, by the batch's time (SELECT_NOW); $1: the caller's clock, where it has one. */
static const struct statement SELECT_PURCHASED = {
    "select_purchased",
    "SELECT w.customer_id, w.sku, coalesce((SELECT sum((SELECT sum(i.quantity) FROM order_items i "
    "WHERE i.order_id = o.order_id AND i.variant_id = v.variant_id)) FROM orders o "
    "WHERE o.customer_id = w.customer_id AND (o.status = 'paid' "
    "OR (o.status = 'draft' AND o.expires_at > coalesce($1::timestamptz, " BATCH_TIME ")))), 0)::bigint "
    "FROM unnest($2::text[], $3::text[]) AS w(customer_id, sku), LATERAL (SELECT l.variant_id FROM product_variants l "
    "WHERE l.sku = w.sku AND l.max_per_customer IS NOT NULL LIMIT 1) v"};
/* How many timeouts are due ($1: the caller's clock, where it has one; $2: none is due before), counted up to $3. */
static const struct statement COUNT_DUE = {
    "count_due", "SELECT count(*) FROM (SELECT FROM payment_timeouts WHERE "
                 "run_at >= $2::timestamptz AND run_at <= coalesce($1::timestamptz, (SELECT clock_timestamp())) "
                 "LIMIT $3::bigint) AS due"};
/* The database's clock; how many microseconds the batch has taken; and the time that it is decided by, which is not
 * before $1, for the statements behind this one. */
static const struct statement SELECT_NOW = {
    "select_now", "SELECT t.clock, (extract(epoch FROM t.clock - transaction_timestamp()) * 1000000)::bigint, "
                  "set_config('holdfast.now', greatest(t.clock, $1::timestamptz)::text, true) "
                  "FROM (SELECT clock_timestamp() AS clock OFFSET 0) t"};
/* What was wanted and is there, but was locked by somebody else. */
static const struct statement FIND_ORDERS = {"find_orders",
                                             "SELECT order_id FROM orders WHERE order_id = ANY ($1::uuid[])"};
static const struct statement FIND_SKUS = {"find_skus",
                                           "SELECT sku FROM product_variants WHERE sku = ANY ($1::text[])"};

#define NOT_SENT SIZE_MAX

/* Locking a stock level writes to it, and costs as much as changing it. So that is done only while other servers are met
 * at the same rows, and not behind a batch that only refused (while everything is sold out there is nothing else to
 * write). Everywhere else the guards of the updates stand in for the locks. */
enum load_mode {
    LOAD_GUARDED, /* locks orders, but no stock */
    LOAD_LOCKED,  /* waits for rows that others have locked */
    LOAD_FREE,    /* leaves these out */
    LOAD_SHOWN    /* to be shown again, and not to be changed: without locks */
};

/* Where in the exchange the results are. */
struct load {
    enum load_mode mode;
    struct store *store;
    const struct wanted *wanted;
    struct facts *facts;
    size_t orders;
    size_t due;
    size_t due_timeouts;
    size_t variants;
    size_t items;
    size_t payments;
    size_t products;
    size_t payment_owners;
    size_t keys;
    size_t due_count;
    size_t now;
    size_t purchased;
    size_t found_orders;
    size_t found_skus;
    struct jobs_load jobs;
};

static const enum value_type UUIDS[] = {VALUE_UUID};
static const enum value_type TEXTS[] = {VALUE_TEXT};
static const enum value_type PAIRS[] = {VALUE_TEXT, VALUE_TEXT};
static const enum value_type DUE_COLUMNS[] = {VALUE_UUID, VALUE_TIME};

/* Keys of ids are the ids' own bytes. */
static const struct uuid *id_of(struct text key)
{
    assert(key.length == sizeof(struct uuid));
    return (const struct uuid *)(const void *)key.bytes;
}

static bool is_known_order(const struct load *load, struct text key)
{
    return table_find(&load->facts->orders, key) != NULL;
}

/* As one more column behind those that there are. */
static void add_texts(struct parameters *parameters, const struct table *keys, const struct table *known)
{
    parameters_columns(parameters, TEXTS, 1);
    for (size_t i = 0; i < keys->count; i++) {
        if (known == NULL || table_find(known, keys->entries[i].key) == NULL) {
            row_text(parameters, keys->entries[i].key);
        }
    }
}

static void add_orders(struct parameters *parameters, const struct load *load, bool wanted, bool due)
{
    parameters_columns(parameters, UUIDS, 1);
    for (size_t i = 0; wanted && i < load->wanted->order_ids.count; i++) {
        struct text key = load->wanted->order_ids.entries[i].key;
        if (!is_known_order(load, key)) {
            row_uuid(parameters, id_of(key));
        }
    }
    for (size_t i = 0; due && i < load->wanted->due_ids.count; i++) {
        struct text key = load->wanted->due_ids.entries[i].key;
        if (!is_known_order(load, key) && table_find(&load->wanted->order_ids, key) == NULL) {
            row_uuid(parameters, id_of(key));
        }
    }
}

/* Queues a statement whose last column was just filled; not where that is empty. */
static size_t queue_filled(struct load *load, const struct parameters *parameters, const struct statement *statement)
{
    return parameters_row_count(parameters) == 0 ? NOT_SENT : session_queue(load->store->session, statement);
}

/* Of the due list, those that are asked for and not wanted anyway: they keep the list's order. */
static void queue_due_check(struct load *load)
{
    const struct due_list *due = &load->store->due;
    struct parameters *parameters = session_parameters(load->store->session);
    parameters_columns(parameters, DUE_COLUMNS, 2);
    for (size_t i = 0; i < due->count; i++) {
        struct text key = {(const char *)due->ids[i].bytes, sizeof(due->ids[i].bytes)};
        if (table_find(&load->wanted->due_ids, key) != NULL) {
            row_uuid(parameters, &due->ids[i]);
            row_time(parameters, due->run_at_ms[i]);
        }
    }
    load->due_timeouts = queue_filled(load, parameters, &CHECK_DUE);
}

static void queue_orders(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    static const struct statement *const by_mode[] = {[LOAD_GUARDED] = &LOCK_ORDERS,
                                                      [LOAD_LOCKED] = &LOCK_ORDERS,
                                                      [LOAD_FREE] = &LOCK_FREE_ORDERS,
                                                      [LOAD_SHOWN] = &SELECT_ORDERS};
    add_orders(parameters, load, true, false);
    load->orders = queue_filled(load, parameters, by_mode[load->mode]);
    parameters = session_parameters(load->store->session);
    add_orders(parameters, load, false, true);
    load->due = queue_filled(load, parameters, &LOCK_FREE_ORDERS);
    if (load->wanted->due_ids.count > 0) {
        queue_due_check(load);
    }
}

static void queue_lines_and_payments(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    add_orders(parameters, load, true, true);
    load->items = queue_filled(load, parameters, &SELECT_ITEMS);
    parameters = session_parameters(load->store->session);
    add_orders(parameters, load, true, true);
    load->payments = queue_filled(load, parameters, &SELECT_PAYMENTS);
}

static void add_products(struct parameters *parameters, const struct load *load)
{
    parameters_columns(parameters, UUIDS, 1);
    for (size_t i = 0; i < load->wanted->product_ids.count; i++) {
        struct text key = load->wanted->product_ids.entries[i].key;
        if (facts_product(load->facts, id_of(key)) == NULL) {
            row_uuid(parameters, id_of(key));
        }
    }
}

static void add_skus_of_products(struct parameters *parameters, const struct load *load)
{
    parameters_columns(parameters, TEXTS, 1);
    for (size_t i = 0; load->wanted->products_of_skus && i < load->wanted->skus.count; i++) {
        row_text(parameters, load->wanted->skus.entries[i].key);
    }
}

/* Most batches name SKUs and nothing else. */
static bool names_only_skus(const struct load *load)
{
    return load->orders == NOT_SENT && load->due == NOT_SENT && load->wanted->product_ids.count == 0 &&
           !load->wanted->products_of_skus;
}

static void queue_variants(struct load *load)
{
    static const struct statement *const of_skus[] = {
        [LOAD_GUARDED] = &SELECT_VARIANTS, [LOAD_LOCKED] = &LOCK_VARIANTS};
    static const struct statement *const of_anything[] = {[LOAD_GUARDED] = &SELECT_ALL_VARIANTS,
                                                          [LOAD_LOCKED] = &LOCK_ALL_VARIANTS,
                                                          [LOAD_FREE] = &LOCK_FREE_VARIANTS,
                                                          [LOAD_SHOWN] = &SELECT_ALL_VARIANTS};
    struct parameters *parameters = session_parameters(load->store->session);
    add_texts(parameters, &load->wanted->skus, &load->facts->variants);
    if ((load->mode == LOAD_GUARDED || load->mode == LOAD_LOCKED) && names_only_skus(load)) {
        load->variants = queue_filled(load, parameters, of_skus[load->mode]);
        return;
    }
    add_orders(parameters, load, true, true);
    add_products(parameters, load);
    add_skus_of_products(parameters, load);
    load->variants = session_queue(load->store->session, of_anything[load->mode]);
}

static void queue_products(struct load *load)
{
    load->products = NOT_SENT;
    if (load->wanted->product_ids.count > 0 || load->wanted->products_of_skus) {
        struct parameters *parameters = session_parameters(load->store->session);
        add_products(parameters, load);
        add_skus_of_products(parameters, load);
        load->products = session_queue(load->store->session, &SELECT_PRODUCTS);
    }
}

static void queue_keys(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    add_texts(parameters, &load->wanted->payment_references, &load->facts->payment_owners);
    load->payment_owners = queue_filled(load, parameters, &SELECT_PAYMENT_OWNERS);
    parameters = session_parameters(load->store->session);
    add_texts(parameters, &load->wanted->idempotency_keys, &load->facts->idempotency);
    load->keys = queue_filled(load, parameters, &SELECT_KEYS);
}

static void add_own_clock(struct parameters *parameters, const struct store *store)
{
    if (store->unix_ms != NULL) {
        parameter_time(parameters, store->unix_ms());
    } else {
        parameter_null(parameters, VALUE_TIME);
    }
}

static void queue_purchases(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    add_own_clock(parameters, load->store);
    parameters_columns(parameters, PAIRS, 2);
    for (size_t i = 0; i < load->wanted->purchases.count; i++) {
        const struct purchase *purchase = load->wanted->purchases.entries[i].value;
        if (facts_purchase(load->facts, purchase->customer_id, purchase->sku) == NULL) {
            row_text(parameters, purchase->customer_id);
            row_text(parameters, purchase->sku);
        }
    }
    load->purchased = queue_filled(load, parameters, &SELECT_PURCHASED);
}

static void queue_due_count(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    add_own_clock(parameters, load->store);
    parameter_time(parameters, load->store->due.from_ms);
    parameter_int64(parameters, (int64_t)load->wanted->due_known + 1);
    load->due_count = session_queue(load->store->session, &COUNT_DUE);
}

static void queue_now(struct load *load)
{
    parameter_time(session_parameters(load->store->session), load->facts->now_ms);
    load->now = session_queue(load->store->session, &SELECT_NOW);
}

static void queue_what_exists(struct load *load)
{
    struct parameters *parameters = session_parameters(load->store->session);
    add_orders(parameters, load, true, false);
    load->found_orders = queue_filled(load, parameters, &FIND_ORDERS);
    parameters = session_parameters(load->store->session);
    add_texts(parameters, &load->wanted->skus, &load->facts->variants);
    load->found_skus = queue_filled(load, parameters, &FIND_SKUS);
}

/* Of a hold that ends meanwhile either the stock or the end is seen: where stock is locked nothing can give any back
 * until the batch is over, so what is due is counted behind it; where it is not, ahead of it. The time that decides is
 * taken when nothing is waited for any more, and what customers have is counted by the same. */
static void queue_load(struct load *load)
{
    batch_queue_begin(load->store);
    queue_orders(load);
    if (load->mode != LOAD_SHOWN) {
        jobs_queue_locks(load->store, load->wanted, load->facts, &load->jobs);
    }
    if (load->mode == LOAD_GUARDED) {
        queue_due_count(load);
    }
    queue_variants(load);
    queue_lines_and_payments(load);
    queue_products(load);
    queue_keys(load);
    if (load->mode != LOAD_SHOWN) {
        jobs_queue_load(load->store, load->wanted, load->facts, &load->jobs);
    }
    if (load->mode == LOAD_FREE) {
        queue_what_exists(load);
    }
    if (load->mode == LOAD_LOCKED || load->mode == LOAD_FREE) {
        queue_due_count(load);
    }
    if (load->mode != LOAD_SHOWN) {
        queue_now(load);
    }
    queue_purchases(load);
}

/* ---- Results ---- */

static const PGresult *result_of(const struct load *load, size_t number)
{
    return number == NOT_SENT ? NULL : session_result(load->store->session, number);
}

static bool has_all_lines(const struct order *order)
{
    for (size_t i = 0; i < order->line_count; i++) {
        if (order->lines[i].variant == NULL) {
            return false;
        }
    }
    return true;
}

/* Due orders that were locked by somebody else, or whose timeout is gone by now. */
static void find_elsewhere(struct load *load)
{
    struct table timeouts;
    const PGresult *found = result_of(load, load->due_timeouts);
    table_init(&timeouts, load->facts->arena);
    for (int row = 0; row < PQntuples(found); row++) {
        table_put(&timeouts, value_view(found, row, 0), load);
    }
    for (size_t i = 0; i < load->wanted->due_ids.count; i++) {
        struct text key = load->wanted->due_ids.entries[i].key;
        const struct order *order = facts_order(load->facts, id_of(key));
        if (order == NULL || !has_all_lines(order) || table_find(&timeouts, key) == NULL) {
            facts_put_elsewhere(load->facts, id_of(key));
        }
    }
}

/* What is there and was left out, since somebody else has locked it. */
static void find_locked(struct load *load)
{
    const PGresult *orders = result_of(load, load->found_orders);
    const PGresult *skus = result_of(load, load->found_skus);
    for (int row = 0; row < PQntuples(orders); row++) {
        struct uuid *id = arena_alloc(load->facts->arena, sizeof(*id));
        *id = value_uuid(orders, row, 0);
        const struct order *order = facts_order(load->facts, id);
        if (order == NULL || !has_all_lines(order)) {
            facts_put_locked_order(load->facts, id);
        }
    }
    for (int row = 0; row < PQntuples(skus); row++) {
        if (facts_variant(load->facts, value_view(skus, row, 0)) == NULL) {
            facts_put_locked_sku(load->facts, value_text(skus, row, 0, load->facts->arena));
        }
    }
}

static void take_payment_owners(struct load *load)
{
    const PGresult *owners = result_of(load, load->payment_owners);
    for (int row = 0; row < PQntuples(owners); row++) {
        facts_put_payment_owner(load->facts, value_text(owners, row, 0, load->facts->arena),
                                value_uuid(owners, row, 1));
    }
}

static void take_purchased(struct load *load)
{
    const PGresult *purchased = result_of(load, load->purchased);
    for (int row = 0; row < PQntuples(purchased); row++) {
        struct purchase *purchase = arena_alloc(load->facts->arena, sizeof(*purchase));
        *purchase = (struct purchase){
            .customer_id = value_text(purchased, row, 0, load->facts->arena),
            .sku = value_text(purchased, row, 1, load->facts->arena),
            .quantity = value_int64(purchased, row, 2),
        };
        facts_put_purchase(load->facts, purchase);
    }
}

/* A key that stands for an order is complete once that is loaded, too. */
struct known_key {
    struct idempotency_record *record;
    struct uuid order_id;
    bool has_order;
};

static struct known_key *take_keys(struct load *load, size_t *ret_count)
{
    struct arena *arena = load->facts->arena;
    const PGresult *keys = result_of(load, load->keys);
    size_t count = (size_t)PQntuples(keys);
    struct known_key *known = arena_array(arena, count, sizeof(*known));
    for (int row = 0; row < (int)count; row++) {
        struct idempotency_record *record = arena_zalloc(arena, sizeof(*record));
        record->key = value_text(keys, row, 0, arena);
        value_bytes(keys, row, 1, record->fingerprint, sizeof(record->fingerprint));
        record->created_at_ms = value_unix_ms(keys, row, 2);
        record->status = value_int32(keys, row, 4);
        record->body = value_text(keys, row, 5, arena);
        record->location = value_text(keys, row, 6, arena);
        record->version = value_int64(keys, row, 7);
        known[row] = (struct known_key){
            .record = record, .order_id = value_uuid(keys, row, 3), .has_order = !value_is_null(keys, row, 3)};
    }
    *ret_count = count;
    return known;
}

static void take_now(struct load *load)
{
    const PGresult *now = result_of(load, load->now);
    store_set_clock(load->store, time_to_unix_us(value_int64(now, 0, 0)));
    load->facts->now_ms = store_advance(load->store);
    store_note_load(load->store, value_int64(now, 0, 1), load->facts->variants.count + load->facts->orders.count);
    if (value_int64(result_of(load, load->due_count), 0, 0) > (int64_t)load->wanted->due_known) {
        load->facts->overdue_left = true;
        load->store->due.is_known = false; /* another server's: look again */
    }
}

static bool load_as(struct store *store, enum load_mode mode, const struct wanted *wanted, struct facts *facts,
                    struct fault *fault);

/* Replayed creations are rare, and worth a round trip of their own. */
static bool load_orders_of_keys(struct load *load, struct known_key *known, size_t count, struct fault *fault)
{
    struct wanted orders;
    wanted_init(&orders, load->facts->arena);
    for (size_t i = 0; i < count; i++) {
        if (known[i].has_order) {
            wanted_add_order(&orders, &known[i].order_id);
        }
    }
    if (orders.order_ids.count > 0 && !load_as(load->store, LOAD_SHOWN, &orders, load->facts, fault)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct idempotency_record *record = known[i].record;
        record->order = known[i].has_order ? facts_order(load->facts, &known[i].order_id) : NULL;
        if (known[i].has_order && record->order == NULL) {
            return fault_set(fault, FAULT_INTERNAL, "an idempotency key names an order that is not there");
        }
        facts_put_idempotency(load->facts, record);
    }
    return true;
}

/* Nothing was written yet: where the connection turns out to be lost (the database was restarted), a new one will
 * do. */
static bool exchange(struct load *load, struct fault *fault)
{
    bool may_repeat = load->facts->orders.count + load->facts->variants.count == 0; /* no locks are held */
    queue_load(load);
    if (session_exchange(load->store->session, fault)) {
        return true;
    }
    if (!may_repeat || session_is_connected(load->store->session) || !store_connect(load->store, fault)) {
        return false;
    }
    load->store->has_begun = false;
    queue_load(load);
    return session_exchange(load->store->session, fault);
}

static bool load_as(struct store *store, enum load_mode mode, const struct wanted *wanted, struct facts *facts,
                    struct fault *fault)
{
    struct load load = {.mode = mode,
                        .store = store,
                        .wanted = wanted,
                        .facts = facts,
                        .due_timeouts = NOT_SENT,
                        .found_orders = NOT_SENT,
                        .found_skus = NOT_SENT};
    struct row_loader loader;
    size_t key_count;
    row_loader_begin(&loader, facts);
    if (!exchange(&load, fault)) {
        return false;
    }
    if (!session_in_transaction(store->session)) {
        return fault_set(fault, FAULT_UNAVAILABLE,
                         "the connection does not keep a transaction: a pooler between has to pool by session");
    }
    take_variants(&loader, result_of(&load, load.variants));
    take_products(&loader, result_of(&load, load.products));
    loader.may_miss_variants = mode == LOAD_FREE || load.due != NOT_SENT;
    if (!take_orders(&loader, result_of(&load, load.orders), fault) ||
        !take_orders(&loader, result_of(&load, load.due), fault) ||
        !take_lines(&loader, result_of(&load, load.items), fault)) {
        return false;
    }
    take_payments(&loader, result_of(&load, load.payments));
    find_elsewhere(&load);
    find_locked(&load);
    take_payment_owners(&load);
    take_purchased(&load);
    if (mode != LOAD_SHOWN) {
        take_now(&load);
    }
    struct known_key *known = take_keys(&load, &key_count);
    if (mode != LOAD_SHOWN && !jobs_take_load(store, wanted, facts, &load.jobs, fault)) {
        return false;
    }
    return load_orders_of_keys(&load, known, key_count, fault);
}

/* An order that was paid or moved since its deadline was found is not near any more. */
static void drop_moved(const struct store *store, struct facts *facts)
{
    struct notice_facts *notice = &facts->notice;
    size_t kept = 0;
    for (size_t i = 0; i < notice->count; i++) {
        const struct order *order = facts_order(facts, &notice->order_ids[i]);
        if (order != NULL && order->status == ORDER_DRAFT && order->loaded_expires_at_ms == store->near_ms[i]) {
            notice->order_ids[kept++] = notice->order_ids[i];
        }
    }
    notice->count = kept;
}

/* Notices change no order: nobody has to be kept from it. */
static bool load_near(struct store *store, struct facts *facts, struct fault *fault)
{
    struct wanted orders;
    wanted_init(&orders, facts->arena);
    for (size_t i = 0; i < facts->notice.count; i++) {
        if (facts_order(facts, &facts->notice.order_ids[i]) == NULL) {
            wanted_add_order(&orders, &facts->notice.order_ids[i]);
        }
    }
    if (orders.order_ids.count > 0 && !load_as(store, LOAD_SHOWN, &orders, facts, fault)) {
        return false;
    }
    drop_moved(store, facts);
    return true;
}

bool postgres_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    assert(store->in_batch);
    enum load_mode mode = wanted->skip_locked ? LOAD_FREE : store->must_lock ? LOAD_LOCKED : LOAD_GUARDED;
    if (load_as(store, mode, wanted, facts, fault) && load_near(store, facts, fault) &&
        jobs_load_claim(store, wanted, facts, fault)) {
        return true;
    }
    store_note_fault(store, fault->kind);
    return false;
}
