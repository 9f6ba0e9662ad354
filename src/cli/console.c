#include "cli/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *command_name = "";

void console_set_command(const char *name)
{
    command_name = name;
}

void console_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "holdfast%s%s: ", *command_name != '\0' ? " " : "", command_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

int console_fault(const struct fault *fault)
{
    console_error("%s", fault->detail);
    return EXIT_FAILED;
}

bool console_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return true;
    }
    console_error("cannot write to standard output: %s", strerror(errno));
    return false;
}

bool console_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}
