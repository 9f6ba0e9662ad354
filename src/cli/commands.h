#ifndef HOLDFAST_CLI_COMMANDS_H
#define HOLDFAST_CLI_COMMANDS_H

/* The commands, one file each. `arguments` start behind the command's name and are modified; each returns the exit
 * status. */

int command_serve(int argument_count, char **arguments);
int command_work(int argument_count, char **arguments);
int command_migrate(int argument_count, char **arguments);
int command_import(int argument_count, char **arguments);
int command_audit(int argument_count, char **arguments);
int command_rush(int argument_count, char **arguments);
int command_jobs(int argument_count, char **arguments);
int command_keys(int argument_count, char **arguments);
int command_version(int argument_count, char **arguments);

#endif
