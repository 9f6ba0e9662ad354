#include "cli/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/text.h"
#include "cli/console.h"

#define HELP_COLUMN 30
#define NAME_BYTES_MAX 64

/* "max-hold" to "HOLDFAST_MAX_HOLD". */
static void environment_name(const struct option *option, char ret_name[NAME_BYTES_MAX])
{
    snprintf(ret_name, NAME_BYTES_MAX, "HOLDFAST_%s", option->name);
    for (char *at = ret_name; *at != '\0'; at++) {
        if (*at == '-') {
            *at = '_';
        } else if (*at >= 'a' && *at <= 'z') {
            *at = (char)(*at - 'a' + 'A');
        }
    }
}

/* `source` is how the person wrote it: "--max-hold" or "HOLDFAST_MAX_HOLD". */
static bool read_number(const struct option *option, const char *source, const char *value, int64_t *field)
{
    int64_t number;
    if (!text_to_int64(text_from_c(value), &number) || number < option->min || number > option->max) {
        console_error("%s takes a whole number from %lld to %lld, not '%s'", source, (long long)option->min,
                      (long long)option->max, value);
        return false;
    }
    *field = number;
    return true;
}

static bool read_share(const char *source, const char *value, double *field)
{
    char *end;
    double share = strtod(value, &end);
    if (!isdigit((unsigned char)*value) || *end != '\0' || !(share >= 0 && share <= 1)) {
        console_error("%s takes a share from 0 to 1, such as 0.7, not '%s'", source, value);
        return false;
    }
    *field = share;
    return true;
}

static bool read_flag(const char *source, const char *value, bool *field)
{
    static const char *const YES[] = {"1", "true", "yes", "on"};
    static const char *const NO[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < sizeof(YES) / sizeof(*YES); i++) {
        if (strcasecmp(value, YES[i]) == 0 || strcasecmp(value, NO[i]) == 0) {
            *field = strcasecmp(value, YES[i]) == 0;
            return true;
        }
    }
    console_error("%s takes true or false, not '%s'", source, value);
    return false;
}

static bool read_value(const struct option *option, const char *source, const char *value, void *settings)
{
    void *field = (char *)settings + option->offset;
    switch (option->type) {
    case OPTION_TEXT:
        if (*value == '\0') {
            console_error("%s is empty; it takes %s", source, option->placeholder);
            return false;
        }
        *(const char **)field = value;
        return true;
    case OPTION_NUMBER:
        return read_number(option, source, value, field);
    case OPTION_SHARE:
        return read_share(source, value, field);
    case OPTION_FLAG:
        return read_flag(source, value, field);
    }
    return false;
}

/* What the environment says, else the default: for every option that the command line left out. */
static bool read_unsaid(const struct option *option, void *settings)
{
    char name[NAME_BYTES_MAX];
    environment_name(option, name);
    const char *value = option->only_typed ? NULL : getenv(name);
    if (value != NULL && *value != '\0') {
        return read_value(option, name, value, settings);
    }
    if (option->default_value != NULL) {
        return read_value(option, option->name, option->default_value, settings);
    }
    if (option->required) {
        console_error("--%s %s is missing", option->name, option->placeholder);
        return false;
    }
    return true;
}

bool options_has_variable(const struct command_usage *usage, const char *name, size_t length)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        char known[NAME_BYTES_MAX];
        environment_name(&usage->options[i], known);
        if (!usage->options[i].only_typed && strlen(known) == length && memcmp(known, name, length) == 0) {
            return true;
        }
    }
    return false;
}

static void print_option(const struct option *option)
{
    char head[NAME_BYTES_MAX * 2];
    char environment[NAME_BYTES_MAX];
    snprintf(head, sizeof(head), "  --%s%s%s", option->name, option->placeholder != NULL ? " " : "",
             option->placeholder != NULL ? option->placeholder : "");
    printf("%-*s", HELP_COLUMN, head);
    if (strlen(head) >= HELP_COLUMN) {
        printf("\n%*s", HELP_COLUMN, "");
    }
    for (const char *line = option->help; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        printf("%*s%.*s\n", line == option->help ? 0 : HELP_COLUMN, "", (int)length, line);
        line += length + (line[length] == '\n');
    }
    if (option->only_typed) {
        return;
    }
    environment_name(option, environment);
    printf("%*s[%s%s%s]\n", HELP_COLUMN, "", environment, option->default_value != NULL ? ", default " : "",
           option->default_value != NULL ? option->default_value : (option->required ? ", required" : ""));
}

