/* Three exchanges: where the queues' next jobs are, and whose lease ran out; then the limited queues that have something
 * due, locked so that no two workers start more of one than it allows; then the jobs. Nothing is waited for: what
 * another worker has in hand is left to it. */

#include "base/clock.h"
#include "domain/claim_jobs.h"
#include "store/postgres/jobs.h"
#include "store/postgres/values.h"

#define CONTESTED_MS 20        /* when to look again for what another worker has in hand */
#define LEASE_SLACK_MS 2000    /* a claim's commit may take so long to be seen */
#define SLOW_LOCKING_ROW_US 30 /* what locking one takes */
#define SLOW_LOCKING_US 10000  /* so much is walked over to get at free ones that it is not done each time */

/* The heads, and what the queues are set to. */
static const struct statement ALL_HEADS = {
    "job_heads",
    "WITH RECURSIVE h AS ((SELECT queue, priority, run_at FROM jobs WHERE state = 'scheduled' "
    "ORDER BY queue, priority, run_at LIMIT 1) UNION ALL SELECT n.queue, n.priority, n.run_at FROM h, LATERAL ("
    "SELECT queue, priority, run_at FROM jobs WHERE state = 'scheduled' "
    "AND (queue, priority) > (h.queue, h.priority) ORDER BY queue, priority, run_at LIMIT 1) n) "
    "SELECT " QUEUE_COLUMNS ", h.queue, h.priority::bigint, h.run_at FROM h LEFT JOIN LATERAL "
    "(SELECT * FROM job_queues k WHERE k.name = h.queue LIMIT 1) q ON true ORDER BY h.queue, h.priority"};
static const struct statement KNOWN_HEADS = {
    "known_job_heads",
    "SELECT " QUEUE_COLUMNS ", w.queue, w.priority, n.run_at "
    "FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS w(queue, priority, from_at), LATERAL ("
    "SELECT run_at FROM jobs WHERE state = 'scheduled' AND queue = w.queue AND priority = w.priority "
    "AND run_at >= w.from_at ORDER BY run_at LIMIT 1) n LEFT JOIN LATERAL "
    "(SELECT * FROM job_queues k WHERE k.name = w.queue LIMIT 1) q ON true ORDER BY w.queue, w.priority"};
static const struct statement LOST_LEASES = {
    "lost_leases", "SELECT " JOB_COLUMNS WITH_LOG " FROM jobs j WHERE j.state = 'running' "
                   "AND j.lease_until <= $1::timestamptz AND j.lease_until >= $3::timestamptz "
                   "ORDER BY j.lease_until LIMIT $2::bigint "
                   "FOR UPDATE SKIP LOCKED"};
/* Where these were; they do not start again in one that is paused. */
static const struct statement LOST_QUEUES = {
    "lost_queues", "SELECT " QUEUE_COLUMNS ", w.queue FROM (SELECT DISTINCT queue FROM jobs WHERE state = 'running' "
                   "AND lease_until <= $1::timestamptz AND lease_until >= $2::timestamptz) w LEFT JOIN LATERAL "
                   "(SELECT * FROM job_queues k WHERE k.name = w.queue LIMIT 1) q ON true"};
/* The first there is, and the first that has not run out. $2: none runs whose lease ends before. */
static const struct statement NEXT_LEASE = {
    "next_lease", "SELECT (SELECT lease_until FROM jobs WHERE state = 'running' AND lease_until >= $2::timestamptz "
                  "ORDER BY lease_until LIMIT 1), "
                  "(SELECT lease_until FROM jobs WHERE state = 'running' AND lease_until > $1::timestamptz "
                  "ORDER BY lease_until LIMIT 1)"};
static const struct statement ALL_LIMITS = {"all_limits",
                                            "SELECT " QUEUE_COLUMNS " FROM job_queues q WHERE q.name = 'all'"};
