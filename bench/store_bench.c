/* How long a store takes for an order: batches of one-line orders through the store's own functions and the real rules,
 * without HTTP, queue or threads. Usage: store_bench [DATABASE [ORDERS [SHAPE]]], DATABASE being a file (as sqlite:PATH
 * or PATH) or a URI of PostgreSQL, where it makes a schema of its own, store_bench, anew for each line; SHAPE: the number
 * of the only shape to run. "Processor" is this process's, so on PostgreSQL without the server's. */

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "domain/catalogue.h"
#include "domain/expire_order.h"
#include "domain/idempotency.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

static const struct store_ops *ops;
static struct uuid_source ids;
static struct fault fault;
static int64_t clock_offset_ms; /* lets holds fall due at once */

static int64_t bench_clock(void)
{
    return clock_unix_ms() + clock_offset_ms;
}

static void check(bool ok)
{
    if (!ok) {
        fprintf(stderr, "store_bench: %s: %s\n", fault_kind_name(fault.kind), fault.detail);
        exit(1);
    }
}

struct shape {
    const char *name;
    bool random_customers;
    bool keys;
    size_t variants;
};

/* One batch: its memory, wishes and facts. */
struct bench_batch {
    struct arena *arena;
    struct wanted wanted;
    struct facts facts;
};

static void batch_start(struct bench_batch *batch, struct store *store)
{
    int64_t now_ms;
    check(ops->batch_begin(store, &now_ms, &fault));
    arena_clear(batch->arena);
    wanted_init(&batch->wanted, batch->arena);
    facts_init(&batch->facts, batch->arena, now_ms, &ids, (struct policy){.hold_seconds_max = 3600});
}

static void batch_finish(struct bench_batch *batch, struct store *store)
{
    bool more;
    event_stock_thresholds(&batch->facts);
    check(ops->batch_save(store, &batch->facts, &fault));
    check(ops->batch_commit(store, &fault));
    check(ops->maintain(store, false, &more, &fault));
}

static int64_t processor_us(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/* Wall time and processor time since it was started. */
struct stopwatch {
    int64_t wall_us;
    int64_t processor_us;
};

static struct stopwatch stopwatch_start(void)
{
    return (struct stopwatch){clock_monotonic_us(), processor_us()};
}

static void stopwatch_print(struct stopwatch watch, const char *what, size_t count)
{
    printf("%s %6.2f us (processor %6.2f), ", what, (double)(clock_monotonic_us() - watch.wall_us) / (double)count,
           (double)(processor_us() - watch.processor_us) / (double)count);
}

static struct text sku_name(struct arena *arena, size_t number)
{
    return arena_printf(arena, "sku-%zu", number);
}

static void make_products(struct bench_batch *batch, struct store *store, size_t variants)
{
    for (size_t i = 0; i < variants; i += 500) {
        batch_start(batch, store);
        for (size_t j = i; j < variants && j < i + 500; j++) {
            struct create_variant variant = {
                .sku = sku_name(batch->arena, j),
                .title = TEXT_LITERAL("Tee"),
                .price = {1999, "EUR"},
                .stock_quantity = 1000000000,
                .low_stock_threshold = -1,
            };
            struct create_product product = {.title = TEXT_LITERAL("Tee"), .variants = &variant, .variant_count = 1};
            struct outcome outcome;
            create_product_decide(&batch->facts, &product, &outcome);
        }
        batch_finish(batch, store);
    }
}

static void place_batch(struct bench_batch *batch, struct store *store, const struct shape *shape, size_t count)
{
    struct place_order_line *lines = arena_array(batch->arena, count, sizeof(*lines));
    struct place_order *orders = arena_array(batch->arena, count, sizeof(*orders));
    struct idempotency *keys = arena_array(batch->arena, count, sizeof(*keys));
    for (size_t i = 0; i < count; i++) {
        lines[i] = (struct place_order_line){sku_name(batch->arena, (size_t)random() % shape->variants), 1};
        orders[i] = (struct place_order){
            .customer_id = shape->random_customers ? arena_printf(batch->arena, "customer-%08lx", random())
                                                   : TEXT_LITERAL("customer-1"),
            .lines = &lines[i],
            .line_count = 1,
            .hold_seconds = 900,
        };
        place_order_want(&orders[i], &batch->wanted);
        if (shape->keys) {
            keys[i].key = arena_printf(batch->arena, "%08lx-%08lx-%08lx", random(), random(), random());
            wanted_add_idempotency_key(&batch->wanted, keys[i].key);
        }
    }
    check(ops->batch_load(store, &batch->wanted, &batch->facts, &fault));
    for (size_t i = 0; i < count; i++) {
        struct outcome outcome;
        if (idempotency_decide(&batch->facts, &keys[i], &outcome)) {
            continue;
        }
        place_order_decide(&batch->facts, &orders[i], &outcome);
        (void)idempotency_keep(&batch->facts, &keys[i], &outcome);
    }
}

static size_t expire_batch(struct bench_batch *batch, struct store *store, size_t max)
{
    struct uuid *due = arena_array(batch->arena, max, sizeof(*due));
    size_t count;
    bool more;
    check(ops->batch_due(store, batch->facts.now_ms, max, due, &count, &more, &fault));
    for (size_t i = 0; i < count; i++) {
        wanted_add_due(&batch->wanted, &due[i]);
    }
    check(ops->batch_load(store, &batch->wanted, &batch->facts, &fault));
    for (size_t i = 0; i < count; i++) {
        (void)expire_order_decide(&batch->facts, facts_order(&batch->facts, &due[i]));
    }
    return count;
}

static void remove_files(const char *path)
{
    char file[4096];
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)snprintf(file, sizeof(file), "%s%s", path, ends[i]);
        (void)unlink(file);
    }
}

