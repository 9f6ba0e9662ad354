#include "store/sqlite/sqlite_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/sqlite/file_lock.h"
#include "store/sqlite/jobs.h"
#include "store/sqlite/sqlite_internal.h"

#define MEBIBYTE ((size_t)1024 * 1024)
#define PAGE_BYTES 4096
#define PAGES_OF(bytes) ((int64_t)((bytes) / PAGE_BYTES))

#define ENDPOINT_ARENA_BYTES 4096
#define WRITER_CACHE_BYTES (16 * MEBIBYTE)
#define READER_CACHE_BYTES (2 * MEBIBYTE)
#define READ_TIMEOUT_MS 5000
#define WRITE_LOCK_WAIT_MS 5000
#define OPEN_LOCK_WAIT_MS 5000
#define IDEMPOTENCY_MS (INT64_C(24) * 60 * 60 * 1000)

/* Writing over an old log is about four times cheaper than growing one, so the file is kept at the size that it has
 * between two checkpoints, and cut back only where a slow reader made it grow far beyond. */
#define CHECKPOINT_BYTES (8 * MEBIBYTE)
#define CHECKPOINT_IDLE_BYTES (1 * MEBIBYTE)
#define GATE_BYTES (256 * MEBIBYTE)
#define LOG_FILE_LIMIT "67108864"

static int on_commit(void *context, sqlite3 *database, const char *name, int log_pages)
{
    (void)database;
    (void)name;
    struct store *store = context;
    atomic_store_explicit(&store->log_pages, log_pages, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->own_commits, 1, memory_order_relaxed);
    return SQLITE_OK;
}

static bool set_log_mode(struct store *store, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row;
    if (!connection_prepare(&store->writer, "PRAGMA journal_mode = WAL", &statement, fault) ||
        !statement_next(statement, &row, fault)) {
        return false;
    }
    bool is_set = row && text_equal_c(column_view(statement, 0), "wal");
    /* The row comes before the change is committed. Without a log a commit is undone by a journal that comes back when
     * the power fails, since SQLite does not sync the deletion. */
    if (row && !statement_next(statement, &row, fault)) {
        return false;
    }
    if (!is_set) {
        return fault_set(fault, FAULT_UNAVAILABLE, "%s cannot keep a write-ahead log: put it on a local file system",
                         store->path);
    }
    return connection_run_script(&store->writer, "PRAGMA journal_size_limit = " LOG_FILE_LIMIT, fault);
}

/* The first touch of the file may replay what a crashed process left in the log, so it happens under the write lock. */
static bool open_database(struct store *store, size_t cache_bytes, struct fault *fault)
{
    if (!store_lock_writing(store, fault)) {
        return false;
    }
    bool ok = connection_configure(&store->writer, cache_bytes, fault) && store_check_identity(store, fault) &&
              set_log_mode(store, fault);
    store_unlock_writing(store);
    (void)sqlite3_wal_hook(store->writer.database, on_commit, store);
    return ok;
}

static void store_free(struct store *store)
{
    indexes_close(store->indexes);
    variant_cache_free(store->variants);
    arena_free(store->endpoint_arena);
    connection_close(&store->writer);
    if (store->lock_file >= 0) {
        file_lock_close(store->lock_file);
    }
    read_gate_done(&store->gate);
    free(store->path);
    free(store);
}

static bool claim(struct store *store, bool serve, struct fault *fault)
{
    store->path = strdup(sqlite3_db_filename(store->writer.database, "main"));
    assert(store->path != NULL);
    if (!store_check_name(store, fault)) {
        return false;
    }
    if (!file_lock_open(store->path, &store->lock_file, fault)) {
        return false;
    }
    if (serve && !file_lock_try(store->lock_file, FILE_LOCK_SERVE)) {
        return fault_set(fault, FAULT_UNAVAILABLE,
                         "another process serves %s already: stop it first, or serve another database", store->path);
    }
    if (file_lock_try(store->lock_file, FILE_LOCK_OPEN)) {
        file_lock_clear_mark(store->lock_file); /* nobody else has it open: the whole log is copied anew */
    }
    if (!file_lock_share(store->lock_file, FILE_LOCK_OPEN, OPEN_LOCK_WAIT_MS)) {
        return fault_set(fault, FAULT_UNAVAILABLE, "another process has been opening %s for %d s", store->path,
                         OPEN_LOCK_WAIT_MS / 1000);
    }
    store->keeps_log = file_lock_has_mark(store->lock_file);
    return true;
}

/* SQLite opens a file that may only be read without a word. */
static bool check_writable(const struct store *store, struct fault *fault)
{
    return sqlite3_db_readonly(store->writer.database, "main") != 1 ||
           fault_set(fault, FAULT_UNAVAILABLE,
                     "%s cannot be written to: look at its permissions and those of its folder", store->path);
}

