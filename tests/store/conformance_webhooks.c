/* What jobs come from: schedules, endpoints and their deliveries, notices; and how old rows go. */

#include "conformance.h"

#include <string.h>

#include "domain/notify_payments.h"
#include "domain/place_order.h"
#include "domain/prune.h"
#include "domain/webhooks.h"
#include "harness_jobs.h"

#define LEASE_MS 30000
#define LEAD_MS 300000

static bool save_and_commit(struct harness *harness)
{
    return harness->ops->batch_save(harness->store, &harness->facts, &harness->fault) &&
           harness->ops->batch_commit(harness->store, &harness->fault);
}

/* ---- Schedules ---- */

static struct job_schedule *load_schedule(struct harness *harness)
{
    batch_begin(harness);
    wanted_add_schedule(&harness->wanted, TEXT_LITERAL("nightly"));
    batch_load(harness);
    return facts_schedule(&harness->facts, TEXT_LITERAL("nightly"));
}

static void a_schedule_is_kept_and_moved_on_by_one(void **state)
{
    struct harness *harness = *state;
    struct job_schedule made = {.name = TEXT_LITERAL("nightly"),
                                .queue = TEXT_LITERAL("maintenance"),
                                .kind = TEXT_LITERAL("prune"),
                                .cron = TEXT_LITERAL("0 3 * * *"),
                                .time_zone = TEXT_LITERAL("Europe/Berlin"),
                                .next_run_at_ms = HARNESS_START_MS + 1000,
                                .version = 1};
    assert_null(load_schedule(harness));
    facts_put_schedule(&harness->facts, &made);
    batch_commit(harness);

    struct job_schedule *schedule = load_schedule(harness);
    assert_int_equal(schedule->next_run_at_ms, HARNESS_START_MS + 1000);
    schedule->loaded_version++; /* as if somebody had moved it on */
    schedule->version += 2;
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    schedule = load_schedule(harness);
    schedule->next_run_at_ms = INT64_MAX;
    schedule->version++;
    batch_commit(harness);

    struct job_schedule **rows;
    size_t count;
    assert_ok(harness,
              harness->ops->read_schedules(harness->reader, harness->read_arena, &rows, &count, &harness->fault));
    assert_int_equal(count, 1);
    assert_true(text_equal_c(rows[0]->name, "nightly"));
    assert_true(text_equal_c(rows[0]->queue, "maintenance"));
    assert_true(text_equal_c(rows[0]->kind, "prune"));
    assert_true(text_equal_c(rows[0]->cron, "0 3 * * *"));
    assert_true(text_equal_c(rows[0]->time_zone, "Europe/Berlin"));
    assert_true(rows[0]->next_run_at_ms == INT64_MAX);
    assert_int_equal(rows[0]->version, 2);
}

/* ---- Endpoints ---- */

static struct uuid create_endpoint(struct harness *harness, uint32_t types)
{
    const struct create_endpoint command = {.url = TEXT_LITERAL("https://example.com/\xC3\xBC?a=1"),
                                            .description = TEXT_LITERAL("the 'books'"),
                                            .types = types,
                                            .concurrency = 2,
                                            .secret = TEXT_LITERAL("whsec_one")};
    struct outcome outcome;
    batch_begin(harness);
    create_endpoint_want(&command, &harness->wanted);
    batch_load(harness);
    create_endpoint_decide(&harness->facts, &command, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_CREATED);
    batch_commit(harness);
    return outcome.endpoint->id;
}

static struct webhook_endpoint *load_endpoint(struct harness *harness, struct uuid id)
{
    batch_begin(harness);
    wanted_add_queue(&harness->wanted, webhook_queue_name(harness->arena, id));
    batch_load(harness);
    return facts_endpoint(&harness->facts, &id);
}

static size_t read_endpoints(struct harness *harness, struct webhook_endpoint ***ret_endpoints)
{
    size_t count;
    assert_ok(harness, harness->ops->read_endpoints(harness->reader, harness->read_arena, ret_endpoints, &count,
                                                    &harness->fault));
    return count;
}

