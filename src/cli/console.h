#ifndef HOLDFAST_CLI_CONSOLE_H
#define HOLDFAST_CLI_CONSOLE_H

/* What a command says to the person who typed it. Results go to standard output, everything else to standard error. */

#include <stdbool.h>

#include "base/attributes.h"
#include "base/fault.h"

/* The exit statuses, for every command alike. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_WRONG_USAGE = 2 };

/* "holdfast import: ..." on standard error. The command's name is set once, by main. */
void console_set_command(const char *name);
void console_error(const char *format, ...) PRINTF_LIKE(1, 2);
/* The fault's sentence; returns EXIT_FAILED. */
int console_fault(const struct fault *fault);
/* Flushes standard output: false, with a message, where what was printed did not arrive (a full disk, a closed pipe). */
MUST_USE bool console_flush(void);
bool console_is_terminal(void); /* standard error is one: a person may be watching */

#endif