static const struct statement LOCK_QUEUES = {
    "lock_queues", "SELECT " QUEUE_COLUMNS " FROM job_queues q WHERE q.name = ANY ($1::text[]) ORDER BY q.name "
                   "FOR UPDATE SKIP LOCKED"};
/* $1: none runs whose lease ends before. With those whose lease ran out: they keep their places until they are taken
 * over. */
static const struct statement COUNT_RUNNING = {
    "count_running", "SELECT queue, count(*) FROM jobs WHERE state = 'running' AND lease_until >= $1::timestamptz "
                     "AND (queue = ANY ($2::text[]) OR 'all' = ANY ($2)) GROUP BY queue"};
static const struct statement LOCK_DUE = {
    "lock_due_jobs",
    "SELECT d.* FROM (SELECT generate_subscripts($2::text[], 1) AS number, unnest($2::text[]) AS queue, "
    "unnest($3::bigint[]) AS priority, unnest($4::timestamptz[]) AS from_at, unnest($5::bigint[]) AS most) AS w, "
    "LATERAL (SELECT " JOB_COLUMNS WITH_LOG ", w.number::bigint FROM jobs j WHERE j.state = 'scheduled' "
    "AND j.queue = w.queue AND j.priority = w.priority AND j.run_at >= w.from_at AND j.run_at <= $1::timestamptz "
    "ORDER BY j.run_at, j.job_id LIMIT w.most FOR UPDATE SKIP LOCKED) d ORDER BY w.number, d.run_at, d.job_id"};
#define RUN_AT_COLUMN 7
#define NUMBER_COLUMN 19

static const enum value_type TEXTS[] = {VALUE_TEXT};
static const enum value_type HEAD_COLUMNS[] = {VALUE_TEXT, VALUE_INT64, VALUE_TIME};
static const enum value_type DUE_COLUMNS[] = {VALUE_TEXT, VALUE_INT64, VALUE_TIME, VALUE_INT64};

struct claim_load {
    struct store *store;
    struct facts *facts;
    struct job_queue *all;
    struct claim_head *heads;
    size_t head_count;
    bool is_contested; /* another worker has a queue in hand */
    int64_t next_lease_ms;
};

/* ---- The heads ---- */

static size_t queue_known_heads(struct store *store)
{
    const struct head_memory *memory = store->heads;
    struct parameters *parameters = session_parameters(store->session);
    parameters_columns(parameters, HEAD_COLUMNS, 3);
    for (size_t i = 0; i < memory->count; i++) {
        row_c_text(parameters, memory->items[i].queue);
        row_int64(parameters, memory->items[i].priority);
        row_time(parameters, memory->items[i].from_ms);
    }
    return session_queue(store->session, &KNOWN_HEADS);
}

/* A queue is one struct; without a row it has no limits. */
static struct job_queue *queue_of_head(const PGresult *heads, int row, struct facts *facts)
{
    struct text name = value_text(heads, row, QUEUE_COLUMN_COUNT, facts->arena);
    struct job_queue *queue = facts_queue(facts, name);
    if (queue == NULL) {
        queue = arena_zalloc(facts->arena, sizeof(*queue));
        if (value_is_null(heads, row, 0)) {
            queue->name = name;
        } else {
            queue_from_row(heads, row, facts->arena, queue);
        }
        facts_put_queue(facts, queue);
    }
    queue->is_known = true;
    return queue;
}

static void take_all(struct claim_load *load, const PGresult *limits)
{
    load->all = facts_queue(load->facts, ALL_QUEUES);
    if (load->all != NULL) {
        return;
    }
    load->all = arena_zalloc(load->facts->arena, sizeof(*load->all));
    if (PQntuples(limits) == 0) {
        load->all->name = ALL_QUEUES;
    } else {
        queue_from_row(limits, 0, load->facts->arena, load->all);
    }
    facts_put_queue(load->facts, load->all);
}

