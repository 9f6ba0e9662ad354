/* What only the SQLite store can get wrong: files, locks, the log, crashes. */

#include "harness_jobs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sqlite_files.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_store.h"

static const struct store_under_test SQLITE = {&SQLITE_STORE, sqlite_files_prepare, sqlite_files_discard};

static int setup(void **state)
{
    *state = harness_open(&SQLITE);
    return 0;
}

static int teardown(void **state)
{
    harness_close(*state);
    return 0;
}

/* Runs SQL on the file behind the store's back, with nothing that would refuse it. */
static void tamper(const struct harness *harness, const char *sql)
{
    sqlite3 *database;
    char *message = NULL;
    assert_int_equal(sqlite3_open(harness->location, &database), SQLITE_OK);
    if (sqlite3_exec(database, "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF", NULL, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
        fail_msg("%s: %s", sql, message);
    }
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static bool open_at(struct harness *harness, const char *location, bool create, bool serve, struct store **ret_store)
{
    struct store_options options = {.location = location, .create = create, .serve = serve, .unix_ms = harness_clock};
    return harness->ops->open(&options, ret_store, &harness->fault);
}

static void one_process_serves_at_a_time(void **state)
{
    struct harness *harness = *state;
    struct store *first;
    struct store *second;
    assert_ok(harness, open_at(harness, harness->location, false, true, &first));
    assert_fault(harness, open_at(harness, harness->location, false, true, &second), FAULT_UNAVAILABLE);
    assert_ok(harness, open_at(harness, harness->location, false, false, &second)); /* beside it: keys, import, audit */
    harness->ops->close(second);
    harness->ops->close(first);
    assert_ok(harness, open_at(harness, harness->location, false, true, &first));
    harness->ops->close(first);
}

static void one_process_writes_at_a_time(void **state)
{
    struct harness *harness = *state;
    struct store *other;
    int64_t now_ms;
    bool more;
    struct key_row key = {.name = TEXT_LITERAL("till"), .hint = TEXT_LITERAL("hf_")};
    (void)make_variant(harness, "a", 10);
    assert_ok(harness, open_at(harness, harness->location, false, false, &other));
    assert_ok(harness, harness->ops->batch_begin(other, &now_ms, &harness->fault));
    assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault)); /* passes, not waits */
    assert_fault(harness, harness->ops->key_create(harness->store, &key, &harness->fault), FAULT_UNAVAILABLE);
    harness->ops->batch_rollback(other);
    assert_ok(harness, harness->ops->key_create(harness->store, &key, &harness->fault));
    harness->ops->close(other);
    (void)place_id(harness, "c", "a", 1); /* the other one's end took nothing away */
    assert_audit_clean(harness);
}

static void files_of_others_are_left_alone(void **state)
{
    struct harness *harness = *state;
    struct store *store = NULL;
    char path[600];
    char content[64] = "";
    (void)snprintf(path, sizeof(path), "%s-none", harness->location);
    assert_fault(harness, open_at(harness, path, false, false, &store), FAULT_UNAVAILABLE);
    assert_int_equal(access(path, F_OK), -1);
    assert_fault(harness, open_at(harness, "/nowhere/at/all.db", true, false, &store), FAULT_UNAVAILABLE);
    assert_fault(harness, open_at(harness, ":memory:", true, false, &store), FAULT_UNAVAILABLE);

    FILE *file = fopen(path, "w");
    (void)fputs("a text, and quite long enough to be taken for the head of a database file: it is none.", file);
    (void)fclose(file);
    assert_fault(harness, open_at(harness, path, true, false, &store), FAULT_SCHEMA);
    file = fopen(path, "r");
    assert_non_null(fgets(content, 7, file));
    (void)fclose(file);
    assert_string_equal(content, "a text");
    (void)unlink(path);

    sqlite3 *database;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "CREATE TABLE theirs (x)", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(database);
    assert_fault(harness, open_at(harness, path, true, false, &store), FAULT_SCHEMA);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s-none-lock", harness->location);
    (void)unlink(path);
}

static void a_file_that_cannot_be_opened_says_why(void **state)
{
    struct harness *harness = *state;
    struct store *store;
    assert_fault(harness, open_at(harness, "/nowhere/shop.db", true, true, &store), FAULT_UNAVAILABLE);
    assert_string_equal(harness->fault.detail,
                        "the database file cannot be opened (unable to open database file: No such "
                        "file or directory): /nowhere/shop.db");
}