static void make_schema(const char *uri)
{
    PGconn *connection = PQconnectdb(uri);
    PGresult *result =
        PQexec(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS store_bench CASCADE; "
                           "CREATE SCHEMA store_bench; CHECKPOINT");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "store_bench: %s", PQerrorMessage(connection));
        exit(1);
    }
    PQclear(result);
    PQfinish(connection);
}

static struct store *open_fresh(const char *database)
{
    char location[4096];
    if (ops == &POSTGRES_STORE) {
        make_schema(database);
        (void)snprintf(location, sizeof(location), "%s%coptions=-csearch_path%%3Dstore_bench", database,
                       strchr(database, '?') == NULL ? '?' : '&');
    } else {
        remove_files(database);
        (void)snprintf(location, sizeof(location), "%s", database);
    }
    struct store_options options = {.location = location, .create = true, .serve = true, .unix_ms = bench_clock};
    struct migration_report report;
    struct store *store;
    check(ops->open(&options, &store, &fault));
    check(ops->migrate(store, &report, &fault));
    return store;
}

static void run_shape(const char *database, const struct shape *shape, size_t orders, size_t batch_size)
{
    struct bench_batch batch = {.arena = arena_new((size_t)4 * 1024 * 1024)};
    struct store *store = open_fresh(database);
    make_products(&batch, store, shape->variants);

    int64_t slowest_us = 0;
    printf("%-36s batches of %4zu: ", shape->name, batch_size);
    struct stopwatch watch = stopwatch_start();
    for (size_t placed = 0; placed < orders; placed += batch_size) {
        int64_t batch_us = clock_monotonic_us();
        batch_start(&batch, store);
        place_batch(&batch, store, shape, batch_size);
        batch_finish(&batch, store);
        batch_us = clock_monotonic_us() - batch_us;
        slowest_us = batch_us > slowest_us ? batch_us : slowest_us;
    }
    stopwatch_print(watch, "place", orders);

    clock_offset_ms += 1000000;
    size_t expired = 0;
    watch = stopwatch_start();
    for (size_t count = 1; count > 0; expired += count) {
        batch_start(&batch, store);
        count = expire_batch(&batch, store, 1000);
        batch_finish(&batch, store);
    }
    stopwatch_print(watch, "expire", expired);

    struct store_stats stats;
    ops->stats(store, &stats);
    printf("slowest batch %5.1f ms", (double)slowest_us / 1000);
    if (ops->embedded) { /* elsewhere it is the size of more than this */
        printf(", %4.0f bytes an order", (double)stats.database_bytes / (double)orders);
    }
    printf("\n");
    ops->close(store);
    arena_free(batch.arena);
}

int main(int argument_count, char **arguments)
{
    static const struct shape shapes[] = {
        {"one SKU, one customer", false, false, 1},
        {"one SKU, random customers", true, false, 1},
        {"one SKU, one customer, keys", false, true, 1},
        {"one SKU, random customers, keys", true, true, 1},
        {"10,000 SKUs, random customers, keys", true, true, 10000},
    };
    static const size_t batch_sizes[] = {100, 500, 1000};
    const char *database = argument_count > 1 ? arguments[1] : "store_bench.db";
    size_t orders = argument_count > 2 ? (size_t)strtoul(arguments[2], NULL, 10) : 200000;
    size_t only = argument_count > 3 ? (size_t)strtoul(arguments[3], NULL, 10) : 0;
    ops = strncmp(database, "postgres", strlen("postgres")) == 0 ? &POSTGRES_STORE : &SQLITE_STORE;
    database += strncmp(database, "sqlite:", strlen("sqlite:")) == 0 ? strlen("sqlite:") : 0;
    uuid_source_init(&ids, NULL, NULL);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (only != 0 && only != i + 1) {
            continue;
        }
        for (size_t j = 0; j < sizeof(batch_sizes) / sizeof(batch_sizes[0]); j++) {
            run_shape(database, &shapes[i], orders, batch_sizes[j]);
        }
    }
    return 0;
}