static void take_heads(struct claim_load *load, const PGresult *heads, bool is_full)
{
    struct head_memory *memory = load->store->heads;
    load->head_count = (size_t)PQntuples(heads);
    load->heads = arena_array(load->facts->arena, load->head_count, sizeof(*load->heads));
    job_heads_begin(memory);
    for (size_t i = 0; i < load->head_count; i++) {
        load->heads[i] = (struct claim_head){
            .queue = queue_of_head(heads, (int)i, load->facts),
            .priority = value_int64(heads, (int)i, QUEUE_COLUMN_COUNT + 1),
            .run_at_ms = value_unix_ms(heads, (int)i, QUEUE_COLUMN_COUNT + 2),
        };
        job_heads_note_found(memory, &load->heads[i], load->facts->now_ms);
    }
    job_heads_end(memory, is_full, load->facts->now_ms);
}

static bool add_claimable(struct claim_load *load, const PGresult *jobs, int row, struct fault *fault)
{
    struct claim_facts *claim = &load->facts->claim;
    struct job *job;
    if (!job_from_row(jobs, row, load->facts->arena, &job, fault)) {
        return false;
    }
    claim->jobs[claim->count++] = put_job(load->facts, job);
    return true;
}

static bool take_leases(struct claim_load *load, const PGresult *next, const PGresult *lost, struct fault *fault)
{
    int64_t first_ms = value_is_null(next, 0, 0) ? INT64_MAX : value_unix_ms(next, 0, 0);
    int64_t now_ms = load->facts->now_ms;
    load->next_lease_ms = value_is_null(next, 0, 1) ? INT64_MAX : value_unix_ms(next, 0, 1);
    load->store->heads->leases_from_ms = (first_ms < now_ms ? first_ms : now_ms) - LEASE_SLACK_MS;
    for (int row = 0; row < PQntuples(lost); row++) {
        if (!add_claimable(load, lost, row, fault)) {
            return false;
        }
    }
    return true;
}

/* From the front, unless that costs too much to be done each time. Leases are looked at in any case. */
static bool look(struct claim_load *load, size_t max, struct fault *fault)
{
    struct store *store = load->store;
    int64_t begin_us = clock_monotonic_us();
    bool is_full = begin_us >= store->heads->full_look_us;
    int64_t leases_from_ms = is_full ? 0 : store->heads->leases_from_ms;
    size_t heads;
    if (is_full) {
        (void)session_parameters(store->session);
        heads = session_queue(store->session, &ALL_HEADS);
    } else {
        heads = queue_known_heads(store);
    }
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, load->facts->now_ms);
    parameter_int64(parameters, (int64_t)max);
    parameter_time(parameters, leases_from_ms);
    size_t lost = session_queue(store->session, &LOST_LEASES);
    parameters = session_parameters(store->session);
    parameter_time(parameters, load->facts->now_ms);
    parameter_time(parameters, leases_from_ms);
    size_t lease = session_queue(store->session, &NEXT_LEASE);
    parameters = session_parameters(store->session);
    parameter_time(parameters, load->facts->now_ms);
    parameter_time(parameters, leases_from_ms);
    size_t queues = session_queue(store->session, &LOST_QUEUES);
    (void)session_parameters(store->session);
    size_t all = session_queue(store->session, &ALL_LIMITS);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    if (is_full) {
        job_heads_note_cost(store->heads, clock_monotonic_us() - begin_us);
    }
    take_all(load, session_result(store->session, all));
    take_heads(load, session_result(store->session, heads), is_full);
    const PGresult *lost_queues = session_result(store->session, queues);
    for (int row = 0; row < PQntuples(lost_queues); row++) {
        (void)queue_of_head(lost_queues, row, load->facts);
    }
    return take_leases(load, session_result(store->session, lease), session_result(store->session, lost), fault);
}

/* ---- Queues with limits ---- */

static bool is_limited(const struct job_queue *queue)
{
    return !queue->is_paused && (queue->concurrency > 0 || queue->rate_max > 0);
}

