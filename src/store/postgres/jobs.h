#ifndef HOLDFAST_STORE_POSTGRES_JOBS_H
#define HOLDFAST_STORE_POSTGRES_JOBS_H

/* Jobs, queues, schedules and endpoints: their part of a batch, and their reads. */

#include "store/postgres/postgres_internal.h"

/* job_rows.c: from rows to the domain's structures. */
#define JOB_COLUMNS                                                                                          \
    "j.job_id, j.queue, j.kind, j.key, j.payload, j.event_sequence, j.state, j.run_at, j.priority::bigint, " \
    "j.attempt::bigint, j.max_attempts::bigint, j.claim, j.lease_until, j.progress::bigint, j.last_error, "  \
    "j.created_at, j.started_at, j.finished_at, "
#define WITH_LOG "j.log"
#define WITHOUT_LOG "NULL::text"
MUST_USE bool job_from_row(const PGresult *jobs, int row, struct arena *arena, struct job **ret_job,
                           struct fault *fault);
#define QUEUE_COLUMNS                                                                                       \
    "q.name, q.paused, q.concurrency::bigint, q.rate_max::bigint, q.rate_period_ms::bigint, q.rate_begin, " \
    "q.rate_count::bigint, q.version"
#define QUEUE_COLUMN_COUNT 8
void queue_from_row(const PGresult *queues, int row, struct arena *arena, struct job_queue *ret_queue);
#define SCHEDULE_COLUMNS "s.name, s.queue, s.kind, s.cron, s.time_zone, s.next_run_at, s.version"
struct job_schedule *schedule_from_row(const PGresult *schedules, int row, struct arena *arena);
extern const struct statement SELECT_ENDPOINTS; /* all, oldest first */
MUST_USE bool endpoint_from_row(const PGresult *endpoints, int row, struct arena *arena,
                                struct webhook_endpoint **ret_endpoint, struct fault *fault);
/* A job is one struct, however often it is found. */
struct job *put_job(struct facts *facts, struct job *job);

/* jobs_load.c: what goes with a batch's first exchange. */
struct jobs_load {
    size_t endpoints;
    size_t jobs;
    size_t found;
    size_t same_keys;
    size_t queues;
    size_t schedules;
    size_t old;
    size_t old_events;
    size_t near;
};
/* Ahead of stock: whoever waits for a job's lock must not have any that a batch takes as it saves. */
void jobs_queue_locks(struct store *store, const struct wanted *wanted, const struct facts *facts,
                      struct jobs_load *ret_load);
void jobs_queue_load(struct store *store, const struct wanted *wanted, const struct facts *facts,
                     struct jobs_load *load);
MUST_USE bool jobs_take_load(struct store *store, const struct wanted *wanted, struct facts *facts,
                             const struct jobs_load *load, struct fault *fault);

/* jobs_claim.c: what may be claimed, in exchanges of its own. */
MUST_USE bool jobs_load_claim(struct store *store, const struct wanted *wanted, struct facts *facts,
                              struct fault *fault);

/* job_heads.c: where the next scheduled job of each queue and priority is, as far as it is known. Jobs that were claimed
 * since the oldest snapshot of the database was taken (a backup, a session that was forgotten) leave index entries that
 * every look from the front would have to walk over. */
#define HEADS_MAX 512
struct known_head {
    char queue[JOB_NAME_BYTES_MAX + 1];
    int64_t priority;
    int64_t from_ms;      /* none is scheduled before */
    int64_t free_from_ms; /* and those before are in somebody's hand, as it was last looked; 0: all are looked at */
    bool is_found;        /* by the last look */
};
struct head_memory {
    struct known_head items[HEADS_MAX];
    size_t count;
    int64_t leases_from_ms; /* none runs whose lease ends before */
    int64_t full_look_us;   /* when to look without all that, on the monotonic clock */
};
/* NULL: there is no room for another. */
struct known_head *job_heads_get(struct head_memory *memory, struct text queue, int64_t priority);
void job_heads_begin(struct head_memory *memory); /* a look; then each head that it found; then its end */
void job_heads_note_found(struct head_memory *memory, const struct claim_head *head, int64_t now_ms);
void job_heads_end(struct head_memory *memory, bool is_full, int64_t now_ms);
void job_heads_note_cost(struct head_memory *memory, int64_t took_us); /* of looks: how soon to look from the front */
/* A job that a batch schedules. */
void job_heads_note_scheduled(struct head_memory *memory, const struct job *job);

/* jobs_save.c: deliveries come behind the events, which have their numbers then. */
void jobs_queue_save(struct store *store, struct facts *facts);
void jobs_queue_deliveries(struct store *store, const struct facts *facts);

/* read_jobs.c */
bool postgres_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                        const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                        struct fault *fault);
bool postgres_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                       struct fault *fault);
bool postgres_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                          struct queue_row **ret_rows, size_t *ret_count, struct fault *fault);
bool postgres_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                             size_t *ret_count, struct fault *fault);
bool postgres_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                             size_t *ret_count, struct fault *fault);

/* watch.c */
#define JOBS_CHANNEL "'holdfast_jobs_' || hashtext(current_schema())"
bool postgres_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                          struct watch **ret_watch, struct fault *fault);
void postgres_watch_stop(struct watch *watch);

#endif
