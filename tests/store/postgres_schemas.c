#include "postgres_schemas.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail_with(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    abort();
}

static const char *server_uri(void)
{
    const char *uri = getenv("HOLDFAST_TEST_POSTGRES");
    if (uri == NULL) {
        fail_with("HOLDFAST_TEST_POSTGRES", "names no server; ./dev test starts one");
    }
    return uri;
}

const char *postgres_schemas_run(const char *location, const char *sql)
{
    static char first[256];
    PGconn *connection = PQconnectdb(location == NULL ? server_uri() : location);
    if (PQstatus(connection) != CONNECTION_OK) {
        fail_with("connect", PQerrorMessage(connection));
    }
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fail_with(sql, PQerrorMessage(connection));
    }
    bool has_value = PQntuples(result) > 0 && PQnfields(result) > 0;
    (void)snprintf(first, sizeof(first), "%s", has_value ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
    return first;
}

static const char *schema_of(const char *location)
{
    return strstr(location, "holdfast_test_");
}

void postgres_schemas_prepare(char *ret_location, size_t size)
{
    static int count;
    char sql[128];
    const char *uri = server_uri();
    (void)snprintf(ret_location, size, "%s%coptions=-csearch_path%%3Dholdfast_test_%d_%d", uri,
                   strchr(uri, '?') == NULL ? '?' : '&', (int)getpid(), ++count);
    (void)snprintf(sql, sizeof(sql), "CREATE SCHEMA %s", schema_of(ret_location));
    (void)postgres_schemas_run(NULL, sql);
}

void postgres_schemas_discard(const char *location)
{
    char sql[128];
    (void)snprintf(sql, sizeof(sql), "SET client_min_messages = error; DROP SCHEMA %s CASCADE", schema_of(location));
    (void)postgres_schemas_run(NULL, sql);
}