/* The log and the locks go by the name: a server under another name would know nothing of this one. */
static void a_file_with_two_names_is_refused_under_both(void **state)
{
    struct harness *harness = *state;
    struct store *store = NULL;
    char other[600];
    char lock[600];
    (void)snprintf(other, sizeof(other), "%s-other", harness->location);
    (void)snprintf(lock, sizeof(lock), "%s-other-lock", harness->location);
    assert_int_equal(link(harness->location, other), 0);
    assert_fault(harness, open_at(harness, other, false, true, &store), FAULT_UNAVAILABLE);
    assert_non_null(strstr(harness->fault.detail, "2 names"));
    assert_int_equal(access(lock, F_OK), -1);
    assert_fault(harness, open_at(harness, harness->location, false, false, &store), FAULT_UNAVAILABLE);
    assert_int_equal(unlink(other), 0);
    assert_ok(harness, open_at(harness, harness->location, false, true, &store));
    harness->ops->close(store);
    assert_int_equal(symlink(harness->location, other), 0); /* another name for the path, which is followed */
    assert_ok(harness, open_at(harness, other, false, true, &store));
    harness->ops->close(store);
    assert_int_equal(access(lock, F_OK), -1);
    (void)unlink(other);
}

static bool mount_onto(const char *from, const char *onto)
{
    /* A namespace of its own, so that the mount goes with this process, however it ends. */
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(from, onto, NULL, MS_BIND, NULL) == 0;
}

enum { MOUNT_REFUSED, MOUNT_NOT_REFUSED, MOUNT_NOT_PERMITTED };

/* As a container gets a file of the host's. */
static void a_file_that_is_mounted_by_itself_is_refused(void **state)
{
    struct harness *harness = *state;
    char other[600];
    int status;
    (void)snprintf(other, sizeof(other), "%s-other", harness->location);
    int file = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    (void)close(file);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;
        if (!mount_onto(harness->location, other)) {
            _exit(MOUNT_NOT_PERMITTED);
        }
        bool refused = !open_at(harness, other, false, true, &store) &&
                       strstr(harness->fault.detail, "mount its folder instead") != NULL;
        _exit(refused ? MOUNT_REFUSED : MOUNT_NOT_REFUSED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)unlink(other);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == MOUNT_NOT_PERMITTED) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), MOUNT_REFUSED);
}

static void schemas_of_other_versions_are_refused(void **state)
{
    struct harness *harness = *state;
    struct migration_report report;
    tamper(harness, "PRAGMA user_version = 999");
    assert_fault(harness, harness->ops->migrate(harness->store, &report, &harness->fault), FAULT_SCHEMA);
    assert_fault(harness, harness->ops->schema_check(harness->store, &harness->fault), FAULT_SCHEMA);
    assert_non_null(strstr(harness->fault.detail, "newer"));
    tamper(harness, "PRAGMA user_version = 0");
    assert_fault(harness, harness->ops->schema_check(harness->store, &harness->fault), FAULT_SCHEMA);
    assert_non_null(strstr(harness->fault.detail, "holdfast migrate"));
}