static bool must_lock(const struct claim_head *head, int64_t now_ms)
{
    return head->run_at_ms <= now_ms && is_limited(head->queue);
}

static bool is_first_of_queue(const struct claim_load *load, size_t i)
{
    for (size_t j = i; j > 0 && load->heads[j - 1].queue == load->heads[i].queue; j--) {
        if (must_lock(&load->heads[j - 1], load->facts->now_ms)) {
            return false;
        }
    }
    return true;
}

static size_t add_limited(const struct claim_load *load, struct parameters *parameters)
{
    size_t count = 0;
    parameters_columns(parameters, TEXTS, 1);
    if (is_limited(load->all) && load->head_count > 0) {
        row_text(parameters, ALL_QUEUES);
        count++;
    }
    for (size_t i = 0; i < load->head_count; i++) {
        if (must_lock(&load->heads[i], load->facts->now_ms) && is_first_of_queue(load, i)) {
            row_text(parameters, load->heads[i].queue->name);
            count++;
        }
    }
    return count;
}

/* As they are now that they are locked. */
static void take_locked(struct claim_load *load, const PGresult *queues, struct table *locked)
{
    for (int row = 0; row < PQntuples(queues); row++) {
        struct job_queue fresh;
        queue_from_row(queues, row, load->facts->arena, &fresh);
        struct job_queue *queue = facts_queue(load->facts, fresh.name);
        *queue = fresh;
        table_put(locked, queue->name, queue);
    }
}

static void take_running(struct claim_load *load, const PGresult *running)
{
    load->all->running = 0;
    for (int row = 0; row < PQntuples(running); row++) {
        struct job_queue *queue = facts_queue(load->facts, value_view(running, row, 0));
        if (queue != NULL) {
            queue->running = value_int64(running, row, 1);
        }
        load->all->running += value_int64(running, row, 1);
    }
}

/* Queues that another worker has in hand are not looked at this time. */
static void drop_contested(struct claim_load *load, const struct table *locked)
{
    bool is_all_contested = is_limited(load->all) && table_find(locked, ALL_QUEUES) == NULL;
    size_t kept = 0;
    for (size_t i = 0; i < load->head_count; i++) {
        const struct claim_head *head = &load->heads[i];
        bool is_contested = must_lock(head, load->facts->now_ms) && table_find(locked, head->queue->name) == NULL;
        if (is_contested || is_all_contested) {
            load->is_contested = true;
        } else {
            load->heads[kept++] = *head;
        }
    }
    load->head_count = kept;
}

static bool lock_limited(struct claim_load *load, struct fault *fault)
{
    struct store *store = load->store;
    struct table locked;
    struct parameters *parameters = session_parameters(store->session);
    if (add_limited(load, parameters) == 0) {
        return true;
    }
    size_t queues = session_queue(store->session, &LOCK_QUEUES);
    parameters = session_parameters(store->session);
    parameter_time(parameters, store->heads->leases_from_ms);
    (void)add_limited(load, parameters);
    size_t running = session_queue(store->session, &COUNT_RUNNING);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    table_init(&locked, load->facts->arena);
    take_locked(load, session_result(store->session, queues), &locked);
    take_running(load, session_result(store->session, running));
    drop_contested(load, &locked);
    return true;
}

/* ---- The jobs ---- */

static int64_t head_from_ms(const struct store *store, const struct claim_head *head)
{
    const struct known_head *known = job_heads_get(store->heads, head->queue->name, head->priority);
    return known == NULL ? 0 : known->free_from_ms > known->from_ms ? known->free_from_ms : known->from_ms;
}

/* Somebody keeps the first ones locked, and what was claimed behind them is still there to be walked over. */
static void note_slow_locking(struct claim_load *load, const struct claim_head *head, int64_t first_free_ms)
{
    struct known_head *known = job_heads_get(load->store->heads, head->queue->name, head->priority);
    if (known != NULL && first_free_ms > head->run_at_ms) {
        known->free_from_ms = first_free_ms;
    }
}

