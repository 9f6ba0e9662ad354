#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cmocka_all.h"

struct settings {
    const char *name;
    int64_t count;
    double share;
    bool loud;
};

static const struct option OPTIONS[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, name),
     .placeholder = "NAME",
     .default_value = "nobody",
     .help = "a name\non two lines"},
    {.name = "max-count",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct settings, count),
     .placeholder = "N",
     .min = 1,
     .max = 10,
     .help = "a number"},
    {.name = "share",
     .type = OPTION_SHARE,
     .offset = offsetof(struct settings, share),
     .placeholder = "SHARE",
     .default_value = "0.5",
     .help = "a share"},
    {.name = "loud", .type = OPTION_FLAG, .offset = offsetof(struct settings, loud), .help = "a flag"},
};

static const struct command_usage USAGE = {
    .name = "test",
    .about = "About.",
    .examples = "  holdfast test",
    .options = OPTIONS,
    .option_count = sizeof(OPTIONS) / sizeof(*OPTIONS),
    .operands_max = 2,
    .operand_name = "FILE",
};

/* What a run of options_read did, its output silenced: only the meaning is tested here. */
struct result {
    bool ok;
    int exit_status;
    size_t operand_count;
    struct settings settings;
};

static char *arguments[8];

static struct result read_options(const struct command_usage *usage, const char *line)
{
    static char words[256];
    int count = 0;
    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        arguments[count++] = word;
    }
    int saved_out = dup(STDOUT_FILENO);
    int saved_error = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    struct result result = {.exit_status = -1, .settings = {.count = 7}};
    result.ok = options_read(usage, count, arguments, &result.settings, &result.operand_count, &result.exit_status);
    fflush(stdout);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_error, STDERR_FILENO);
    close(saved_out);
    close(saved_error);
    close(nowhere);
    return result;
}

static void assert_wrong(const char *line)
{
    struct result result = read_options(&USAGE, line);
    assert_false(result.ok);
    assert_int_equal(result.exit_status, EXIT_WRONG_USAGE);
}

static int forget_environment(void **state)
{
    (void)state;
    unsetenv("HOLDFAST_NAME");
    unsetenv("HOLDFAST_MAX_COUNT");
    unsetenv("HOLDFAST_SHARE");
    unsetenv("HOLDFAST_LOUD");
    return 0;
}

static void nothing_said_gives_the_defaults(void **state)
{
    (void)state;
    struct result result = read_options(&USAGE, "");
    assert_true(result.ok);
    assert_string_equal(result.settings.name, "nobody");
    assert_int_equal(result.settings.count, 7); /* no default: as it was */
    assert_true(result.settings.share == 0.5);
    assert_false(result.settings.loud);
}

static void values_come_behind_a_space_or_an_equals_sign(void **state)
{
    (void)state;
    struct result result = read_options(&USAGE, "--name=a=b --max-count 3 --share 1 --loud");
    assert_true(result.ok);
    assert_string_equal(result.settings.name, "a=b");
    assert_int_equal(result.settings.count, 3);
    assert_true(result.settings.share == 1);
    assert_true(result.settings.loud);
}

static void the_environment_speaks_where_the_command_line_is_silent(void **state)
{
    (void)state;
    setenv("HOLDFAST_NAME", "env", 1);
    setenv("HOLDFAST_MAX_COUNT", "9", 1);
    setenv("HOLDFAST_LOUD", "yes", 1);
    struct result result = read_options(&USAGE, "--name typed");
    assert_true(result.ok);
    assert_string_equal(result.settings.name, "typed");
    assert_int_equal(result.settings.count, 9);
    assert_true(result.settings.loud);
}

static void an_empty_variable_is_as_if_unset(void **state)
{
    (void)state;
    setenv("HOLDFAST_NAME", "", 1);
    assert_string_equal(read_options(&USAGE, "").settings.name, "nobody");
}

static void a_bad_variable_is_refused_like_a_bad_option(void **state)
{
    (void)state;
    setenv("HOLDFAST_MAX_COUNT", "11", 1);
    assert_wrong("");
}

static void a_flag_can_be_switched_off(void **state)
{
    (void)state;
    setenv("HOLDFAST_LOUD", "1", 1);
    assert_false(read_options(&USAGE, "--loud=false").settings.loud);
}

static void operands_are_moved_to_the_front(void **state)
{
    (void)state;
    struct result result = read_options(&USAGE, "--max-count 2 first --loud -- --second");
    assert_true(result.ok);
    assert_int_equal(result.operand_count, 2);
    assert_string_equal(arguments[0], "first");
    assert_string_equal(arguments[1], "--second");
}

static void what_cannot_be_meant_is_wrong_usage(void **state)
{
    (void)state;
    assert_wrong("--max-count 0");
    assert_wrong("--max-count 11");
    assert_wrong("--max-count 2.0");
    assert_wrong("--max-count");
    assert_wrong("--share 1.1");
    assert_wrong("--share -0.1");
    assert_wrong("--share nan");
    assert_wrong("--share 0.5x");
    assert_wrong("--loud=maybe");
    assert_wrong("--name=");
    assert_wrong("--nam x");
    assert_wrong("-n x");
    assert_wrong("one two three");
}

static void what_is_required_must_be_there(void **state)
{
    (void)state;
    static const struct option REQUIRED[] = {
        {.name = "name", .type = OPTION_TEXT, .placeholder = "NAME", .required = true, .help = "a name"},
    };
    const struct command_usage usage = {
        .name = "test",
        .about = "",
        .examples = "",
        .options = REQUIRED,
        .option_count = 1,
        .operands_min = 1,
        .operands_max = 1,
        .operand_name = "FILE",
    };
    assert_int_equal(read_options(&usage, "file").exit_status, EXIT_WRONG_USAGE);
    assert_int_equal(read_options(&usage, "--name x").exit_status, EXIT_WRONG_USAGE);
    assert_true(read_options(&usage, "file --name x").ok);
}

static void help_is_shown_whatever_else_is_said(void **state)
{
    (void)state;
    assert_int_equal(read_options(&USAGE, "--nonsense --help").exit_status, EXIT_DONE);
    assert_int_equal(read_options(&USAGE, "-h").exit_status, EXIT_DONE);
    assert_true(read_options(&USAGE, "-- --help").ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_said_gives_the_defaults, forget_environment),
        cmocka_unit_test_setup(values_come_behind_a_space_or_an_equals_sign, forget_environment),
        cmocka_unit_test_setup(the_environment_speaks_where_the_command_line_is_silent, forget_environment),
        cmocka_unit_test_setup(an_empty_variable_is_as_if_unset, forget_environment),
        cmocka_unit_test_setup(a_bad_variable_is_refused_like_a_bad_option, forget_environment),
        cmocka_unit_test_setup(a_flag_can_be_switched_off, forget_environment),
        cmocka_unit_test_setup(operands_are_moved_to_the_front, forget_environment),
        cmocka_unit_test_setup(what_cannot_be_meant_is_wrong_usage, forget_environment),
        cmocka_unit_test_setup(what_is_required_must_be_there, forget_environment),
        cmocka_unit_test_setup(help_is_shown_whatever_else_is_said, forget_environment),
    };
    return cmocka_run_group_tests_name("cli_options", tests, NULL, NULL);
}