/* A file's bytes as one number; 0 where there is none. */
static uint64_t file_digest(const struct harness *harness, const char *end)
{
    char path[600];
    char bytes[4096];
    uint64_t digest = 0;
    size_t length;
    (void)snprintf(path, sizeof(path), "%s%s", harness->location, end);
    FILE *file = fopen(path, "rb");
    while (file != NULL && (length = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        digest = digest * 31 + text_hash((struct text){bytes, length}, 0);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return digest;
}

static void a_batch_of_refusals_writes_no_byte(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 1);
    (void)place_id(harness, "c", "a", 1);
    uint64_t database = file_digest(harness, "");
    uint64_t log = file_digest(harness, "-wal");
    assert_true(database != 0 && log != 0);
    assert_int_equal(place(harness, "c", "a", 1).code, OUTCOME_INSUFFICIENT_STOCK); /* committed */
    batch_begin(harness);
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    batch_load(harness);
    harness->ops->batch_rollback(harness->store);
    assert_true(database == file_digest(harness, ""));
    assert_true(log == file_digest(harness, "-wal"));
}

/* Places an order without minding whether that works. */
static bool try_to_place(struct harness *harness)
{
    int64_t now_ms;
    struct variant *variant;
    if (!harness->ops->batch_begin(harness->store, &now_ms, &harness->fault)) {
        return false;
    }
    arena_clear(harness->arena);
    wanted_init(&harness->wanted, harness->arena);
    facts_init(&harness->facts, harness->arena, now_ms, &harness->ids, (struct policy){.hold_seconds_max = 60});
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    batch_load(harness);
    variant = facts_variant(&harness->facts, TEXT_LITERAL("a"));
    variant->stock.stock_quantity += 1;
    variant->stock.version++;
    struct movement *movement = facts_add_movement(&harness->facts, variant, 1, MOVEMENT_RESTOCK, TEXT_ABSENT, NULL);
    event_stock_adjusted(&harness->facts, movement);
    bool ok = harness->ops->batch_save(harness->store, &harness->facts, &harness->fault) &&
              harness->ops->batch_commit(harness->store, &harness->fault);
    harness->ops->batch_rollback(harness->store);
    return ok;
}

static void a_full_disk_is_survived(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = before;
    tight.rlim_cur = 300000; /* the log is about to pass it, in the middle of a transaction */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int placed = 0;
    bool ok = true;
    for (; placed < 1000 && ok; placed++) {
        ok = try_to_place(harness);
    }
    assert_fault(harness, ok, FAULT_UNAVAILABLE);
    assert_fault(harness, try_to_place(harness), FAULT_UNAVAILABLE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 10 + placed - 1);
    assert_ok(harness, try_to_place(harness));
    harness_reopen(harness);
    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 10 + placed);
    assert_audit_clean(harness);
}

static void a_full_database_is_survived(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    assert_ok(harness, connection_run_script(&harness->store->writer, "PRAGMA max_page_count = 1", &harness->fault));
    bool ok = true;
    for (int i = 0; i < 1000 && ok; i++) {
        ok = try_to_place(harness);
    }
    assert_fault(harness, ok, FAULT_UNAVAILABLE);
    assert_non_null(strstr(harness->fault.detail, "full"));
    harness_reopen(harness);
    assert_ok(harness, try_to_place(harness));
    assert_audit_clean(harness);
}

static void a_read_only_database_is_unavailable(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    assert_ok(harness, connection_run_script(&harness->store->writer, "PRAGMA query_only = 1", &harness->fault));
    assert_fault(harness, try_to_place(harness), FAULT_UNAVAILABLE);
    assert_fault(harness, harness->ops->try_write(harness->store, &harness->fault), FAULT_UNAVAILABLE);
    assert_ok(harness, connection_run_script(&harness->store->writer, "PRAGMA query_only = 0", &harness->fault));
    assert_ok(harness, harness->ops->try_write(harness->store, &harness->fault));
    assert_ok(harness, try_to_place(harness));
}

#define NOBODY 65534

/* A file with the permissions `mode` in a folder that nobody owns, who is who we are meanwhile: for root every file can be
 * written to. */
static void become_nobody(const struct harness *harness, mode_t mode)
{
    char path[600];
    const char *const ends[] = {"", "-lock"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", harness->location, ends[i]);
        assert_int_equal(chmod(path, i == 0 ? mode : 0666), 0);
    }
    *strrchr(path, '/') = '\0';
    if (geteuid() == 0) {
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
        assert_int_equal(seteuid(NOBODY), 0);
    }
}

static void a_read_only_file_is_refused_to_writers_only(void **state)
{
    struct harness *harness = *state;
    struct store_options options = {.location = harness->location, .write = true, .unix_ms = harness_clock};
    (void)make_variant(harness, "a", 10);
    harness->ops->reader_close(harness->reader);
    harness->ops->close(harness->store);
    become_nobody(harness, 0444);
    assert_fault(harness, harness->ops->open(&options, &harness->store, &harness->fault), FAULT_UNAVAILABLE);
    assert_non_null(strstr(harness->fault.detail, "shop.db cannot be written to"));
    options.write = false;
    assert_ok(harness, harness->ops->open(&options, &harness->store, &harness->fault));
    assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 10);
    assert_fault(harness, harness->ops->try_write(harness->store, &harness->fault), FAULT_UNAVAILABLE);
    assert_int_equal(seteuid(getuid()), 0);
}