static bool sqlite_open(const struct store_options *options, struct store **ret_store, struct fault *fault)
{
    const char *location = options->location;
    if (location[0] == '\0' || strcmp(location, ":memory:") == 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "a database needs a file: sqlite:PATH");
    }
    if (!options->create && access(location, F_OK) != 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "there is no database at %s: `holdfast migrate` makes one",
                         location);
    }
    struct store *store = memory_zalloc(1, sizeof(*store));
    int flags = SQLITE_OPEN_READWRITE | (options->create ? SQLITE_OPEN_CREATE : 0);
    if (!connection_open(location, flags, &store->writer, fault)) {
        free(store);
        return false;
    }
    store->lock_file = -1;
    store->variants = variant_cache_new();
    store->endpoint_arena = arena_new(ENDPOINT_ARENA_BYTES);
    store->unix_ms = options->unix_ms == NULL ? clock_unix_ms : options->unix_ms;
    store->read_timeout_ms = options->read_timeout_ms == 0 ? READ_TIMEOUT_MS : options->read_timeout_ms;
    store->idempotency_ms = options->idempotency_ms == 0 ? IDEMPOTENCY_MS : options->idempotency_ms;
    store->checkpoint_pages = PAGES_OF(CHECKPOINT_BYTES);
    store->checkpoint_idle_pages = PAGES_OF(CHECKPOINT_IDLE_BYTES);
    store->gate_pages = PAGES_OF(GATE_BYTES);
    store->index_generation = GENERATION_POSTINGS;
    read_gate_init(&store->gate);
    size_t cache_bytes = options->cache_bytes == 0 ? WRITER_CACHE_BYTES : options->cache_bytes;
    if (!claim(store, options->serve, fault) || (options->write && !check_writable(store, fault)) ||
        !open_database(store, cache_bytes, fault)) {
        store_free(store);
        return false;
    }
    *ret_store = store;
    return true;
}

static void sqlite_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    assert(!store->in_batch);
    store_look_at_place(store);
    bool displaced = atomic_load(&store->displaced);
    /* Where another process writes for so long, it will do this itself. A file that is displaced gets what is its own, so
     * that the log beside its old name is empty, and not read into the next database there; but no name is touched. */
    if (file_lock_wait(store->lock_file, FILE_LOCK_WRITE, WRITE_LOCK_WAIT_MS) && !store_keeps_log(store)) {
        (void)sqlite3_busy_timeout(store->writer.database, 0);
        store_note_checkpoint(
            store, sqlite3_wal_checkpoint_v2(store->writer.database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL));
        /* Whoever closes last removes the log. */
        (void)sqlite3_db_config(store->writer.database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, store->keeps_log || displaced,
                                NULL);
    }
    store_free(store);
}

bool store_try_lock_writing(struct store *store)
{
    return file_lock_try(store->lock_file, FILE_LOCK_WRITE);
}

bool store_lock_writing(struct store *store, struct fault *fault)
{
    return file_lock_wait(store->lock_file, FILE_LOCK_WRITE, WRITE_LOCK_WAIT_MS) ||
           fault_set(fault, FAULT_UNAVAILABLE, "another process has been writing to %s for %d s", store->path,
                     WRITE_LOCK_WAIT_MS / 1000);
}

void store_unlock_writing(struct store *store)
{
    file_lock_release(store->lock_file, FILE_LOCK_WRITE);
}

bool store_keeps_log(struct store *store)
{
    store->keeps_log = store->keeps_log || file_lock_has_mark(store->lock_file);
    return store->keeps_log;
}

void store_note_checkpoint(struct store *store, int code)
{
    if (code == SQLITE_IOERR_FSYNC) {
        store->keeps_log = true;
        file_lock_set_mark(store->lock_file);
    }
}

static void sqlite_batch_rollback(struct store *store)
{
    if (!store->in_batch) {
        return;
    }
    struct fault ignored;
    /* Some errors end the transaction by themselves. */
    if (sqlite3_get_autocommit(store->writer.database) == 0) {
        (void)!connection_run(&store->writer, "ROLLBACK", &ignored);
    }
    indexes_rolled_back(store->indexes);
    store->endpoints_known = false;
    store->in_batch = false;
    store_unlock_writing(store);
}

static int64_t sqlite_now(const struct store *store)
{
    return store->unix_ms();
}

static bool sqlite_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault)
{
    assert(!store->in_batch);
    if (!store_check_place(store, fault) || !store_get_ready(store, fault) || !store_lock_writing(store, fault)) {
        return false;
    }
    int64_t data_version;
    if (!connection_run(&store->writer, "BEGIN IMMEDIATE", fault)) {
        store_unlock_writing(store);
        return false;
    }
    store->in_batch = true;
    if (!connection_read_int64(&store->writer, "PRAGMA data_version", 0, &data_version, fault)) {
        sqlite_batch_rollback(store);
        return false;
    }
    if (data_version != store->data_version) {
        variant_cache_clear(store->variants);
        store->endpoints_known = false;
        store->data_version = data_version;
        store->recount_holds = true;
    }
    clock_advance(store->unix_ms(), &store->now_ms, &store->clock_ahead_ms);
    store->saved = NULL;
    store->live_holds_delta = 0;
    *ret_now_ms = store->now_ms;
    return true;
}

