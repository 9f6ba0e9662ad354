#ifndef HOLDFAST_DOMAIN_JOB_SCHEDULE_H
#define HOLDFAST_DOMAIN_JOB_SCHEDULE_H

/* Periodic jobs: when the next one is due is a row, and whoever first moves it on queues the job with it, so that it is
 * queued once whatever the number of servers. The times themselves are worked out by whoever asks (cron expressions
 * need the world's time zones). */

#include <stdint.h>

#include "base/text.h"

struct job_schedule {
    struct text name;
    struct text queue;
    struct text kind;
    struct text cron;
    struct text time_zone;
    int64_t next_run_at_ms; /* INT64_MAX: never again */

    int64_t version;
    int64_t loaded_version; /* 0: new */
};

#endif
