#ifndef HOLDFAST_DOMAIN_CLAIM_JOBS_H
#define HOLDFAST_DOMAIN_CLAIM_JOBS_H

/* A worker takes jobs, and says what became of them. */

#include "domain/outcome.h"

struct claim_jobs {
    size_t max;
    size_t reserve; /* of these at most so many are kept for queues of which the worker runs none */
    int64_t lease_ms;
    const struct text *held; /* names of those of which it does; the same may come again */
    size_t held_count;
};

enum job_result_kind {
    JOB_RESULT_DONE,
    JOB_RESULT_FAILED,    /* to be tried again in retry_in_ms, where an attempt is left */
    JOB_RESULT_HOPELESS,  /* dead, whatever attempts are left */
    JOB_RESULT_DROPPED,   /* cancelled: what it is about is not there any more */
    JOB_RESULT_GIVEN_BACK /* the attempt does not count: the worker stops, or lacks something; again in retry_in_ms */
};

/* What a delivery says of its endpoint. */
enum endpoint_health { ENDPOINT_UNTOUCHED, ENDPOINT_WORKS, ENDPOINT_FAILS, ENDPOINT_GONE };

struct job_result {
    struct uuid job_id;
    int64_t claim; /* as it was claimed */
    enum job_result_kind kind;
    enum endpoint_health health;
    struct text error; /* of all but DONE and GIVEN_BACK */
    int64_t retry_in_ms;
    int64_t hold_ms;         /* for so long the endpoint wants no other delivery either */
    struct text log;         /* lines to add; empty: none */
    struct uuid endpoint_id; /* where health is not ENDPOINT_UNTOUCHED */
};

struct finish_jobs {
    const struct job_result *results;
    size_t count;
};

/* A sign of life, with what there is to show so far. */
struct job_renewal {
    struct uuid job_id;
    int64_t claim;
    int64_t progress; /* percent, or JOB_PROGRESS_NONE: as it was */
    struct text log;  /* lines to add; empty: none */
};

struct renew_jobs {
    const struct job_renewal *renewals;
    size_t count;
    int64_t lease_ms;
};

/* For the store, between the heads and the jobs: claim_plan for what is wanted, after `taken_over` jobs of workers that
 * died. Queues of endpoints that want nothing now are closed. Sets facts->claim.next_ms and .more. */
void claim_share(struct facts *facts, const struct wanted *wanted, struct claim_head *heads, size_t count,
                 size_t taken_over);
/* OUTCOME_JOBS_CLAIMED: count says how many died with their lease, their attempts used up; jobs are those that are the worker's now (was_taken_over: from one whose lease ran out); next_ms
 * is when to ask again, and `more` that it is worth while at once. */
void claim_jobs_want(const struct claim_jobs *command, struct wanted *wanted);
void claim_jobs_decide(struct facts *facts, const struct claim_jobs *command, struct outcome *ret_outcome);
/* OUTCOME_JOBS_FINISHED and OUTCOME_JOBS_RENEWED: jobs[i].verdict is JOB_ACCEPTED, or JOB_FENCED where the job is not
 * the worker's any more and nothing was changed. A result that comes again is accepted again. */
void finish_jobs_want(const struct finish_jobs *command, struct wanted *wanted);
void finish_jobs_decide(struct facts *facts, const struct finish_jobs *command, struct outcome *ret_outcome);
void renew_jobs_want(const struct renew_jobs *command, struct wanted *wanted);
void renew_jobs_decide(struct facts *facts, const struct renew_jobs *command, struct outcome *ret_outcome);

#endif