static void keep_variants(struct store *store)
{
    for (size_t i = 0; store->saved != NULL && i < store->saved->variants.count; i++) {
        const struct variant *variant = store->saved->variants.entries[i].value;
        if (variant->version != variant->loaded_version || variant->stock.version != variant->loaded_stock.version) {
            variant_cache_put(store->variants, variant);
        }
    }
}

static bool sqlite_batch_commit(struct store *store, struct fault *fault)
{
    assert(store->in_batch);
    if (connection_run(&store->writer, "COMMIT", fault)) {
        indexes_committed(store->indexes);
        keep_variants(store);
        store->in_batch = false;
        atomic_fetch_add_explicit(&store->live_holds, store->live_holds_delta, memory_order_relaxed);
        store_unlock_writing(store);
        return true;
    }
    /* Every page reached the log, but perhaps not the disk, or there was no room for the log's index: after a crash now,
     * the batch may be there or not. */
    int code = sqlite3_extended_errcode(store->writer.database);
    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP) {
        fault->kind = FAULT_OUTCOME_UNKNOWN;
    }
    sqlite_batch_rollback(store);
    return false;
}

static void sqlite_stats(struct store *store, struct store_stats *ret_stats)
{
    struct stat file;
    *ret_stats = (struct store_stats){
        .live_holds = atomic_load_explicit(&store->live_holds, memory_order_relaxed),
        .database_bytes = stat(store->path, &file) == 0 ? (int64_t)file.st_size : 0,
        .log_bytes = atomic_load_explicit(&store->log_pages, memory_order_relaxed) * PAGE_BYTES,
    };
}

static bool sqlite_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    struct reader *reader = memory_zalloc(1, sizeof(*reader));
    reader->store = store;
    /* Not SQLITE_OPEN_READONLY: such a connection leaves CHECK constraints aside, and the audit looks for them. */
    if (!connection_open(store->path, SQLITE_OPEN_READWRITE, &reader->connection, fault)) {
        free(reader);
        return false;
    }
    if (!connection_configure(&reader->connection, READER_CACHE_BYTES, fault) ||
        !connection_run_script(&reader->connection, "PRAGMA query_only = ON", fault)) {
        connection_close(&reader->connection);
        free(reader);
        return false;
    }
    *ret_reader = reader;
    return true;
}

static void sqlite_reader_close(struct reader *reader)
{
    if (reader != NULL) {
        connection_close(&reader->connection);
        free(reader);
    }
}

bool read_begin(struct reader *reader, struct fault *fault)
{
    if (!store_known_in_place(reader->store, fault)) {
        return false;
    }
    read_gate_enter(&reader->store->gate);
    if (!connection_run(&reader->connection, "BEGIN", fault)) {
        read_gate_leave(&reader->store->gate);
        return false;
    }
    reader->connection.deadline_us = clock_monotonic_us() + reader->store->read_timeout_ms * 1000;
    return true;
}

void read_end(struct reader *reader)
{
    struct fault ignored;
    reader->connection.deadline_us = INT64_MAX; /* ending must not be interrupted */
    (void)!connection_run(&reader->connection, "ROLLBACK", &ignored);
    read_gate_leave(&reader->store->gate);
}

static bool sqlite_read_ping(struct reader *reader, struct fault *fault)
{
    if (!read_begin(reader, fault)) {
        return false;
    }
    int64_t version;
    bool ok =
        connection_read_int64(&reader->connection, "SELECT max(number) FROM schema_migrations", 0, &version, fault);
    read_end(reader);
    return ok;
}

const struct store_ops SQLITE_STORE = {
    .name = "sqlite",
    .embedded = true,
    .open = sqlite_open,
    .migrate = sqlite_migrate,
    .schema_check = sqlite_schema_check,
    .close = sqlite_close,
    .now = sqlite_now,
    .batch_begin = sqlite_batch_begin,
    .batch_due = sqlite_batch_due,
    .batch_load = sqlite_batch_load,
    .batch_save = sqlite_batch_save,
    .batch_commit = sqlite_batch_commit,
    .batch_rollback = sqlite_batch_rollback,
    .next_due = sqlite_next_due,
    .maintain = sqlite_maintain,
    .try_write = sqlite_try_write,
    .stats = sqlite_stats,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .read_ping = sqlite_read_ping,
    .read_order = sqlite_read_order,
    .read_orders = sqlite_read_orders,
    .read_product = sqlite_read_product,
    .read_products = sqlite_read_products,
    .read_variant = sqlite_read_variant,
    .read_movements = sqlite_read_movements,
    .read_reservations = sqlite_read_reservations,
    .read_events = sqlite_read_events,
    .read_last_sequence = sqlite_read_last_sequence,
    .read_jobs = sqlite_read_jobs,
    .read_job = sqlite_read_job,
    .read_queues = sqlite_read_queues,
    .read_schedules = sqlite_read_schedules,
    .read_endpoints = sqlite_read_endpoints,
    .watch_start = sqlite_watch_start,
    .watch_stop = sqlite_watch_stop,
    .read_keys = sqlite_read_keys,
    .key_create = sqlite_key_create,
    .key_revoke = sqlite_key_revoke,
    .audit = sqlite_audit,
};
