#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"

#include "base/log.h"

/* Standard error, turned into a pipe for the length of a test. */
static int saved_stderr;
static int read_end;
static char captured[65536];

static int capture_begin(void **state)
{
    (void)state;
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    saved_stderr = dup(STDERR_FILENO);
    read_end = ends[0];
    int duplicated = dup2(ends[1], STDERR_FILENO);
    (void)close(ends[1]);
    log_set_level(LOG_INFO);
    return saved_stderr < 0 || duplicated < 0 ? -1 : 0;
}

static const char *capture_read(void)
{
    (void)dup2(saved_stderr, STDERR_FILENO); /* closes the pipe's last write end */
    size_t length = 0;
    ssize_t got;
    while ((got = read(read_end, captured + length, sizeof(captured) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    captured[length] = '\0';
    return captured;
}

static int capture_end(void **state)
{
    (void)state;
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    (void)close(read_end);
    return 0;
}

static void a_line_is_one_json_object(void **state)
{
    (void)state;
    struct log_line line;
    log_begin(&line, LOG_WARN, "stock_low");
    json_int64_field(&line.writer, "left", 3);
    json_c_field(&line.writer, "sku", "tee\n\"m\"");
    log_end(&line);
    const char *output = capture_read();
    assert_memory_equal(output, "{\"time\":\"20", 11);
    assert_non_null(strstr(output, "Z\",\"level\":\"warn\",\"event\":\"stock_low\",\"left\":3,"
                                   "\"sku\":\"tee\\n\\\"m\\\"\"}\n"));
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static const char *next_line(const char **text)
{
    static char line[8192];
    const char *end = strchr(*text, '\n');
    assert_non_null(end);
    (void)snprintf(line, sizeof(line), "%.*s", (int)(end - *text), *text);
    *text = end + 1;
    return line;
}

/* For the rest of the process: it is the last test. */
static void nobody_waits_for_a_reader_that_has_stalled(void **state)
{
    (void)state;
    char message[4096]; /* with the rest of its line more than is written in one piece */
    int64_t said = 0;
    memset(message, 'x', sizeof(message));
    message[sizeof(message) - 1] = '\0';
    log_drop_when_stalled();
    for (int i = 0; i < 500; i++) {
        log_message(LOG_INFO, "said", "%s", message); /* a pipe holds 64 KiB */
    }
    int64_t dropped = log_dropped_lines();
    assert_in_range(dropped, 400, 499);

    char *text = captured;
    ssize_t got = read(read_end, text, sizeof(captured) - 1);
    assert_true(got > 0);
    log_message(LOG_INFO, "said", "it reads again");
    assert_int_equal(log_dropped_lines(), dropped);
    static char rest[sizeof(captured)];
    memcpy(rest, captured, (size_t)got);
    const char *end = capture_read();
    (void)snprintf(rest + got, sizeof(rest) - (size_t)got, "%s", end);

    const char *at = rest;
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "\"event\":\"log_lines_dropped\",\"count\":%d}", (int)dropped);
    bool is_told = false;
    while (*at != '\0') {
        const char *line = next_line(&at);
        assert_memory_equal(line, "{\"time\"", 7); /* also behind one of which the end was dropped */
        is_told = is_told || strstr(line, expected) != NULL;
        said += strstr(line, "\"said\"") != NULL && line[strlen(line) - 1] == '}';
    }
    assert_true(is_told);
    assert_int_equal(said, 500 - dropped + 1);
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_message(LOG_DEBUG, "quiet", "nobody hears");
    struct log_line line;
    log_begin(&line, LOG_DEBUG, "quiet");
    json_int64_field(&line.writer, "left", 3);
    log_end(&line);
    log_set_level(LOG_DEBUG);
    log_message(LOG_DEBUG, "heard", "said %s", "aloud");
    const char *output = capture_read();
    assert_null(strstr(output, "quiet"));
    assert_non_null(strstr(output, "\"event\":\"heard\",\"message\":\"said aloud\"}\n"));
}

static void a_line_too_long_keeps_its_head_and_stays_json(void **state)
{
    (void)state;
    struct log_line line;
    log_begin(&line, LOG_ERROR, "huge");
    for (int i = 0; i < 2000; i++) {
        json_c_field(&line.writer, "field", "value");
    }
    log_end(&line);
    const char *output = capture_read();
    assert_true(strlen(output) < 200);
    assert_non_null(strstr(output, "\"event\":\"huge\",\"truncated\":true}\n"));
}

static void a_message_in_foreign_bytes_stays_utf8(void **state)
{
    (void)state;
    log_message(LOG_INFO, "odd", "bad \xff\xc3 byte");
    assert_non_null(strstr(capture_read(), "\"message\":\"bad ?? byte\"}\n"));
}

static void level_names_are_parsed(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("warn", &level));
    assert_int_equal(level, LOG_WARN);
    assert_false(log_level_parse("WARN", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_one_json_object, capture_begin, capture_end),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written, capture_begin, capture_end),
        cmocka_unit_test_setup_teardown(a_line_too_long_keeps_its_head_and_stays_json, capture_begin, capture_end),
        cmocka_unit_test_setup_teardown(a_message_in_foreign_bytes_stays_utf8, capture_begin, capture_end),
        cmocka_unit_test(level_names_are_parsed),
        cmocka_unit_test_setup_teardown(nobody_waits_for_a_reader_that_has_stalled, capture_begin, capture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