static void a_read_has_a_time_limit(void **state)
{
    struct harness *harness = *state;
    harness->store->read_timeout_ms = 20;
    assert_ok(harness, read_begin(harness->reader, &harness->fault));
    bool ok = connection_run_script(&harness->reader->connection,
                                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                                    "SELECT count(*) FROM n",
                                    &harness->fault);
    read_end(harness->reader);
    assert_fault(harness, ok, FAULT_TIMEOUT);
    assert_ok(harness, harness->ops->read_ping(harness->reader, &harness->fault));
}

struct reading {
    struct harness *harness;
    int delay_us;
    _Atomic bool stop;
    _Atomic int reads;
};

/* Reads that overlap each other, so that there is always one inside. */
static void *keep_reading(void *argument)
{
    struct reading *reading = argument;
    struct reader *reader;
    struct fault fault;
    int64_t count;
    bool ok = SQLITE_STORE.reader_open(reading->harness->store, &reader, &fault);
    while (ok && !reading->stop) {
        ok = read_begin(reader, &fault) &&
             connection_read_int64(&reader->connection, "SELECT count(*) FROM events", 0, &count, &fault);
        (void)usleep((useconds_t)reading->delay_us);
        if (ok) {
            read_end(reader);
            reading->reads++;
        }
    }
    SQLITE_STORE.reader_close(reader);
    return ok ? reading : NULL;
}

static int64_t grow_log_under_readers(struct harness *harness)
{
    struct reading readings[3] = {{harness, 2000, false, 0}, {harness, 3000, false, 0}, {harness, 5000, false, 0}};
    pthread_t threads[3];
    int64_t most = 0;
    bool more;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, keep_reading, &readings[i]), 0);
    }
    for (int i = 0; i < 300; i++) {
        assert_ok(harness, try_to_place(harness));
        assert_ok(harness, harness->ops->maintain(harness->store, false, &more, &harness->fault));
        most = harness->store->log_pages > most ? harness->store->log_pages : most;
    }
    for (size_t i = 0; i < 3; i++) {
        void *ok;
        readings[i].stop = true;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_non_null(ok);
        assert_true(readings[i].reads > 3);
    }
    return most;
}

static void steady_reading_does_not_grow_the_log_for_ever(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    harness->store->checkpoint_pages = 20;
    harness->store->gate_pages = 200;
    int64_t gated = grow_log_under_readers(harness);
    harness->store->gate_pages = INT64_MAX;
    int64_t free_to_grow = grow_log_under_readers(harness);
    print_message("# the log's largest size in pages: %lld with the gate, %lld without\n", (long long)gated,
                  (long long)free_to_grow);
    assert_true(gated < 600);
    assert_true(free_to_grow > gated);
    assert_audit_clean(harness);
}

/* No checkpoint is trusted after a sync that failed, whoever would make it, until the file was closed by all. */
static void a_log_that_has_to_be_kept_is_kept_by_all(void **state)
{
    struct harness *harness = *state;
    struct store *other;
    char path[600];
    bool more;
    (void)snprintf(path, sizeof(path), "%s-wal", harness->location);
    (void)make_variant(harness, "a", 1000);
    harness->store->checkpoint_pages = 1;
    harness->store->checkpoint_idle_pages = 1;
    harness->store->gate_pages = 1;
    assert_true(store_lock_writing(harness->store, &harness->fault));
    store_note_checkpoint(harness->store, SQLITE_IOERR_FSYNC);
    store_unlock_writing(harness->store);

    assert_false(harness->ops->maintain(harness->store, true, &more, &harness->fault));
    assert_non_null(strstr(harness->fault.detail, "start again"));
    for (int i = 0; i < 10; i++) {
        assert_ok(harness, try_to_place(harness));
        assert_ok(harness, harness->ops->maintain(harness->store, i % 2 == 0, &more, &harness->fault));
        assert_int_equal(harness->store->gate_closed_until_us, 0); /* reads go on */
    }
    assert_int_equal(harness->store->copied_pages, 0);
    int64_t log_pages = harness->store->log_pages;

    assert_ok(harness, open_at(harness, harness->location, false, false, &other));
    assert_false(harness->ops->maintain(other, true, &more, &harness->fault));
    harness->ops->close(other);
    assert_ok(harness, try_to_place(harness));
    assert_true(harness->store->log_pages > log_pages); /* it did not begin again */

    harness->ops->reader_close(harness->reader);
    harness->ops->close(harness->store);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(harness, open_at(harness, harness->location, false, false, &harness->store));
    assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault));
    harness->ops->close(harness->store);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(harness, open_at(harness, harness->location, false, false, &harness->store));
    assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
    assert_audit_clean(harness);
}

