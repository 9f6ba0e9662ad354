#ifndef HOLDFAST_DOMAIN_SCHEDULE_JOBS_H
#define HOLDFAST_DOMAIN_SCHEDULE_JOBS_H

/* Periodic jobs: declared by each server as it starts, and fired, once, when they are due. */

#include "domain/outcome.h"

struct declare_schedule {
    const struct job_schedule *schedule; /* next_run_at_ms: where it is new, or anything else of it changed */
};

struct fire_schedule {
    struct text name;
    int64_t due_ms;  /* as it was known: when it is another by now, somebody else fired it */
    int64_t next_ms; /* and the time after; INT64_MAX: never again */
};

/* OUTCOME_SCHEDULE_KNOWN: next_ms is when it is due. */
void declare_schedule_want(const struct declare_schedule *command, struct wanted *wanted);
void declare_schedule_decide(struct facts *facts, const struct declare_schedule *command, struct outcome *ret_outcome);
void fire_schedule_want(const struct fire_schedule *command, struct wanted *wanted);
void fire_schedule_decide(struct facts *facts, const struct fire_schedule *command, struct outcome *ret_outcome);

#endif