static void an_endpoint_is_there_for_the_next_batch(void **state)
{
    struct harness *harness = *state;
    const uint32_t types = (UINT32_C(1) << EVENT_ORDER_PAID) | (UINT32_C(1) << EVENT_STOCK_BACK);
    struct uuid id = create_endpoint(harness, types);
    const struct webhook_endpoint *endpoint = load_endpoint(harness, id);
    assert_int_equal(harness->facts.endpoint_count, 1);
    assert_true(text_equal_c(endpoint->url, "https://example.com/\xC3\xBC?a=1"));
    assert_true(text_equal_c(endpoint->description, "the 'books'"));
    assert_int_equal(endpoint->types & ((UINT32_C(1) << EVENT_TYPE_COUNT) - 1), types);
    assert_int_equal(endpoint->status, WEBHOOK_ENABLED);
    assert_null(endpoint->disabled_reason.bytes);
    assert_true(text_equal_c(endpoint->secret, "whsec_one"));
    assert_null(endpoint->previous_secret.bytes);
    assert_int_equal(endpoint->failing_since_ms, 0);
    assert_int_equal(endpoint->created_at_ms, HARNESS_START_MS);
    assert_int_equal(endpoint->version, 1);
    assert_int_equal(facts_queue(&harness->facts, webhook_queue_name(harness->arena, id))->concurrency, 2);
    harness->ops->batch_rollback(harness->store);
}

static void a_changed_endpoint_is_guarded_and_seen(void **state)
{
    struct harness *harness = *state;
    struct uuid id = create_endpoint(harness, 0);
    struct webhook_endpoint *endpoint = load_endpoint(harness, id);
    endpoint->loaded_version++;
    endpoint->version += 2;
    assert_fault(harness, save_and_commit(harness), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);

    endpoint = load_endpoint(harness, id);
    assert_int_equal(endpoint->version, 1);
    endpoint->description = TEXT_ABSENT;
    endpoint->status = WEBHOOK_DISABLED;
    endpoint->disabled_reason = TEXT_LITERAL("by hand");
    endpoint->previous_secret = endpoint->secret;
    endpoint->previous_until_ms = HARNESS_START_MS + 5;
    endpoint->secret = TEXT_LITERAL("whsec_two");
    endpoint->failing_since_ms = HARNESS_START_MS - 7;
    endpoint->version++;
    batch_commit(harness);

    struct webhook_endpoint **rows;
    assert_int_equal(read_endpoints(harness, &rows), 1);
    const struct webhook_endpoint *seen[] = {rows[0], load_endpoint(harness, id)};
    for (size_t i = 0; i < 2; i++) {
        assert_null(seen[i]->description.bytes);
        assert_int_equal(seen[i]->status, WEBHOOK_DISABLED);
        assert_true(text_equal_c(seen[i]->disabled_reason, "by hand"));
        assert_true(text_equal_c(seen[i]->secret, "whsec_two"));
        assert_true(text_equal_c(seen[i]->previous_secret, "whsec_one"));
        assert_int_equal(seen[i]->previous_until_ms, HARNESS_START_MS + 5);
        assert_int_equal(seen[i]->failing_since_ms, HARNESS_START_MS - 7);
        assert_int_equal(seen[i]->version, 2);
    }
    harness->ops->batch_rollback(harness->store);
}

static void an_endpoint_that_is_rolled_back_or_deleted_is_gone(void **state)
{
    struct harness *harness = *state;
    struct webhook_endpoint **rows;
    struct uuid id = create_endpoint(harness, 0);
    struct webhook_endpoint *endpoint = load_endpoint(harness, id);
    endpoint->url = TEXT_LITERAL("https://example.org/");
    endpoint->version++;
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    assert_true(text_equal_c(load_endpoint(harness, id)->url, "https://example.com/\xC3\xBC?a=1"));
    harness->ops->batch_rollback(harness->store);

    const struct delete_endpoint command = {id};
    struct outcome outcome;
    batch_begin(harness);
    delete_endpoint_want(&command, &harness->wanted);
    batch_load(harness);
    delete_endpoint_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    assert_null(load_endpoint(harness, id));
    assert_int_equal(harness->facts.endpoint_count, 0);
    assert_false(facts_queue(&harness->facts, webhook_queue_name(harness->arena, id))->is_known);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_endpoints(harness, &rows), 0);
}

