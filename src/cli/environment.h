#ifndef HOLDFAST_CLI_ENVIRONMENT_H
#define HOLDFAST_CLI_ENVIRONMENT_H

/* Variables in the environment that look like settings and are none: a name mistyped would be silently ignored. */

/* Logs a warning for each HOLDFAST_... that no command knows. Names only: a value may be a secret. */
void environment_warn(void);

#endif