static void closing_leaves_one_file_and_its_lock(void **state)
{
    struct harness *harness = *state;
    char path[600];
    (void)make_variant(harness, "a", 10);
    harness->ops->reader_close(harness->reader);
    harness->ops->close(harness->store);
    (void)snprintf(path, sizeof(path), "%s-wal", harness->location);
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof(path), "%s-lock", harness->location);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(harness, open_at(harness, harness->location, false, false, &harness->store));
    assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 10);
}

static void write_file(const struct harness *harness, const char *end, const char *content)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s%s", harness->location, end);
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

/* Somebody puts other files in the place of an open database: nothing more is answered, nothing is written to them, and
 * all that was answered until then is in the file that was moved away. */
static void move_away_and_back(struct harness *harness, bool with_log)
{
    char moved[600];
    int64_t now_ms;
    bool more;
    struct order **orders;
    size_t count;
    const struct order_filter all = {.has_status = false};
    const struct page page = {.limit = 1};
    (void)snprintf(moved, sizeof(moved), "%s-moved", harness->location);
    (void)place_id(harness, "c", "a", 1);
    assert_int_equal(rename(harness->location, moved), 0);
    write_file(harness, "", "another file");
    if (with_log) {
        write_file(harness, "-wal", "another log");
    }
    uint64_t database = file_digest(harness, "");
    uint64_t log = with_log ? file_digest(harness, "-wal") : 0; /* its own is emptied */

    harness->store->place_look_us = 0;
    assert_fault(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault), FAULT_UNAVAILABLE);
    assert_non_null(strstr(harness->fault.detail, harness->location));
    assert_fault(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault), FAULT_UNAVAILABLE);
    assert_fault(harness, harness->ops->try_write(harness->store, &harness->fault), FAULT_UNAVAILABLE);
    assert_fault(harness, harness->ops->read_ping(harness->reader, &harness->fault), FAULT_UNAVAILABLE);
    assert_fault(harness,
                 harness->ops->read_orders(harness->reader, harness->read_arena, &all, &page, &orders, &count, &more,
                                           &harness->fault),
                 FAULT_UNAVAILABLE);
    harness->ops->reader_close(harness->reader);
    harness->ops->close(harness->store);
    uint64_t database_after = file_digest(harness, "");
    uint64_t log_after = file_digest(harness, "-wal");

    assert_int_equal(rename(moved, harness->location), 0);
    write_file(harness, "-wal", "");
    assert_ok(harness, open_at(harness, harness->location, false, false, &harness->store));
    assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
    assert_true(database == database_after);
    assert_true(log == log_after);
}

static void a_file_that_was_replaced_is_written_to_no_more(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    move_away_and_back(harness, false);
    move_away_and_back(harness, true);
    (void)place_id(harness, "c", "a", 1);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 3);
    assert_audit_clean(harness);
}

/* Whoever used the names meanwhile may have removed the log that this one still writes to. */
static void a_file_that_was_away_for_a_while_wants_a_new_start(void **state)
{
    struct harness *harness = *state;
    char moved[600];
    int64_t now_ms;
    (void)snprintf(moved, sizeof(moved), "%s-moved", harness->location);
    assert_int_equal(rename(harness->location, moved), 0);
    assert_fault(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault), FAULT_UNAVAILABLE);
    assert_int_equal(rename(moved, harness->location), 0);
    harness->store->place_look_us = 0;
    assert_fault(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault), FAULT_UNAVAILABLE);
    harness_reopen(harness);
    (void)make_variant(harness, "a", 10);
}

static void old_idempotency_keys_are_forgotten(void **state)
{
    struct harness *harness = *state;
    bool more = true;
    int slices = 0;
    for (int day = 0; day < 2; day++) {
        batch_begin(harness);
        for (int i = 0; i < 1300; i++) {
            struct idempotency_record *record = arena_zalloc(harness->arena, sizeof(*record));
            record->key = arena_printf(harness->arena, "%d-%d", i * 7919 % 1300, day);
            record->created_at_ms = harness_now_ms;
            record->status = 200;
            record->is_new = true;
            facts_put_idempotency(&harness->facts, record);
        }
        batch_commit(harness);
        harness_now_ms += INT64_C(23) * 3600 * 1000;
    }
    while (more) {
        assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault));
        slices++;
    }
    assert_true(slices > 3);
    assert_int_equal(count_from_audit(harness, "idempotency keys"), 1300);
}

