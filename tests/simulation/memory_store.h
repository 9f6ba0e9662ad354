#ifndef HOLDFAST_TESTS_SIMULATION_MEMORY_STORE_H
#define HOLDFAST_TESTS_SIMULATION_MEMORY_STORE_H

/* A store for simulations: plain C data in memory, which behaves as several servers do that share one PostgreSQL
 * database. All in one thread, and determined by its calls alone: no clock but options.unix_ms, no randomness.
 *
 * The location ("memory:NAME") names a database of this process. Every store that is opened with it shares it; it
 * outlives them all, as a database outlives its servers, until it is discarded. One that is not there yet is made where
 * options.create says so; migrate makes its tables.
 *
 * Each store has one batch at a time, and batches of several stores may overlap in any way. Nothing is waited for. What
 * PostgreSQL keeps others from by a lock is found out at the commit: where a row that a batch loaded to decide by
 * (orders, jobs, what it claims from) was changed by somebody else since, or an update's guard or a unique key says so,
 * the commit answers FAULT_CONFLICT. What PostgreSQL leaves out where somebody else has it in hand (due timeouts, jobs to
 * claim, queues with limits, notices; with wanted.skip_locked all orders and jobs) is left out here, too, as long as
 * another store's batch that loaded it is open. save only notes the facts; all checks and changes are commit's, which
 * does all or nothing. What other stores' watches want to know they are told before commit returns.
 *
 * close also ends a batch that is open, and so does for a server that was killed. FAULT_TIMEOUT, FAULT_UNAVAILABLE and
 * FAULT_OUTCOME_UNKNOWN never come by themselves: whoever wants them puts functions of its own before these. */

#include "store/store.h"

extern const struct store_ops MEMORY_STORE;

/* Takes the database away. No store has it open; where there is none, nothing happens. */
void memory_database_discard(const char *location);

#endif
