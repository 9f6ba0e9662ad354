#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "store/schema/migrations.h"
#include "store/sqlite/sqlite_internal.h"

#define APPLICATION_ID 0x486F6C64 /* "Hold" in the file's head: `file` and people can tell whose it is */

bool store_check_identity(struct store *store, struct fault *fault)
{
    int64_t application_id;
    int64_t tables;
    if (!connection_read_int64(&store->writer, "PRAGMA application_id", 0, &application_id, fault) ||
        !connection_read_int64(&store->writer, "SELECT count(*) FROM sqlite_schema", 0, &tables, fault)) {
        return false;
    }
    if (application_id == APPLICATION_ID || (application_id == 0 && tables == 0)) {
        return true;
    }
    return fault_set(fault, FAULT_SCHEMA, "%s is a database of another program: give --database another path",
                     store->path);
}

static bool read_version(struct store *store, int *ret_version, struct fault *fault)
{
    int64_t version;
    if (!connection_read_int64(&store->writer, "PRAGMA user_version", 0, &version, fault)) {
        return false;
    }
    if (version > (int64_t)SQLITE_MIGRATION_COUNT) {
        return fault_set(fault, FAULT_SCHEMA,
                         "%s has schema %d and this program knows %zu: use the newer holdfast that migrated it, or "
                         "restore the backup from before",
                         store->path, (int)version, SQLITE_MIGRATION_COUNT);
    }
    *ret_version = (int)version;
    return true;
}

bool sqlite_schema_check(struct store *store, struct fault *fault)
{
    int version = 0;
    if (!read_version(store, &version, fault)) {
        return false;
    }
    if ((size_t)version != SQLITE_MIGRATION_COUNT) {
        return fault_set(fault, FAULT_SCHEMA,
                         "%s has schema %d and this program needs %zu: run `holdfast migrate --database sqlite:%s`",
                         store->path, version, SQLITE_MIGRATION_COUNT, store->path);
    }
    return true;
}

bool store_get_ready(struct store *store, struct fault *fault)
{
    if (store->ready) {
        return true;
    }
    int64_t holds;
    int64_t newest_ms;
    if (!sqlite_schema_check(store, fault) ||
        !indexes_open(&store->writer, store->index_generation, store->indexes, fault) ||
        !connection_read_int64(&store->writer, COUNT_HOLDS, 0, &holds, fault) ||
        !connection_read_int64(&store->writer, "SELECT created_at FROM orders ORDER BY order_no DESC LIMIT 1", 0,
                               &newest_ms, fault)) {
        indexes_close(store->indexes);
        return false;
    }
    /* Behind the newest order by its last millisecond: ids of two runs never share one, so the order of ids stays the
     * order in which orders were placed. */
    int64_t clock_ms = store->unix_ms();
    store->now_ms = newest_ms >= clock_ms && newest_ms - clock_ms < CLOCK_STEP_KEPT_MS ? newest_ms + 1 : 0;
    store->clock_ahead_ms = newest_ms - clock_ms >= CLOCK_STEP_KEPT_MS ? newest_ms - clock_ms : 0;
    atomic_store_explicit(&store->live_holds, holds, memory_order_relaxed);
    store->prune_round_at_ms = clock_ms;
    store->ready = true;
    return true;
}

static bool apply(struct store *store, const struct schema_migration *migration, struct fault *fault)
{
    char pragmas[96];
    (void)snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                   migration->number);
    sqlite3_stmt *record;
    if (!connection_run_script(&store->writer, migration->sql, fault) ||
        !connection_run_script(&store->writer, pragmas, fault) ||
        !connection_prepare(&store->writer,
                            "INSERT INTO schema_migrations (number, name, applied_at) VALUES (?1, ?2, ?3)", &record,
                            fault)) {
        return false;
    }
    bind_int64(record, 1, migration->number);
    bind_c_text(record, 2, migration->name);
    bind_int64(record, 3, store->unix_ms());
    return statement_run(record, fault);
}

/* All of them in one transaction: a migration that fails leaves the database as it was. */
static bool apply_from(struct store *store, int *ret_from_version, struct fault *fault)
{
    if (!connection_run(&store->writer, "BEGIN IMMEDIATE", fault)) {
        return false;
    }
    int version = 0;
    bool ok = read_version(store, &version, fault); /* again: another process may have been here before the lock */
    for (size_t i = ok ? (size_t)version : 0; ok && i < SQLITE_MIGRATION_COUNT; i++) {
        assert(SQLITE_MIGRATIONS[i].number == (int)i + 1);
        ok = apply(store, &SQLITE_MIGRATIONS[i], fault);
    }
    if (ok && connection_run(&store->writer, "COMMIT", fault)) {
        *ret_from_version = version;
        return true;
    }
    struct fault ignored;
    if (sqlite3_get_autocommit(store->writer.database) == 0) {
        (void)!connection_run(&store->writer, "ROLLBACK", &ignored);
    }
    return false;
}

bool sqlite_migrate(struct store *store, struct migration_report *ret_report, struct fault *fault)
{
    int version = 0;
    if (!read_version(store, &version, fault)) {
        return false;
    }
    if ((size_t)version < SQLITE_MIGRATION_COUNT) {
        if (!store_lock_writing(store, fault)) {
            return false;
        }
        bool ok = apply_from(store, &version, fault);
        store_unlock_writing(store);
        if (!ok) {
            return false;
        }
    }
    *ret_report = (struct migration_report){
        .from_version = version,
        .to_version = (int)SQLITE_MIGRATION_COUNT,
    };
    return store_get_ready(store, fault);
}