static void print_help(const struct command_usage *usage)
{
    printf("Usage: holdfast %s%s%s%s\n\n%s\n\nExamples:\n%s\n", usage->name, usage->operand_name != NULL ? " " : "",
           usage->operand_name != NULL ? usage->operand_name : "", usage->option_count > 0 ? " [options]" : "",
           usage->about, usage->examples);
    if (usage->option_count > 0) {
        printf("\nOptions (where a variable stands in brackets, it says the same):\n");
    }
    for (size_t i = 0; i < usage->option_count; i++) {
        print_option(&usage->options[i]);
    }
}

static const struct option *find_option(const struct command_usage *usage, const char *name, size_t length)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        if (strlen(usage->options[i].name) == length && memcmp(usage->options[i].name, name, length) == 0) {
            return &usage->options[i];
        }
    }
    return NULL;
}

/* Reads the option at arguments[*at] and steps over its value. */
static bool read_option(const struct command_usage *usage, int argument_count, char **arguments, int *at,
                        void *settings, bool *said)
{
    const char *argument = arguments[*at];
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const struct option *option = strncmp(argument, "--", 2) == 0 ? find_option(usage, name, length) : NULL;
    if (option == NULL) {
        console_error("there is no option %.*s", (int)strcspn(argument, "="), argument);
        return false;
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (value == NULL && option->type == OPTION_FLAG) {
        value = "true";
    } else if (value == NULL) {
        if (*at + 1 >= argument_count) {
            console_error("--%s wants a value: --%s %s", option->name, option->name, option->placeholder);
            return false;
        }
        value = arguments[++*at];
    }
    char source[NAME_BYTES_MAX];
    snprintf(source, sizeof(source), "--%s", option->name);
    said[option - usage->options] = true;
    return read_value(option, source, value, settings);
}

static bool operand_count_is_right(const struct command_usage *usage, size_t count, char **operands)
{
    if (count < usage->operands_min) {
        console_error("%s is missing", usage->operand_name);
        return false;
    }
    if (count > usage->operands_max) {
        console_error("'%s' is one argument too many", operands[usage->operands_max]);
        return false;
    }
    return true;
}

static bool read_everything(const struct command_usage *usage, int argument_count, char **arguments, void *settings,
                            bool *said, size_t *ret_operand_count)
{
    size_t operand_count = 0;
    bool only_operands = false;
    for (int at = 0; at < argument_count; at++) {
        if (!only_operands && strcmp(arguments[at], "--") == 0) {
            only_operands = true;
        } else if (only_operands || arguments[at][0] != '-' || arguments[at][1] == '\0') {
            arguments[operand_count++] = arguments[at];
        } else if (!read_option(usage, argument_count, arguments, &at, settings, said)) {
            return false;
        }
    }
    if (!operand_count_is_right(usage, operand_count, arguments)) {
        return false;
    }
    for (size_t i = 0; i < usage->option_count; i++) {
        if (!said[i] && !read_unsaid(&usage->options[i], settings)) {
            return false;
        }
    }
    *ret_operand_count = operand_count;
    return true;
}

static bool asks_for_help(int argument_count, char **arguments)
{
    for (int at = 0; at < argument_count && strcmp(arguments[at], "--") != 0; at++) {
        if (strcmp(arguments[at], "--help") == 0 || strcmp(arguments[at], "-h") == 0) {
            return true;
        }
    }
    return false;
}

bool options_read(const struct command_usage *usage, int argument_count, char **arguments, void *settings,
                  size_t *ret_operand_count, int *ret_exit)
{
    if (asks_for_help(argument_count, arguments)) {
        print_help(usage);
        *ret_exit = console_flush() ? EXIT_DONE : EXIT_FAILED;
        return false;
    }
    bool *said = memory_zalloc(usage->option_count + 1, sizeof(*said));
    bool is_read = read_everything(usage, argument_count, arguments, settings, said, ret_operand_count);
    free(said);
    if (!is_read) {
        fprintf(stderr, "Try: holdfast %s --help\n", usage->name);
        *ret_exit = EXIT_WRONG_USAGE;
    }
    return is_read;
}
