/* The deferred index against a model that keeps every row: whatever was written out, rolled back, cut off half-way or
 * read again after a restart, a search finds the rows of its key, newest first, each once. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "store/sqlite/deferred_index.h"

#define KEYS 7
#define ROWS_MAX 4000
#define GENERATION 50

static uint64_t key_of_number(const struct deferred_index *index, sqlite3_stmt *statement, int column)
{
    (void)index;
    return deferred_index_number_key(column_int64(statement, column));
}

static const struct deferred_index_definition DEFINITION = {
    .name = "by_key",
    .tail_sql = "SELECT row_no, key FROM things WHERE row_no > ?1 ORDER BY row_no",
    .insert_sql = "INSERT INTO by_key (segment, key, row_no) SELECT c0, c1, c2 FROM new_rows WHERE true "
                  "ON CONFLICT DO NOTHING",
    .first_sql = "SELECT min(segment) FROM by_key",
    .find_sql = "SELECT row_no FROM by_key WHERE segment = ?1 AND key = ?2 AND row_no < ?3 ORDER BY row_no DESC",
    .key_of_column = key_of_number,
};

static const char INSERT_THING[] = "INSERT INTO things (row_no, key) VALUES (?1, ?2)";

struct bench {
    char path[64];
    struct connection connection;
    struct deferred_index *index;
    struct arena *arena;
    struct fault fault;
    int64_t keys[ROWS_MAX + 1]; /* the model: the key of each row that was committed */
    int64_t last_row;
};

static void check(struct bench *bench, bool ok)
{
    if (!ok) {
        fail_msg("%s", bench->fault.detail);
    }
}

static void open_index(struct bench *bench)
{
    check(bench,
          connection_open(bench->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &bench->connection, &bench->fault));
    check(bench, connection_run_script(
                     &bench->connection,
                     "CREATE TABLE IF NOT EXISTS things (row_no INTEGER PRIMARY KEY, key INTEGER);"
                     "CREATE TABLE IF NOT EXISTS by_key (segment INTEGER, key INTEGER, row_no INTEGER,"
                     " PRIMARY KEY (segment, key, row_no)) WITHOUT ROWID;"
                     "CREATE TABLE IF NOT EXISTS deferred_indexes (name TEXT, covered_to INTEGER, seed INTEGER);"
                     "INSERT INTO deferred_indexes SELECT 'by_key', 0, 7 WHERE NOT EXISTS"
                     " (SELECT 1 FROM deferred_indexes);",
                     &bench->fault));
    check(bench, deferred_index_open(&DEFINITION, &bench->connection, GENERATION, &bench->index, &bench->fault));
}

static void close_index(struct bench *bench)
{
    deferred_index_close(bench->index);
    connection_close(&bench->connection);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    (void)snprintf(bench->path, sizeof(bench->path), "/tmp/holdfast-index-XXXXXX");
    int file = mkstemp(bench->path);
    assert_true(file >= 0);
    (void)close(file);
    bench->arena = arena_new(4096);
    open_index(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    close_index(bench);
    (void)unlink(bench->path);
    arena_free(bench->arena);
    free(bench);
    return 0;
}

/* A transaction that adds `count` rows, most of them of one hot key, and then ends one way or the other. */
static void add_rows(struct bench *bench, size_t count, bool commit)
{
    struct fault *fault = &bench->fault;
    check(bench, connection_run(&bench->connection, "BEGIN IMMEDIATE", fault));
    for (size_t i = 0; i < count; i++) {
        int64_t row = bench->last_row + 1 + (int64_t)i;
        int64_t key = random() % 2 == 0 ? 1 : random() % KEYS;
        sqlite3_stmt *statement;
        check(bench, connection_prepare(&bench->connection, INSERT_THING, &statement, fault));
        bind_int64(statement, 1, row);
        bind_int64(statement, 2, key);
        check(bench, statement_run(statement, fault));
        deferred_index_add(bench->index, deferred_index_number_key(key), row);
        bench->keys[row] = key;
    }
    check(bench, deferred_index_fold(bench->index, &bench->connection, fault));
    check(bench, connection_run(&bench->connection, commit ? "COMMIT" : "ROLLBACK", fault));
    if (commit) {
        deferred_index_committed(bench->index);
        bench->last_row += (int64_t)count;
    } else {
        deferred_index_rolled_back(bench->index);
    }
}

static void assert_found(struct bench *bench, int64_t key, int64_t below)
{
    struct posting_search search;
    int64_t row;
    posting_search_begin(bench->index, deferred_index_number_key(key), bench->arena, &search);
    posting_search_limit(&search, below);
    for (int64_t expected = below - 1; expected > 0; expected--) {
        if (expected > bench->last_row || bench->keys[expected] != key) {
            continue;
        }
        check(bench, posting_search_next(&search, &bench->connection, &row, &bench->fault));
        assert_int_equal(row, expected);
    }
    check(bench, posting_search_next(&search, &bench->connection, &row, &bench->fault));
    assert_int_equal(row, 0);
    posting_search_end(&search);
    arena_clear(bench->arena);
}

static void assert_all_found(struct bench *bench)
{
    for (int64_t key = 0; key <= KEYS; key++) {
        assert_found(bench, key, bench->last_row + 1);
        assert_found(bench, key, 1 + random() % (bench->last_row + 1));
    }
}

static int64_t read_number(struct bench *bench, const char *sql)
{
    int64_t value;
    check(bench, connection_read_int64(&bench->connection, sql, 0, &value, &bench->fault));
    return value;
}

static void a_search_finds_every_row_of_its_key_through_generations_rollbacks_and_restarts(void **state)
{
    struct bench *bench = *state;
    srandom(20261123);
    while (bench->last_row < ROWS_MAX - 100) {
        add_rows(bench, (size_t)(random() % 60), random() % 5 != 0);
        if (random() % 10 == 0) {
            close_index(bench);
            open_index(bench);
        }
        assert_all_found(bench);
    }
    assert_true(read_number(bench, "SELECT covered_to FROM deferred_indexes") > ROWS_MAX / 2);
}

static void a_generation_that_was_half_written_when_the_process_ended_is_written_again(void **state)
{
    struct bench *bench = *state;
    add_rows(bench, 3 * GENERATION, true); /* becomes the generation that is written out from now on */
    add_rows(bench, 1, true);              /* a part of it */
    assert_true(read_number(bench, "SELECT count(*) FROM by_key") > 0);
    assert_int_equal(read_number(bench, "SELECT covered_to FROM deferred_indexes"), 0);
    close_index(bench);
    open_index(bench);
    assert_all_found(bench);
    while (read_number(bench, "SELECT covered_to FROM deferred_indexes") == 0) {
        add_rows(bench, 20, true);
    }
    assert_all_found(bench);
    assert_int_equal(read_number(bench, "SELECT count(*) FROM by_key, deferred_indexes WHERE row_no <= covered_to"),
                     read_number(bench, "SELECT covered_to FROM deferred_indexes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_search_finds_every_row_of_its_key_through_generations_rollbacks_and_restarts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_generation_that_was_half_written_when_the_process_ended_is_written_again,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
