#ifndef HOLDFAST_CLI_JOB_TABLE_H
#define HOLDFAST_CLI_JOB_TABLE_H

/* Jobs and queues as a person reads them, on standard output. Control characters, which an error's text may have from
 * whoever was called, do not reach the terminal. */

#include <stddef.h>

#include "store/store.h"

/* Columns, one job a line. */
void job_table_print(struct job *const *jobs, size_t count);
/* All fields, one a line, and the log's lines behind them. */
void job_table_print_one(const struct job *job);
void job_table_print_queues(const struct queue_row *rows, size_t count);

#endif
