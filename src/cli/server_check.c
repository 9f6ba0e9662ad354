#include "cli/server_check.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/console.h"
#include "jobs/cron.h"

static bool read_database_is_good(const char *uri, const struct database *database)
{
    if (uri == NULL) {
        return true;
    }
    if (database->ops->embedded) {
        console_error("--read-database is for PostgreSQL: %s has no replicas", database->name);
        return false;
    }
    if (!database_uri_is_postgres(uri)) {
        console_error("--read-database is written postgresql://USER@HOST/NAME, as --database is");
        return false;
    }
    return database_uri_check("--read-database", uri);
}

static bool schedule_is_good(const char *schedule, const char *time_zone)
{
    struct cron *cron;
    struct cron_error error;
    if (!cron_parse(text_from_c(schedule), text_from_c(time_zone), &cron, &error)) {
        console_error("%s '%s': %s", error.is_in_time_zone ? "--time-zone" : "--prune-schedule",
                      error.is_in_time_zone ? time_zone : schedule, error.detail);
        return false;
    }
    cron_free(cron);
    return true;
}

/* Read as libcurl reads it, which says nothing before the first delivery, and then to each. A file that is not there, and
 * may yet come, is the client's to tell of: such a start may be tried again. */
static bool authorities_are_good(const char *path)
{
    if (path == NULL || access(path, R_OK) != 0) {
        return true;
    }
    X509_STORE *store = X509_STORE_new();
    bool is_read = store != NULL && X509_STORE_load_file(store, path) == 1;
    if (!is_read) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        console_error("--webhook-ca-file %s: no certificates in PEM format can be read from it: %s", path,
                      reason == NULL ? "it is no such file" : reason);
        ERR_clear_error();
    }
    X509_STORE_free(store);
    return is_read;
}

bool server_check_settings(const struct server_settings *settings, const struct database *database)
{
    return read_database_is_good(settings->read_database, database) &&
           schedule_is_good(settings->prune_schedule, settings->time_zone) &&
           authorities_are_good(settings->webhook_ca_file);
}