static struct event_row *read_events(struct harness *harness, struct event_filter filter, size_t *ret_count)
{
    struct event_row *rows;
    bool more;
    bool found;
    assert_ok(harness,
              harness->ops->read_events(harness->reader, harness->read_arena, &filter, &(struct page){.limit = 100},
                                        &rows, ret_count, &more, &found, &harness->fault));
    return rows;
}

/* An order of "a" that endpoints are told of: decided and left open. */
static void plan_told(struct harness *harness, int64_t quantity)
{
    struct place_order_line line = {TEXT_LITERAL("a"), quantity};
    struct place_order order = {.customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&order, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &order, &outcome);
    event_stock_thresholds(&harness->facts);
    webhooks_enqueue(&harness->facts);
}

static void a_delivery_has_the_number_of_its_event(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    for (int i = 0; i < 3; i++) {
        (void)place_id(harness, "c", "a", 1); /* so that numbers do not begin at one */
    }
    (void)create_endpoint(harness, UINT32_C(1) << EVENT_STOCK_SOLD_OUT);
    (void)create_endpoint(harness, 0);
    plan_told(harness, 7);
    assert_int_equal(harness->facts.events.count, 2);
    assert_int_equal(harness->facts.new_jobs.count, 3);
    struct uuid deliveries[3];
    struct uuid events[3];
    for (size_t i = 0; i < 3; i++) {
        deliveries[i] = harness->facts.new_jobs.items[i]->id;
        events[i] = harness->facts.new_jobs.items[i]->event->id;
    }
    assert_ok(harness, save_and_commit(harness));
    size_t count;
    const struct event_row *rows = read_events(harness, (struct event_filter){0}, &count);
    for (size_t i = 0; i < 3; i++) {
        const struct job *delivery = read_job(harness, deliveries[i]);
        assert_in_range(delivery->event_sequence, count - 1, count);
        assert_true(uuid_equal(rows[delivery->event_sequence - 1].id, events[i]));
    }
    assert_audit_clean(harness);
}

/* Several of one millisecond, which keep their order by more than the time at which they were queued. */
static void deliveries_do_not_wait_for_a_clock_that_was_ahead(void **state)
{
    struct harness *harness = *state;
    const int64_t ahead_ms = 3600000;
    (void)make_variant(harness, "a", 10);
    harness_now_ms += ahead_ms;
    (void)create_endpoint(harness, UINT32_C(1) << EVENT_ORDER_CREATED);
    for (int i = 0; i < 3; i++) {
        plan_told(harness, 1);
        assert_ok(harness, save_and_commit(harness));
    }
    harness_set_clock_back(harness, ahead_ms);
    struct job **jobs;
    size_t count;
    bool more;
    const struct job_filter filter = {.has_state = true, .state = JOB_SCHEDULED};
    assert_ok(harness, harness->ops->read_jobs(harness->reader, harness->read_arena, &filter,
                                               &(struct page){.limit = 9}, &jobs, &count, &more, &harness->fault));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(jobs[i]->run_at_ms, harness_now_ms);
    }
}

/* ---- Notices ---- */

static struct outcome notify(struct harness *harness, bool commits)
{
    const struct notify_payments command = {{.max = 2, .lead_ms = LEAD_MS}};
    struct outcome outcome;
    batch_begin(harness);
    notify_payments_want(&command, &harness->wanted);
    batch_load(harness);
    notify_payments_decide(&harness->facts, &command, &outcome);
    if (commits && outcome.changed) {
        batch_commit(harness);
    } else {
        harness->ops->batch_rollback(harness->store);
    }
    return outcome;
}

