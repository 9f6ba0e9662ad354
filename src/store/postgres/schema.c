#include <assert.h>
#include <stdio.h>

#include "store/postgres/postgres_internal.h"
#include "store/postgres/values.h"
#include "store/schema/migrations.h"

/* Everything is looked for in the schema that comes first in the search path: a table of the same name further behind
 * may be another program's. */
#define IN_SCHEMA \
    "c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"

static const struct statement SELECT_IDENTITY = {
    "identity", "SELECT current_schema()::text, "
                "EXISTS (SELECT FROM pg_class c WHERE " IN_SCHEMA " AND c.relname = 'holdfast_migrations'), "
                "(SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c WHERE " IN_SCHEMA
                " AND c.relname IN ('products', 'product_variants', 'locations', 'stock_levels', 'orders', "
                "'order_items', 'stock_reservations', 'payments', 'stock_movements', 'jobs', 'events', 'counters', "
                "'idempotency_keys', 'writers', 'api_keys', 'payment_timeouts', 'payment_notices', 'job_queues', "
                "'job_schedules', 'webhook_endpoints'))"};
static const struct statement SELECT_VERSION = {"version", "SELECT max(number)::bigint FROM holdfast_migrations"};
static const struct statement RECORD_MIGRATION = {
    "record_migration", "INSERT INTO holdfast_migrations (number, name) VALUES ($1::bigint, $2::text)"};

static bool run_query(struct session *session, const struct statement *statement, const PGresult **ret_result,
                      struct fault *fault)
{
    (void)session_parameters(session);
    size_t number = session_queue(session, statement);
    if (!session_exchange(session, fault)) {
        return false;
    }
    *ret_result = session_result(session, number);
    return true;
}

static bool check_identity(const PGresult *identity, bool *ret_is_ours, struct fault *fault)
{
    struct text schema = value_view(identity, 0, 0);
    struct text tables = value_view(identity, 0, 2);
    if (schema.bytes == NULL) {
        return fault_set(fault, FAULT_SCHEMA,
                         "no schema of the connection's search_path exists (make one: CREATE SCHEMA), or the role may "
                         "not use it (GRANT USAGE ON SCHEMA)");
    }
    *ret_is_ours = value_bool(identity, 0, 1);
    if (!*ret_is_ours && tables.bytes != NULL) {
        return fault_set(fault, FAULT_SCHEMA,
                         "schema %.*s has tables of another program (%.60s...): give Holdfast a schema of its own, "
                         "CREATE SCHEMA holdfast, and ?options=-csearch_path%%3Dholdfast at the URI's end",
                         (int)schema.length, schema.bytes, tables.bytes);
    }
    return true;
}

/* 0 where there is no schema of ours yet. */
static bool read_version(struct store *store, int *ret_version, struct fault *fault)
{
    const PGresult *result;
    bool is_ours = false;
    int64_t version = 0;
    if (!run_query(store->session, &SELECT_IDENTITY, &result, fault) || !check_identity(result, &is_ours, fault)) {
        return false;
    }
    if (is_ours) {
        if (!run_query(store->session, &SELECT_VERSION, &result, fault)) {
            return false;
        }
        version = value_int64(result, 0, 0);
    }
    if (version > (int64_t)POSTGRES_MIGRATION_COUNT) {
        return fault_set(fault, FAULT_SCHEMA,
                         "the database has schema %d and this program knows %zu: use the newer holdfast that migrated "
                         "it, or restore the backup from before",
                         (int)version, POSTGRES_MIGRATION_COUNT);
    }
    *ret_version = (int)version;
    return true;
}

bool postgres_schema_check(struct store *store, struct fault *fault)
{
    int version = 0;
    if (!session_connect(store->session, fault) || !read_version(store, &version, fault)) {
        return false;
    }
    return (size_t)version == POSTGRES_MIGRATION_COUNT ||
           fault_set(fault, FAULT_SCHEMA,
                     "the database has schema %d and this program needs %zu: run `holdfast migrate` with the same "
                     "--database (or start the server with --migrate)",
                     version, POSTGRES_MIGRATION_COUNT);
}

bool postgres_get_ready(struct store *store, struct fault *fault)
{
    if (store->ready) {
        return true;
    }
    store->ready = postgres_schema_check(store, fault) && store_look(store, fault) && store_measure(store, fault);
    return store->ready;
}

static bool apply(struct session *session, const struct schema_migration *migration, struct fault *fault)
{
    if (!session_run_script(session, migration->sql, fault)) {
        return false;
    }
    struct parameters *parameters = session_parameters(session);
    parameter_int64(parameters, migration->number);
    parameter_text(parameters, text_from_c(migration->name));
    (void)session_queue(session, &RECORD_MIGRATION);
    return session_exchange(session, fault);
}

/* All of them in one transaction, one process at a time: a migration that fails leaves the database as it was. */
static bool apply_from(struct store *store, int *ret_from_version, struct fault *fault)
{
    struct fault ignored;
    int version = 0;
    bool ok = session_run_script(store->session,
                                 "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; "
                                 "SET LOCAL idle_in_transaction_session_timeout = 0; "
                                 "SELECT pg_advisory_xact_lock(1215261796, hashtext(current_schema()))",
                                 fault) &&
              read_version(store, &version, fault);
    for (size_t i = ok ? (size_t)version : 0; ok && i < POSTGRES_MIGRATION_COUNT; i++) {
        assert(POSTGRES_MIGRATIONS[i].number == (int)i + 1);
        ok = apply(store->session, &POSTGRES_MIGRATIONS[i], fault);
    }
    if (ok && session_run_script(store->session, "COMMIT", fault)) {
        *ret_from_version = version;
        return true;
    }
    if (session_is_connected(store->session)) {
        (void)!session_run_script(store->session, "ROLLBACK", &ignored);
    }
    return false;
}

bool postgres_migrate(struct store *store, struct migration_report *ret_report, struct fault *fault)
{
    int version = 0;
    if (!session_connect(store->session, fault) || !read_version(store, &version, fault) ||
        ((size_t)version < POSTGRES_MIGRATION_COUNT && !apply_from(store, &version, fault))) {
        return false;
    }
    *ret_report = (struct migration_report){
        .from_version = version,
        .to_version = (int)POSTGRES_MIGRATION_COUNT,
    };
    return postgres_get_ready(store, fault);
}
