#include <assert.h>
#include <string.h>

#include "store/postgres/jobs.h"
#include "store/postgres/values.h"

#define NOT_SENT SIZE_MAX
#define NEAR_HORIZON_MS 1000    /* deadlines that will be near so soon are looked at, too */
#define FINISHED_SLACK_MS 15000 /* a job's commit may take so long to be seen */
#define NOTICED_SLACK_MS 10000  /* an order's commit may take so long to be seen */

/* $1 ids; $2, $3 kinds and keys: all of them in one order. */
#define WANTED_JOBS                                                                                            \
    "jobs j WHERE j.job_id = ANY ($1::uuid[] || ARRAY(SELECT f.job_id FROM unnest($2::text[], $3::text[]) "    \
    "AS w(kind, key), LATERAL (SELECT k.job_id FROM jobs k WHERE k.state = 'scheduled' AND k.key IS NOT NULL " \
    "AND k.kind = w.kind AND k.key = w.key LIMIT 1) f))"
static const struct statement LOCK_JOBS = {"lock_jobs", "SELECT " JOB_COLUMNS WITH_LOG " FROM " WANTED_JOBS
                                                        " ORDER BY j.job_id FOR UPDATE"};
static const struct statement LOCK_FREE_JOBS = {"lock_free_jobs", "SELECT " JOB_COLUMNS WITH_LOG " FROM " WANTED_JOBS
                                                                  " ORDER BY j.job_id FOR UPDATE SKIP LOCKED"};
static const struct statement FIND_JOBS = {"find_jobs",
                                           "SELECT j.job_id, j.kind, j.key, j.state = 'scheduled' FROM " WANTED_JOBS};
/* What is scheduled under the keys of those that are not. */
static const struct statement JOBS_OF_SAME_KEYS = {
    "jobs_of_same_keys", "SELECT " JOB_COLUMNS WITH_LOG " FROM (SELECT kind, key FROM jobs "
                         "WHERE job_id = ANY ($1::uuid[]) AND key IS NOT NULL AND state <> 'scheduled') w, "
                         "LATERAL (SELECT * FROM jobs k WHERE k.state = 'scheduled' AND k.key IS NOT NULL "
                         "AND k.kind = w.kind AND k.key = w.key LIMIT 1) j"};
static const struct statement SELECT_QUEUES = {
    "queues_by_name", "SELECT " QUEUE_COLUMNS ", w.name, q.name IS NOT NULL OR "
                      "EXISTS (SELECT FROM jobs j WHERE j.state = 'scheduled' AND j.queue = w.name) OR "
                      "EXISTS (SELECT FROM jobs j WHERE j.state = 'running' AND j.queue = w.name) "
                      "FROM unnest($1::text[]) AS w(name) LEFT JOIN LATERAL "
                      "(SELECT * FROM job_queues k WHERE k.name = w.name LIMIT 1) q ON true"};
static const struct statement SELECT_SCHEDULES = {
    "schedules_by_name", "SELECT " SCHEDULE_COLUMNS " FROM job_schedules s WHERE s.name = ANY ($1::text[])"};
/* What finished before $1, or is one too many ($4; NULL: $1 says it all) goes: before when that is, how many rows of $3
 * at most, and when the first finished; so of the dead, before $2. $5: no finished one is older. Rows that were deleted
 * since the oldest snapshot of the database was taken are walked over by whoever begins before them. */
static const struct statement COUNT_OLD = {
    "count_old_jobs",
    "SELECT b.before, f.count, f.first, (SELECT count(*) FROM (SELECT FROM jobs WHERE state = 'dead' "
    "AND finished_at < $2::timestamptz ORDER BY finished_at LIMIT $3) d) "
    "FROM (SELECT CASE WHEN $4::bigint IS NULL THEN $1::timestamptz ELSE greatest($1, (SELECT finished_at "
    "+ interval '1 ms' FROM jobs WHERE state = 'completed' OR state = 'cancelled' ORDER BY finished_at DESC LIMIT 1 "
    "OFFSET $4)) END AS before OFFSET 0) b, LATERAL (SELECT count(*), min(s.finished_at) AS first FROM ("
    "SELECT finished_at FROM jobs WHERE (state = 'completed' OR state = 'cancelled') AND finished_at < b.before "
    "AND finished_at >= $5::timestamptz ORDER BY finished_at LIMIT $3::bigint) s) f"};