static void orders_of_one_deadline_are_told_of_once_each_over_several_slices(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    for (int i = 0; i < 5; i++) {
        (void)place_id(harness, "c", "a", 1); /* for 900 seconds */
    }
    assert_int_equal(notify(harness, true).count, 0);
    harness_now_ms = HARNESS_START_MS + 900000 - LEAD_MS;
    assert_int_equal(notify(harness, false).count, 2); /* and rolled back */
    static const size_t slices[] = {2, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = notify(harness, true);
        assert_int_equal(outcome.count, slices[i]);
        assert_int_equal(outcome.more, i < 2);
    }
    assert_int_equal(notify(harness, true).count, 0);
    size_t count;
    const struct event_filter filter = {.has_type = true, .type = EVENT_ORDER_PAYMENT_DUE_SOON};
    (void)read_events(harness, filter, &count);
    assert_int_equal(count, 5);

    (void)place_id(harness, "c", "a", 1);
    harness_now_ms += 1;
    assert_int_equal(notify(harness, true).count, 0);
    harness_now_ms = HARNESS_START_MS + 2 * (900000 - LEAD_MS);
    assert_int_equal(expire_due(harness, 10), 5);
    assert_int_equal(notify(harness, true).count, 1); /* the place has moved on, not past it */
    assert_audit_clean(harness);
}

static void notices_go_on_once_a_clock_that_was_ahead_is_put_right(void **state)
{
    struct harness *harness = *state;
    const int64_t ahead_ms = 3600000;
    (void)make_variant(harness, "a", 10);
    harness_now_ms += ahead_ms;
    (void)place_id(harness, "c", "a", 1); /* for 900 seconds */
    harness_now_ms += 900000 - LEAD_MS;
    assert_int_equal(notify(harness, true).count, 1);
    harness_set_clock_back(harness, ahead_ms);
    (void)place_id(harness, "c", "a", 1);
    assert_int_equal(notify(harness, true).count, 0);
    harness_now_ms += 900000 - LEAD_MS;
    assert_int_equal(notify(harness, true).count, 1);
    assert_int_equal(notify(harness, true).count, 0);
    assert_audit_clean(harness);
}

/* ---- Old rows ---- */

static struct outcome prune(struct harness *harness, struct prune_wanted wanted, bool commits)
{
    const struct prune command = {wanted};
    struct outcome outcome;
    batch_begin(harness);
    prune_want(&command, &harness->wanted);
    batch_load(harness);
    prune_decide(&harness->facts, &command, &outcome);
    if (commits && outcome.changed) {
        batch_commit(harness);
    } else {
        harness->ops->batch_rollback(harness->store);
    }
    return outcome;
}

static int64_t count_jobs(struct harness *harness, enum job_state state)
{
    struct queue_row *rows;
    size_t count;
    int64_t jobs = 0;
    assert_ok(harness, harness->ops->read_queues(harness->reader, harness->read_arena, QUEUE_COUNTS, harness_now_ms,
                                                 &rows, &count, &harness->fault));
    for (size_t i = 0; i < count; i++) {
        jobs += rows[i].counts[state];
    }
    return jobs;
}

/* `done` completed and `dead` dead ones, each a millisecond after the one before, the first now. */
static void finish_jobs(struct harness *harness, size_t done, size_t dead)
{
    for (size_t i = 0; i < done + dead; i++) {
        struct uuid id = enqueue_at(harness, "q", 5, 0);
        batch_begin(harness);
        wanted_add_job(&harness->wanted, &id);
        batch_load(harness);
        struct job *job = facts_job(&harness->facts, &id);
        job_start(job, harness_now_ms, LEASE_MS);
        if (i < done) {
            job_complete(job, harness_now_ms);
        } else {
            job_die(job, harness_now_ms, TEXT_LITERAL("no"));
        }
        batch_commit(harness);
        harness_now_ms++;
    }
}

#define KEEP_ALL ((size_t)1000)
static const struct prune_wanted KEEPS_EVERYTHING = {.max = 3,
                                                     .finished_before_ms = INT64_MIN,
                                                     .finished_keep = KEEP_ALL,
                                                     .dead_before_ms = INT64_MIN,
                                                     .events_before_ms = INT64_MIN};