/* Heads of one queue share its portion, the first of them first. Where it is used up before the queue's own limits are
 * there may be more. */
static bool take_due(struct claim_load *load, const PGresult *jobs, bool was_slow, struct fault *fault)
{
    const struct job_queue *queue = NULL;
    size_t left = 0;
    int row = 0;
    int64_t number = 0;
    for (size_t i = 0; i < load->head_count; i++) {
        const struct claim_head *head = &load->heads[i];
        if (head->limit == 0) {
            continue;
        }
        number++;
        if (head->queue != queue) {
            queue = head->queue;
            left = head->limit;
        }
        bool has_any = row < PQntuples(jobs) && value_int64(jobs, row, NUMBER_COLUMN) == number;
        if (was_slow) {
            note_slow_locking(load, head, has_any ? value_unix_ms(jobs, row, RUN_AT_COLUMN) : load->facts->now_ms);
        }
        for (; row < PQntuples(jobs) && value_int64(jobs, row, NUMBER_COLUMN) == number; row++) {
            if (left > 0 && !add_claimable(load, jobs, row, fault)) {
                return false;
            }
            left -= left > 0;
        }
        bool may_start_more = (int64_t)head->limit < job_queue_room(queue, load->facts->now_ms);
        load->facts->claim.more = load->facts->claim.more || (left == 0 && may_start_more);
    }
    return true;
}

static bool lock_due(struct claim_load *load, struct fault *fault)
{
    struct store *store = load->store;
    struct parameters *parameters = session_parameters(store->session);
    parameter_time(parameters, load->facts->now_ms);
    parameters_columns(parameters, DUE_COLUMNS, 4);
    for (size_t i = 0; i < load->head_count; i++) {
        if (load->heads[i].limit > 0) {
            row_text(parameters, load->heads[i].queue->name);
            row_int64(parameters, load->heads[i].priority);
            row_time(parameters, head_from_ms(store, &load->heads[i]));
            row_int64(parameters, (int64_t)load->heads[i].limit);
        }
    }
    if (parameters_row_count(parameters) == 0) {
        return true;
    }
    int64_t begin_us = clock_monotonic_us();
    size_t number = session_queue(store->session, &LOCK_DUE);
    if (!session_exchange(store->session, fault)) {
        return false;
    }
    const PGresult *jobs = session_result(store->session, number);
    int64_t took_us = clock_monotonic_us() - begin_us;
    bool was_slow = took_us > SLOW_LOCKING_US + SLOW_LOCKING_ROW_US * (int64_t)PQntuples(jobs);
    if (was_slow) {
        job_heads_note_cost(store->heads, took_us);
    }
    return take_due(load, jobs, was_slow, fault);
}

bool jobs_load_claim(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault)
{
    struct claim_facts *claim = &facts->claim;
    size_t max = wanted->claim_max;
    if (max == 0 || claim->jobs != NULL) {
        return true;
    }
    struct claim_load load = {.store = store, .facts = facts, .next_lease_ms = INT64_MAX};
    claim->jobs = arena_array(facts->arena, max * 2, sizeof(struct job *)); /* taken over, and due */
    if (!look(&load, max, fault) || !lock_limited(&load, fault)) {
        return false;
    }
    size_t taken_over = claim->count;
    claim_share(facts, wanted, load.heads, load.head_count, taken_over);
    claim->next_ms = load.next_lease_ms < claim->next_ms ? load.next_lease_ms : claim->next_ms;
    if (load.is_contested && claim->next_ms > facts->now_ms + CONTESTED_MS) {
        claim->next_ms = facts->now_ms + CONTESTED_MS;
    }
    claim->more = claim->more || taken_over == max;
    return lock_due(&load, fault);
}