/* $3: none is left before. */
static const struct statement OLD_EVENTS = {
    "old_events", "SELECT sequence, created_at < $1::timestamptz FROM events WHERE sequence >= $3::bigint "
                  "AND sequence < (SELECT last_sequence FROM counters) ORDER BY sequence LIMIT $2::bigint"};
/* $1: up to which deadline; $2: none that is left is before. The place comes along even where there is none; where
 * another server has it in hand, nothing does. */
static const struct statement NEAR_DEADLINES = {
    "near_deadlines",
    "WITH place AS (SELECT expires_at, order_id FROM payment_notices FOR UPDATE SKIP LOCKED) "
    "SELECT p.expires_at, p.order_id, t.run_at, t.order_id FROM place p LEFT JOIN LATERAL ("
    "SELECT run_at, order_id FROM payment_timeouts WHERE (run_at, order_id) > (p.expires_at, p.order_id) "
    "AND run_at >= $2::timestamptz AND run_at <= $1::timestamptz ORDER BY run_at, order_id LIMIT $3::bigint) t ON true"};

static const enum value_type UUIDS[] = {VALUE_UUID};
static const enum value_type TEXTS[] = {VALUE_TEXT};
static const enum value_type PAIRS[] = {VALUE_TEXT, VALUE_TEXT};
static const struct jobs_load NOTHING_SENT = {NOT_SENT, NOT_SENT, NOT_SENT, NOT_SENT, NOT_SENT,
                                              NOT_SENT, NOT_SENT, NOT_SENT, NOT_SENT};

/* ---- The statements ---- */

/* As one more column; returns how many there are. */
static size_t add_job_ids(struct parameters *parameters, const struct wanted *wanted, const struct facts *facts)
{
    size_t count = 0;
    parameters_columns(parameters, UUIDS, 1);
    for (size_t i = 0; i < wanted->job_ids.count; i++) {
        struct text key = wanted->job_ids.entries[i].key;
        if (table_find(&facts->jobs, key) == NULL) {
            row_uuid(parameters, (const struct uuid *)(const void *)key.bytes);
            count++;
        }
    }
    return count;
}

static size_t queue_wanted_jobs(struct store *store, const struct wanted *wanted, const struct facts *facts,
                                const struct statement *statement)
{
    struct parameters *parameters = session_parameters(store->session);
    size_t count = add_job_ids(parameters, wanted, facts) + wanted->job_keys.count;
    parameters_columns(parameters, PAIRS, 2);
    for (size_t i = 0; i < wanted->job_keys.count; i++) {
        struct text pair = wanted->job_keys.entries[i].key;
        size_t kind_length = strlen(pair.bytes); /* up to the NUL between the two */
        row_text(parameters, (struct text){pair.bytes, kind_length});
        row_text(parameters, (struct text){pair.bytes + kind_length + 1, pair.length - kind_length - 1});
    }
    return count == 0 ? NOT_SENT : session_queue(store->session, statement);
}

void jobs_queue_locks(struct store *store, const struct wanted *wanted, const struct facts *facts,
                      struct jobs_load *ret_load)
{
    *ret_load = NOTHING_SENT;
    if (wanted->job_ids.count + wanted->job_keys.count == 0) {
        return;
    }
    ret_load->jobs = queue_wanted_jobs(store, wanted, facts, wanted->skip_locked ? &LOCK_FREE_JOBS : &LOCK_JOBS);
    if (wanted->skip_locked) {
        ret_load->found = queue_wanted_jobs(store, wanted, facts, &FIND_JOBS);
    }
    if (add_job_ids(session_parameters(store->session), wanted, facts) > 0) {
        ret_load->same_keys = session_queue(store->session, &JOBS_OF_SAME_KEYS);
    }
}

static size_t queue_names(struct store *store, const struct table *names, const struct statement *statement)
{
    if (names->count == 0) {
        return NOT_SENT;
    }
    struct parameters *parameters = session_parameters(store->session);
    parameters_columns(parameters, TEXTS, 1);
    for (size_t i = 0; i < names->count; i++) {
        row_text(parameters, names->entries[i].key);
    }
    return session_queue(store->session, statement);
}

