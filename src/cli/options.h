#ifndef HOLDFAST_CLI_OPTIONS_H
#define HOLDFAST_CLI_OPTIONS_H

/* Command-line options from one table a command: --name VALUE or --name=VALUE, else HOLDFAST_NAME in the environment
 * (dashes become underscores), else the default. The same table prints the help. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

enum option_type {
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* int64_t, within min and max */
    OPTION_SHARE,  /* double, 0 to 1 */
    OPTION_FLAG    /* bool; in the environment 1 or 0, true or false, yes or no */
};

struct option {
    const char *name;
    const char *placeholder;   /* what stands for the value in the help: "PATH" */
    const char *default_value; /* as a person would type it; NULL: none, and the field stays as it was */
    const char *help;          /* lines broken by hand, to fit behind the names */
    size_t offset;             /* of the field in the command's settings */
    int64_t min;
    int64_t max;
    enum option_type type;
    bool required;
    bool only_typed; /* not from the environment, where another command may mean something else by the name */
};

struct command_usage {
    const char *name;     /* "import", "keys create" */
    const char *about;    /* what it does, in a few lines */
    const char *examples; /* what to type, each with what comes of it */
    const struct option *options;
    size_t option_count;
    size_t operands_min;
    size_t operands_max;
    const char *operand_name; /* "FILE.csv"; NULL where there are none */
};

/* Fills *settings and moves the operands to the front of `arguments` (which start behind the command's name). False:
 * help was shown or a message said what is wrong, and the command ends with *ret_exit. */
MUST_USE bool options_read(const struct command_usage *usage, int argument_count, char **arguments, void *settings,
                           size_t *ret_operand_count, int *ret_exit);
/* Is it the environment's name of one of the command's options? */
MUST_USE bool options_has_variable(const struct command_usage *usage, const char *name, size_t length);

#endif