/* The child commits orders and says which; the parent kills it in the middle of something. */
static void crash_a_child(struct harness *harness, int after_ms)
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(pipe_ends[0]);
        struct harness *own = memory_zalloc(1, sizeof(*own));
        *own = *harness;
        own->random_state = (uint64_t)getpid();
        if (!open_at(own, own->location, false, true, &own->store)) {
            _exit(1);
        }
        for (;;) {
            struct uuid id = place_id(own, "c", "a", 1);
            harness_now_ms++;
            if (harness_random(own, 3) == 0) {
                (void)pay(own, id, harness_text(own, "%d-%d", getpid(), (int)harness_random(own, 1 << 30)).bytes);
            }
            if (write(pipe_ends[1], id.bytes, sizeof(id.bytes)) != sizeof(id.bytes)) {
                _exit(1);
            }
            bool more;
            own->store->checkpoint_pages = 30;
            (void)!own->ops->maintain(own->store, false, &more, &own->fault);
        }
    }
    (void)close(pipe_ends[1]);
    (void)usleep((useconds_t)after_ms * 1000);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct uuid id;
    size_t told = 0;
    for (; read(pipe_ends[0], id.bytes, sizeof(id.bytes)) == sizeof(id.bytes); told++) {
        assert_non_null(read_order(harness, id));
    }
    (void)close(pipe_ends[0]);
    assert_true(told > 0);
}

static void what_was_committed_survives_a_crash(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 1000000);
    for (int i = 0; i < 6; i++) {
        /* Nobody else has the database open when the child dies, so the next to open it has to recover. */
        harness->ops->reader_close(harness->reader);
        harness->ops->close(harness->store);
        harness->reader = NULL;
        harness->store = NULL;
        assert_ok(harness, open_at(harness, harness->location, false, false, &harness->store));
        assert_ok(harness, harness->ops->reader_open(harness->store, &harness->reader, &harness->fault));
        crash_a_child(harness, 150 + 37 * i);
        harness_now_ms += 100000;
        assert_audit_clean(harness);
    }
    harness_reopen(harness);
    assert_audit_clean(harness);
    (void)place_id(harness, "c", "a", 1);
}

struct planted {
    const char *sql;
    const char *invariant; /* how the violation begins */
};

static void assert_found(const struct planted *planted)
{
    struct harness *harness = harness_open(&SQLITE);
    size_t overdue;
    (void)make_variant(harness, "a", 100);
    (void)make_variant(harness, "b", 100);
    (void)place_id(harness, "c", "a", 1);                                 /* order 1: draft */
    (void)pay(harness, place_id(harness, "c", "a", 2), "pi_2");           /* order 2: paid */
    (void)cancel(harness, place_id(harness, "c", "b", 3), "no");          /* order 3: cancelled */
    (void)pay_amount(harness, place_id(harness, "c", "b", 4), "pi_4", 1); /* order 4: draft, refund due */
    (void)adjust(harness, "b", 5);
    assert_audit_clean(harness);
    tamper(harness, planted->sql);
    const char *violations = run_audit(harness, &overdue);
    if (strstr(violations, planted->invariant) == NULL) {
        fail_msg("%s: wanted \"%s\", found:\n%s", planted->sql, planted->invariant, violations);
    }
    harness_close(harness);
}

