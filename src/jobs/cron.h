#ifndef HOLDFAST_JOBS_CRON_H
#define HOLDFAST_JOBS_CRON_H

/* Cron expressions, by the clock on the wall of a time zone.
 *
 *   minute  hour  day of month  month    day of week
 *   0-59    0-23  1-31          1-12     0-7 (0 and 7 are Sunday)
 *                               JAN-DEC  SUN-SAT
 *
 * A field is a list ("1,15") of numbers, ranges ("9-17"), "*", and steps of these two ("0-30/10"). Names in either case.
 * Or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually. As in crontab(5): where neither of
 * the two day fields begins with "*", a day counts that either of them names, else one that both name.
 *
 * When the clock is changed:
 *
 *   - Where the hours are limited ("30 2 * * *"), times on the wall count. One that the clock skips runs at the first
 *     moment after the gap, together with the others that it skips; one that it shows twice runs the first time.
 *   - Where every hour counts ("0 * * * *", "* * * * *"), the job runs whenever the clock shows such a time: also during
 *     the hour that is shown twice, and with nothing to make up for one that is skipped. It so keeps its pace. */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define CRON_EXPRESSION_BYTES_MAX 256
#define CRON_TIME_ZONE_BYTES_MAX 64

struct cron;

/* Made for whoever wrote the expression: which field is wrong, and in what. */
struct cron_error {
    bool is_in_time_zone; /* else in the expression */
    char detail[160];     /* "minute: 75 is not within 0 to 59"; ASCII */
};

/* `time_zone` is an IANA name ("Europe/Berlin", "UTC"), which the system's tzdata has to know. *error is filled on failure
 * only. Immutable afterwards: threads may share it. */
MUST_USE bool cron_parse(struct text expression, struct text time_zone, struct cron **ret_cron,
                         struct cron_error *error);
/* The first time strictly after, in Unix milliseconds (a whole minute of the zone, but where a gap ends otherwise).
 * There always is one: cron_parse refuses what never comes, as 30 February. */
int64_t cron_next(const struct cron *cron, int64_t after_unix_ms);
void cron_free(struct cron *cron); /* takes NULL */

#endif