/* INT64_MIN: nothing is that old. */
static void add_age(struct parameters *parameters, int64_t before_ms)
{
    parameter_time(parameters, before_ms == INT64_MIN ? 0 : before_ms);
}

static void queue_old(struct store *store, const struct prune_wanted *wanted, struct jobs_load *load)
{
    const struct prune_look *look = &store->prune;
    struct parameters *parameters = session_parameters(store->session);
    add_age(parameters, look->is_begun ? look->finished_before_ms : wanted->finished_before_ms);
    add_age(parameters, wanted->dead_before_ms);
    parameter_int64(parameters, (int64_t)wanted->max);
    if (look->is_begun) {
        parameter_null(parameters, VALUE_INT64);
    } else {
        parameter_int64(parameters, (int64_t)wanted->finished_keep);
    }
    parameter_time(parameters, look->finished_from_ms);
    load->old = session_queue(store->session, &COUNT_OLD);
    parameters = session_parameters(store->session);
    add_age(parameters, wanted->events_before_ms);
    parameter_int64(parameters, (int64_t)wanted->max);
    parameter_int64(parameters, look->first_event);
    load->old_events = session_queue(store->session, &OLD_EVENTS);
}

static void queue_near(struct store *store, const struct notice_wanted *wanted, const struct facts *facts,
                       struct jobs_load *load)
{
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, facts->now_ms + wanted->lead_ms + NEAR_HORIZON_MS);
    parameter_time(parameters, store->noticed_to_ms);
    parameter_int64(parameters, (int64_t)wanted->max + 1);
    load->near = session_queue(store->session, &NEAR_DEADLINES);
}

void jobs_queue_load(struct store *store, const struct wanted *wanted, const struct facts *facts,
                     struct jobs_load *load)
{
    if (facts->endpoints == NULL) {
        (void)session_parameters(store->session);
        load->endpoints = session_queue(store->session, &SELECT_ENDPOINTS);
    }
    load->queues = queue_names(store, &wanted->queues, &SELECT_QUEUES);
    load->schedules = queue_names(store, &wanted->schedules, &SELECT_SCHEDULES);
    if (wanted->prune.max > 0) {
        queue_old(store, &wanted->prune, load);
    }
    if (wanted->notice.max > 0) {
        queue_near(store, &wanted->notice, facts, load);
    }
}

/* ---- What came of them ---- */

static const PGresult *result_of(const struct store *store, size_t number)
{
    return number == NOT_SENT ? NULL : session_result(store->session, number);
}

static bool take_jobs(const PGresult *jobs, struct facts *facts, struct fault *fault)
{
    for (int row = 0; row < PQntuples(jobs); row++) {
        struct job *job;
        if (!job_from_row(jobs, row, facts->arena, &job, fault)) {
            return false;
        }
        (void)put_job(facts, job);
    }
    return true;
}

static bool take_endpoints(const PGresult *endpoints, struct facts *facts, struct fault *fault)
{
    if (endpoints == NULL) {
        return true;
    }
    int count = PQntuples(endpoints);
    facts->endpoints = arena_array(facts->arena, (size_t)count + 1, sizeof(struct webhook_endpoint *));
    for (int row = 0; row < count; row++) {
        if (!endpoint_from_row(endpoints, row, facts->arena, &facts->endpoints[row], fault)) {
            return false;
        }
    }
    facts->endpoint_count = (size_t)count;
    return true;
}

static void take_queues(const PGresult *queues, struct facts *facts)
{
    for (int row = 0; row < PQntuples(queues); row++) {
        struct job_queue *queue = arena_zalloc(facts->arena, sizeof(*queue));
        struct text name = value_text(queues, row, QUEUE_COLUMN_COUNT, facts->arena);
        if (facts_queue(facts, name) != NULL) {
            continue;
        }
        if (value_is_null(queues, row, 0)) {
            queue->name = name;
        } else {
            queue_from_row(queues, row, facts->arena, queue);
        }
        queue->is_known = value_bool(queues, row, QUEUE_COLUMN_COUNT + 1);
        facts_put_queue(facts, queue);
    }
}