static void the_audit_finds_what_is_broken(void **state)
{
    static const struct planted all[] = {
        {"UPDATE stock_levels SET reserved_quantity = 101 WHERE variant_no = 1", "I1: sku a: stock 98, reserved 101"},
        {"DELETE FROM stock_levels WHERE variant_no = 2", "I1: sku b"},
        {"UPDATE stock_levels SET reserved_quantity = 2 WHERE variant_no = 1",
         "I2: sku a: reserved 2, active reservations sum to 1"},
        {"UPDATE stock_levels SET stock_quantity = 99 WHERE variant_no = 1",
         "I3: sku a: stock 99, movements sum to 98"},
        {"DELETE FROM stock_movements WHERE movement_no = 2", "I3: sku b"},
        {"UPDATE stock_reservations SET status = 'released' WHERE order_no = 1", "I4: order 0"},
        {"DELETE FROM stock_reservations WHERE order_no = 1", "I4: order 0"},
        {"DELETE FROM payment_timeouts WHERE order_no = 1", "I4: order 0"},
        {"UPDATE orders SET expires_at = expires_at + 1 WHERE order_no = 1", "I4: order 0"},
        {"INSERT INTO payment_timeouts SELECT run_at + 5, order_no FROM payment_timeouts WHERE order_no = 1",
         "I4: order 0"},
        {"DELETE FROM order_items WHERE order_no = 1", "I4: order 0"},
        {"UPDATE stock_reservations SET status = 'active' WHERE order_no = 2", "I5: order 0"},
        {"UPDATE stock_reservations SET quantity = 3 WHERE order_no = 2", "I5: order 0"},
        {"UPDATE payments SET amount = 1 WHERE order_no = 2", "I5: order 0"},
        {"DELETE FROM payments WHERE order_no = 2", "I5: order 0"},
        {"UPDATE payments SET status = 'accepted' WHERE order_no = 4", "I5: order 0"},
        {"UPDATE stock_movements SET reason = 'other' WHERE reason = 'sale'", "I5: sku a: 2 units converted, 0"},
        {"INSERT INTO payment_timeouts VALUES (5, 3)", "I6: order 0"},
        {"UPDATE stock_reservations SET status = 'active' WHERE order_no = 3", "I6: order 0"},
        {"UPDATE payments SET number = 7 WHERE order_no = 2", "I7: order 0"},
        {"INSERT INTO idempotency_keys (key, fingerprint, created_at, order_no) VALUES ('k', zeroblob(32), 0, 77)",
         "I8: idempotency key k"},
        {"INSERT INTO idempotency_keys (key, fingerprint, created_at, order_no) "
         "VALUES ('k', zeroblob(32), 0, 1), ('l', zeroblob(32), 0, 1)",
         "I8: order 0"},
        {"INSERT INTO idempotency_keys (key, fingerprint, created_at, status) "
         "VALUES ('k', zeroblob(32), 0, 201), ('k', zeroblob(32), 0, 201)",
         "I8: idempotency key k is kept 2 times"},
        {"UPDATE deferred_indexes SET covered_to = 2", "I8: orders_by_customer covers 0 rows of 2"},
        {"UPDATE payments SET order_no = 99 WHERE order_no = 4", "I9: payments row"},
        {"UPDATE orders SET status = 'lost' WHERE order_no = 3", "I9: the file is damaged"},
        {"DELETE FROM events WHERE sequence = 2", "I11: event 3 is there and the one before it is not"},
        {"DELETE FROM events WHERE type = 'order.paid'", "I11: order 0"},
        {"DELETE FROM events WHERE type = 'payment.refund_due'", "I11: order 0"},
        {"UPDATE events SET type = 'order.expired' WHERE type = 'order.cancelled'", "I11: order 0"},
        {"UPDATE events SET type = 'stock.low' WHERE type = 'stock.adjusted'",
         "I11: 1 stock adjustments have 0 events"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_found(&all[i]);
    }
}

static bool is_scan_allowed(const char *step)
{
    /* The newest order alone; a few tables, API keys, endpoints; and a page of released orders, merged. */
    static const char *const allowed[] = {
        "SCAN orders",          "SCAN sqlite_master",    "SCAN api_keys", "SCAN released", "SCAN webhook_endpoints",
        "SCAN payment_notices", "SCAN payment_timeouts", "SCAN t"}; /* drafts: counted, listed */
    if (strncmp(step, "SCAN ", 5) != 0 || strncmp(step, "SCAN (subquery", 14) == 0 ||
        strstr(step, " VIRTUAL TABLE ") != NULL) { /* new_rows: a batch's own, in memory */
        return true;
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (strcmp(step, allowed[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void assert_plans(sqlite3 *database)
{
    for (sqlite3_stmt *each = NULL; (each = sqlite3_next_stmt(database, each)) != NULL;) {
        /* Inserts look for nothing: their plans name scans that only run while a foreign key is found broken. */
        if (strncmp(sqlite3_sql(each), "INSERT", 6) == 0) {
            continue;
        }
        bool is_allowed = true;
        char step[200] = "";
        char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(each));
        sqlite3_stmt *plan;
        assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &plan, NULL), SQLITE_OK);
        while (is_allowed && sqlite3_step(plan) == SQLITE_ROW) {
            (void)snprintf(step, sizeof(step), "%s", (const char *)sqlite3_column_text(plan, 3));
            is_allowed = is_scan_allowed(step);
        }
        (void)sqlite3_finalize(plan);
        sqlite3_free(sql);
        if (!is_allowed) {
            fail_msg("%s: %s", sqlite3_sql(each), step);
        }
    }
}

/* An index that the planner leaves aside would show here. */
static void no_statement_scans_a_table(void **state)
{
    struct harness *harness = *state;
    struct order_filter orders = {.has_status = false};
    struct reservation_filter reservations = {.has_status = false};
    struct page page = {.limit = 10};
    struct order **found;
    struct reservation_row *rows;
    size_t count;
    bool more;
    random_day(harness, 200);
    for (unsigned mask = 0; mask < 16; mask++) {
        orders = (struct order_filter){.has_status = (mask & 1) != 0,
                                       .status = (mask & 2) != 0 ? ORDER_PAID : ORDER_DRAFT,
                                       .customer_id = (mask & 4) != 0 ? TEXT_LITERAL("c-1") : TEXT_ABSENT,
                                       .sku = (mask & 8) != 0 ? TEXT_LITERAL("day-1") : TEXT_ABSENT};
        reservations = (struct reservation_filter){
            .has_status = (mask & 1) != 0, .status = (enum reservation_status)(mask >> 1 & 3) % 3, .sku = orders.sku};
        assert_ok(harness, harness->ops->read_orders(harness->reader, harness->read_arena, &orders, &page, &found,
                                                     &count, &more, &harness->fault));
        assert_ok(harness, harness->ops->read_reservations(harness->reader, harness->read_arena, &reservations, &page,
                                                           &rows, &count, &more, &harness->fault));
    }
    assert_plans(harness->store->writer.database);
    assert_plans(harness->reader->connection.database);
}

static void a_clock_that_was_ahead_is_known_by_the_newest_order_after_a_restart(void **state)
{
    struct harness *harness = *state;
    const int64_t ahead_ms = 3600000;
    (void)make_variant(harness, "a", 10);
    harness_now_ms += ahead_ms;
    (void)place_id(harness, "c", "a", 1);
    struct uuid waiting = enqueue_at(harness, "waiting", 5, 0);
    harness_now_ms -= ahead_ms;
    harness_reopen(harness);
    harness_set_clock_back(harness, 0);
    assert_int_equal(read_job(harness, waiting)->run_at_ms, harness_now_ms);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_STORE(one_process_serves_at_a_time),
        WITH_STORE(one_process_writes_at_a_time),
        WITH_STORE(files_of_others_are_left_alone),
        WITH_STORE(a_file_that_cannot_be_opened_says_why),
        WITH_STORE(a_file_with_two_names_is_refused_under_both),
        WITH_STORE(a_file_that_is_mounted_by_itself_is_refused),
        WITH_STORE(schemas_of_other_versions_are_refused),
        WITH_STORE(a_batch_of_refusals_writes_no_byte),
        WITH_STORE(a_full_disk_is_survived),
        WITH_STORE(a_full_database_is_survived),
        WITH_STORE(a_read_only_database_is_unavailable),
        WITH_STORE(a_read_only_file_is_refused_to_writers_only),
        WITH_STORE(a_read_has_a_time_limit),
        WITH_STORE(steady_reading_does_not_grow_the_log_for_ever),
        WITH_STORE(a_log_that_has_to_be_kept_is_kept_by_all),
        WITH_STORE(closing_leaves_one_file_and_its_lock),
        WITH_STORE(a_file_that_was_replaced_is_written_to_no_more),
        WITH_STORE(a_file_that_was_away_for_a_while_wants_a_new_start),
        WITH_STORE(old_idempotency_keys_are_forgotten),
        WITH_STORE(what_was_committed_survives_a_crash),
        WITH_STORE(a_clock_that_was_ahead_is_known_by_the_newest_order_after_a_restart),
        cmocka_unit_test(the_audit_finds_what_is_broken),
        WITH_STORE(no_statement_scans_a_table),
    };
    return cmocka_run_group_tests_name("sqlite files", tests, NULL, NULL);
}
