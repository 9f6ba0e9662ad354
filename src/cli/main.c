#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/console.h"

struct command_entry {
    const char *name;
    const char *summary;
    int (*run)(int argument_count, char **arguments);
};

static int show_help(int argument_count, char **arguments);

static const struct command_entry COMMANDS[] = {
    {"serve", "take orders over HTTP", command_serve},
    {"work", "run jobs only, beside servers", command_work},
    {"import", "bring a catalogue in from a CSV file or another database", command_import},
    {"jobs", "see, retry, cancel and pause background jobs", command_jobs},
    {"keys", "create, list and revoke API keys", command_keys},
    {"migrate", "bring a database to this program's schema", command_migrate},
    {"audit", "check every invariant over a whole database", command_audit},
    {"rush", "drive a running server with many customers at once", command_rush},
    {"version", "say which version this is, and of what it is made", command_version},
    {"help", "this page, or a command's: holdfast help serve", show_help},
};
#define COMMAND_COUNT (sizeof(COMMANDS) / sizeof(*COMMANDS))

static void print_overview(FILE *out)
{
    fputs("Holdfast takes orders for stock that can run out, and never sells one unit twice.\n\n"
          "Usage: holdfast COMMAND [options]\n\nCommands:\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-10s%s\n", COMMANDS[i].name, COMMANDS[i].summary);
    }
    fputs("\nFirst steps:\n"
          "  holdfast import catalogue.csv     fill holdfast.db with products\n"
          "  holdfast serve                    sell them on http://127.0.0.1:8080\n"
          "  holdfast rush                     a hundred customers for fifty units, to see it hold\n\n"
          "Each command explains itself: holdfast serve --help\n"
          "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
          out);
}

static int run_command(const char *name, int argument_count, char **arguments)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            console_set_command(name);
            return COMMANDS[i].run(argument_count, arguments);
        }
    }
    console_set_command("");
    console_error("there is no command '%s'. Try: holdfast help", name);
    return EXIT_WRONG_USAGE;
}

static int show_help(int argument_count, char **arguments)
{
    static char help_option[] = "--help";
    if (argument_count > 0 && strcmp(arguments[0], "help") != 0 && strcmp(arguments[0], "--help") != 0) {
        char *help_arguments[] = {help_option, NULL};
        return run_command(arguments[0], 1, help_arguments);
    }
    print_overview(stdout);
    return console_flush() ? EXIT_DONE : EXIT_FAILED;
}

/* Where one of these was closed, the next file would get its number, and what is said on standard error would go into
 * the database, or into a pipe of this process's own. Writing to it fails, as it would have. */
static bool hold_standard_files(void)
{
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) {
        if (fcntl(file, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != file) {
            return false;
        }
    }
    return true;
}

int main(int argument_count, char **arguments)
{
    if (!hold_standard_files()) {
        console_error("standard input, output or error is closed, and /dev/null cannot be opened: %s", strerror(errno));
        return EXIT_FAILED;
    }
    /* A file that may not grow is a full disk, which is answered, and not the end of the process. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, NULL);
    /* The database has customers in it, and is not for everybody's eyes; for still fewer, where it was said so. */
    umask(umask(S_IRWXO) | S_IRWXO | S_IWGRP);
    if (argument_count < 2) {
        print_overview(stderr);
        return EXIT_WRONG_USAGE;
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    } else if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    return run_command(name, argument_count - 2, arguments + 2);
}