static void take_schedules(const PGresult *schedules, struct facts *facts)
{
    for (int row = 0; row < PQntuples(schedules); row++) {
        struct job_schedule *schedule = schedule_from_row(schedules, row, facts->arena);
        if (facts_schedule(facts, schedule->name) == NULL) {
            facts_put_schedule(facts, schedule);
        }
    }
}

/* What is there and was left out, since somebody else has locked it. */
static void take_locked(const PGresult *found, struct facts *facts)
{
    for (int row = 0; row < PQntuples(found); row++) {
        struct uuid *id = arena_alloc(facts->arena, sizeof(*id));
        *id = value_uuid(found, row, 0);
        if (facts_job(facts, id) != NULL) {
            continue;
        }
        facts_put_locked_job(facts, id);
        if (!value_is_null(found, row, 2) && value_bool(found, row, 3)) {
            facts_put_locked_job_key(facts, value_view(found, row, 1), value_view(found, row, 2));
        }
    }
}

static void take_old(struct store *store, const struct prune_wanted *wanted, struct facts *facts,
                     const struct jobs_load *load)
{
    const PGresult *old = result_of(store, load->old);
    const PGresult *events = result_of(store, load->old_events);
    struct prune_facts *prune = &facts->prune;
    struct prune_look *look = &store->prune;
    size_t finished = (size_t)value_int64(old, 0, 1);
    size_t dead = (size_t)value_int64(old, 0, 3);
    look->wanted = *wanted;
    look->finished_before_ms = value_unix_ms(old, 0, 0);
    look->last_event = -1;
    if (finished > 0) {
        look->finished_from_ms = value_unix_ms(old, 0, 2) - FINISHED_SLACK_MS;
    }
    if (PQntuples(events) > 0) {
        look->first_event = value_int64(events, 0, 0);
    }
    while (prune->event_count < (size_t)PQntuples(events) && value_bool(events, (int)prune->event_count, 1)) {
        look->last_event = value_int64(events, (int)prune->event_count++, 0);
    }
    prune->job_count = finished + dead;
    prune->more = finished == wanted->max || dead == wanted->max || prune->event_count == wanted->max;
    look->is_begun = prune->more;
    if (!prune->more) { /* from the front the next time */
        look->finished_from_ms = 0;
    }
}

static void take_near(struct store *store, const struct notice_wanted *wanted, struct facts *facts,
                      const PGresult *near)
{
    struct notice_facts *notice = &facts->notice;
    int count = PQntuples(near);
    if (count == 0) {
        return; /* another server is at it */
    }
    notice->loaded = (struct notice_place){value_unix_ms(near, 0, 0), value_uuid(near, 0, 1)};
    notice->given = notice->loaded;
    notice->order_ids = arena_array(facts->arena, wanted->max, sizeof(*notice->order_ids));
    store->near_ms = arena_array(facts->arena, wanted->max, sizeof(*store->near_ms));
    for (int row = 0; row < count && !value_is_null(near, row, 2); row++) {
        int64_t expires_at_ms = value_unix_ms(near, row, 2);
        bool is_near = expires_at_ms - wanted->lead_ms <= facts->now_ms;
        if (!is_near || notice->count == wanted->max) {
            notice->more = is_near;
            notice->next_ms = expires_at_ms;
            return;
        }
        store->near_ms[notice->count] = expires_at_ms;
        notice->order_ids[notice->count++] = value_uuid(near, row, 3);
    }
    if (notice->count == 0) {
        store->noticed_to_ms = facts->now_ms + wanted->lead_ms - NOTICED_SLACK_MS;
    }
}

bool jobs_take_load(struct store *store, const struct wanted *wanted, struct facts *facts, const struct jobs_load *load,
                    struct fault *fault)
{
    if (!take_endpoints(result_of(store, load->endpoints), facts, fault) ||
        !take_jobs(result_of(store, load->jobs), facts, fault) ||
        !take_jobs(result_of(store, load->same_keys), facts, fault)) {
        return false;
    }
    take_locked(result_of(store, load->found), facts);
    take_queues(result_of(store, load->queues), facts);
    take_schedules(result_of(store, load->schedules), facts);
    if (load->old != NOT_SENT) {
        take_old(store, &wanted->prune, facts, load);
    }
    if (load->near != NOT_SENT) {
        take_near(store, &wanted->notice, facts, result_of(store, load->near));
    }
    return true;
}