static void finished_jobs_go_by_age_a_slice_at_a_time(void **state)
{
    struct harness *harness = *state;
    finish_jobs(harness, 6, 2);
    (void)enqueue_at(harness, "q", 5, 0);
    struct prune_wanted wanted = KEEPS_EVERYTHING;
    assert_int_equal(prune(harness, wanted, true).count, 0);
    wanted.finished_before_ms = HARNESS_START_MS + 4;
    assert_int_equal(prune(harness, wanted, false).count, 3); /* and rolled back */
    assert_int_equal(count_jobs(harness, JOB_COMPLETED), 6);
    while (prune(harness, wanted, true).more) {}
    assert_int_equal(count_jobs(harness, JOB_COMPLETED), 2);
    assert_int_equal(count_jobs(harness, JOB_DEAD), 2);
    wanted.dead_before_ms = HARNESS_START_MS + 7;
    while (prune(harness, wanted, true).more) {}
    assert_int_equal(count_jobs(harness, JOB_DEAD), 1);
    assert_int_equal(count_jobs(harness, JOB_SCHEDULED), 1);
}

static void finished_jobs_go_by_number_the_oldest_first(void **state)
{
    struct harness *harness = *state;
    finish_jobs(harness, 8, 1);
    struct prune_wanted wanted = KEEPS_EVERYTHING;
    wanted.finished_keep = 3;
    while (prune(harness, wanted, true).more) {}
    assert_int_equal(count_jobs(harness, JOB_COMPLETED), 3);
    assert_int_equal(count_jobs(harness, JOB_DEAD), 1);
    struct job **jobs;
    size_t count;
    bool more;
    const struct job_filter filter = {.has_state = true, .state = JOB_COMPLETED};
    assert_ok(harness, harness->ops->read_jobs(harness->reader, harness->read_arena, &filter,
                                               &(struct page){.limit = 9}, &jobs, &count, &more, &harness->fault));
    assert_int_equal(jobs[count - 1]->finished_at_ms, HARNESS_START_MS + 5);
}

static void old_events_go_but_for_the_last(void **state)
{
    struct harness *harness = *state;
    size_t count;
    int64_t last_sequence;
    (void)make_variant(harness, "a", 100);
    for (int i = 0; i < 6; i++) {
        harness_now_ms++;
        (void)place_id(harness, "c", "a", 1);
    }
    struct prune_wanted wanted = KEEPS_EVERYTHING;
    wanted.events_before_ms = HARNESS_START_MS + 3;
    while (prune(harness, wanted, true).more) {}
    assert_int_equal(read_events(harness, (struct event_filter){0}, &count)[0].created_at_ms, HARNESS_START_MS + 3);
    assert_int_equal(count, 4);
    wanted.events_before_ms = harness_now_ms + 1000;
    while (prune(harness, wanted, true).more) {}
    const struct event_row *rows = read_events(harness, (struct event_filter){0}, &count);
    assert_int_equal(count, 1);
    assert_ok(harness, harness->ops->read_last_sequence(harness->reader, &last_sequence, &harness->fault));
    assert_int_equal(rows[0].sequence, last_sequence);
    assert_audit_clean(harness);
}

const struct CMUnitTest CONFORMANCE_WEBHOOK_TESTS[] = {
    ON_FRESH_STORE(a_schedule_is_kept_and_moved_on_by_one),
    ON_FRESH_STORE(an_endpoint_is_there_for_the_next_batch),
    ON_FRESH_STORE(a_changed_endpoint_is_guarded_and_seen),
    ON_FRESH_STORE(an_endpoint_that_is_rolled_back_or_deleted_is_gone),
    ON_FRESH_STORE(a_delivery_has_the_number_of_its_event),
    ON_FRESH_STORE(deliveries_do_not_wait_for_a_clock_that_was_ahead),
    ON_FRESH_STORE(orders_of_one_deadline_are_told_of_once_each_over_several_slices),
    ON_FRESH_STORE(notices_go_on_once_a_clock_that_was_ahead_is_put_right),
    ON_FRESH_STORE(finished_jobs_go_by_age_a_slice_at_a_time),
    ON_FRESH_STORE(finished_jobs_go_by_number_the_oldest_first),
    ON_FRESH_STORE(old_events_go_but_for_the_last),
};
const size_t CONFORMANCE_WEBHOOK_TEST_COUNT = sizeof(CONFORMANCE_WEBHOOK_TESTS) / sizeof(CONFORMANCE_WEBHOOK_TESTS[0]);
