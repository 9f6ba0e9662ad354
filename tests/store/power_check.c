#include "power_check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "power_vfs.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_store.h"

bool why_set(struct why *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    return false;
}

static bool why_fault(struct why *why, const char *what, const struct fault *fault)
{
    return why_set(why, "%s: %s: %s", what, fault_kind_name(fault->kind), fault->detail);
}

/* Content */

/* The seed of an index is random; everything else of two shops that did the same is the same. */
static const char LIST_TABLES[] =
    "SELECT name, 'SELECT ' || (SELECT group_concat(c.name) FROM pragma_table_info(s.name) c WHERE c.name <> 'seed') || "
    "' FROM ' || name FROM sqlite_schema s WHERE type = 'table' ORDER BY name";

static uint64_t digest_column(sqlite3_stmt *statement, int column, uint64_t digest)
{
    int type = sqlite3_column_type(statement, column);
    int64_t number = sqlite3_column_int64(statement, column);
    struct text text = {(const char *)&number, sizeof(number)};
    if (type != SQLITE_INTEGER && type != SQLITE_NULL) {
        text = column_view(statement, column);
    }
    return text_hash(text, digest + (uint64_t)type);
}

static bool digest_table(struct reader *reader, const char *sql, int64_t *ret_rows, uint64_t *ret_digest,
                         struct fault *fault)
{
    sqlite3 *database = reader->connection.database;
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    *ret_rows = 0;
    *ret_digest = 0;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int column = 0; column < sqlite3_column_count(statement); column++) {
            *ret_digest = digest_column(statement, column, *ret_digest);
        }
        *ret_rows += 1;
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return code == SQLITE_DONE || connection_fault(database, code, fault);
}

static bool digest_tables(struct reader *reader, struct shop_content *ret_content, struct fault *fault)
{
    sqlite3_stmt *statement;
    bool row = true;
    ret_content->count = 0;
    if (!connection_prepare(&reader->connection, LIST_TABLES, &statement, fault)) {
        return false;
    }
    while (statement_next(statement, &row, fault)) {
        if (!row) {
            return true;
        }
        assert(ret_content->count < CONTENT_TABLES_MAX);
        size_t at = ret_content->count++;
        (void)snprintf(ret_content->tables[at].table, sizeof(ret_content->tables[at].table), "%s",
                       (const char *)sqlite3_column_text(statement, 0));
        if (!digest_table(reader, (const char *)sqlite3_column_text(statement, 1), &ret_content->tables[at].rows,
                          &ret_content->tables[at].digest, fault)) {
            return statement_abandon(statement);
        }
    }
    return false;
}

bool shop_content_read(const struct rush *rush, struct shop_content *ret_content, struct why *why)
{
    struct reader *reader = rush->reader;
    struct fault fault;
    if (rush->is_reading && !SQLITE_STORE.reader_open(rush->store, &reader, &fault)) {
        return why_fault(why, "another reader does not open", &fault);
    }
    bool ok = read_begin(reader, &fault);
    if (ok) {
        ok = digest_tables(reader, ret_content, &fault);
        read_end(reader);
    }
    if (rush->is_reading) {
        SQLITE_STORE.reader_close(reader);
    }
    return ok || why_fault(why, "reading", &fault);
}

const char *shop_content_difference(const struct shop_content *a, const struct shop_content *b)
{
    if (a->count != b->count) {
        return "the number of tables";
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->tables[i].table, b->tables[i].table) != 0 || a->tables[i].rows != b->tables[i].rows ||
            a->tables[i].digest != b->tables[i].digest) {
            return a->tables[i].table;
        }
    }
    return NULL;
}

bool shop_is_expected(const struct shop_content *content, struct shop_expected expected, struct why *why)
{
    const char *from_before = shop_content_difference(content, expected.before);
    const char *from_after = shop_content_difference(content, expected.after);
    return from_before == NULL || from_after == NULL ||
           why_set(why, "the shop is not what it may be: %s differs from before, %s from after", from_before,
                   from_after);
}

/* Audit */

static void note_progress(void *context, const char *check, int number, int total)
{
    (void)context;
    (void)check;
    (void)number;
    (void)total;
}

static void note_count(void *context, const char *what, int64_t count)
{
    (void)context;
    (void)what;
    (void)count;
}

static void note_violation(void *context, const char *invariant, const char *row, int64_t rows)
{
    (void)rows;
    (void)why_set(context, "the audit finds %s: %s", invariant, row);
}

static void note_overdue(void *context, int64_t drafts, int64_t late_ms)
{
    (void)context;
    (void)drafts;
    (void)late_ms;
}

bool shop_audit(struct rush *rush, struct why *why)
{
    struct why found = {""};
    const struct audit_sink sink = {&found, note_progress, note_count, note_violation, note_overdue, -1};
    if (!SQLITE_STORE.audit(rush->reader, &sink, &rush->fault)) {
        return why_fault(why, "the audit", &rush->fault);
    }
    return found.text[0] == '\0' || why_set(why, "%s", found.text);
}

/* A shop that comes back */

static bool go_on(struct rush *rush, struct why *why)
{
    if (!rush_place_any(rush)) {
        return why_fault(why, "an order cannot be placed afterwards", &rush->fault);
    }
    if (!rush_expire_all(rush)) {
        return why_fault(why, "holds do not end afterwards", &rush->fault);
    }
    return rush->mistake == NULL || why_set(why, "afterwards: %s", rush->mistake);
}

static bool open_shop(struct rush *rush, struct disk *disk, const char *location, int64_t now_ms, struct why *why)
{
    rush_init(rush, disk, location);
    rush->place.random = 99; /* other ids than those of the rush that it comes from */
    rush->place.now_ms = now_ms;
    harness_now_ms = now_ms;
    power_vfs_mount(disk);
    return rush_open(rush) || why_fault(why, "the database does not open", &rush->fault);
}

/* The power fails once more, and takes all that it may. */
static bool keeps(const struct rush *rush, const char *location, struct why *why)
{
    struct disk *disk = disk_lose_power(rush->disk, LOSS_OF_ALL, 0);
    struct rush again;
    struct shop_content expected = {.count = 0};
    struct shop_content content = {.count = 0};
    struct why found;
    if (!shop_content_read(rush, &expected, why)) {
        disk_free(disk);
        return false;
    }
    bool ok = open_shop(&again, disk, location, harness_now_ms, &found) &&
              shop_content_read(&again, &content, &found) &&
              shop_is_expected(&content, (struct shop_expected){&expected, &expected}, &found);
    rush_done(&again);
    disk_free(disk);
    power_vfs_mount(rush->disk);
    return ok || why_set(why, "when the power fails again: %s", found.text);
}

bool shop_check(struct disk *disk, const char *location, int64_t now_ms, struct shop_expected expected, bool twice,
                struct why *why)
{
    struct rush rush;
    struct shop_content content = {.count = 0};
    bool ok = open_shop(&rush, disk, location, now_ms, why) && shop_content_read(&rush, &content, why) &&
              shop_is_expected(&content, expected, why) && shop_audit(&rush, why) && go_on(&rush, why) &&
              (!twice || (shop_audit(&rush, why) && keeps(&rush, location, why)));
    rush_done(&rush);
    disk_free(disk);
    return ok;
}
