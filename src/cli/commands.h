#ifndef HOLDFAST_CLI_COMMANDS_H
#define HOLDFAST_CLI_COMMANDS_H

/* The commands, one file each. `arguments` start behind the command's name and are modified; each returns the exit
 * status. */

#include "cli/options.h"

int command_serve(int argument_count, char **arguments);
int command_work(int argument_count, char **arguments);
int command_migrate(int argument_count, char **arguments);
int command_import(int argument_count, char **arguments);
int command_audit(int argument_count, char **arguments);
int command_rush(int argument_count, char **arguments);
int command_jobs(int argument_count, char **arguments);
int command_keys(int argument_count, char **arguments);
int command_version(int argument_count, char **arguments);

/* Those with options that others do not have: environment.c tells by them which variables are settings. */
extern const struct command_usage SERVE_USAGE;
extern const struct command_usage WORK_USAGE;
extern const struct command_usage IMPORT_USAGE;
extern const struct command_usage JOBS_LIST_USAGE;
extern const struct command_usage KEYS_CREATE_USAGE;
extern const struct command_usage AUDIT_USAGE;
extern const struct command_usage RUSH_USAGE;

#endif
