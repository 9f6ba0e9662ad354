/* Jobs, queues and deliveries as they are read and shown. */

#include <string.h>

#include "cmocka_all.h"

#include "support/test_arena.h"

#include "api/render_jobs.h"

#define NOW_MS INT64_C(1795340460123)
#define ENDPOINT_ID "01a20704-6bd1-7717-8b4f-fb13c7570c05"

static struct uuid id_of(uint8_t last)
{
    struct uuid id = {{1, 162, 7, 4, 107, 209, 119, 23, 139, 79, 251, 19, 199, 87, 12, last}};
    return id;
}

/* ---- A store with some jobs, drafts and queues ---- */

static struct job jobs[4];
static struct order drafts[4];
static struct queue_row queues[2];
static size_t job_count;
static size_t draft_count;
static size_t reads;

/* Jobs have even ids, orders odd ones; the highest is the newest. */
static void fill(size_t count_of_jobs, size_t count_of_drafts)
{
    job_count = count_of_jobs;
    draft_count = count_of_drafts;
    reads = 0;
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (struct job){.id = id_of((uint8_t)(8 - 2 * i)), .kind = TEXT_LITERAL("prune")};
        drafts[i] = (struct order){.id = id_of((uint8_t)(7 - 2 * i)),
                                   .status = ORDER_DRAFT,
                                   .created_at_ms = NOW_MS,
                                   .expires_at_ms = NOW_MS + 900000};
    }
}

static bool is_behind(const struct page *page, struct uuid id)
{
    return !page->has_after || uuid_compare(id, page->after_id) < 0;
}

static bool read_jobs(struct reader *reader, struct arena *to, const struct job_filter *filter, const struct page *page,
                      struct job ***ret_jobs, size_t *ret_count, bool *ret_more, struct fault *fault)
{
    (void)reader, (void)filter, (void)fault;
    reads++;
    *ret_jobs = arena_array(to, page->limit, sizeof(struct job *));
    *ret_count = 0;
    *ret_more = false;
    for (size_t i = 0; i < job_count; i++) {
        *ret_more = *ret_more || (*ret_count == page->limit && is_behind(page, jobs[i].id));
        if (*ret_count < page->limit && is_behind(page, jobs[i].id)) {
            (*ret_jobs)[(*ret_count)++] = &jobs[i];
        }
    }
    return true;
}

static bool read_orders(struct reader *reader, struct arena *to, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault)
{
    (void)reader, (void)fault;
    assert_true(filter->has_status && filter->status == ORDER_DRAFT);
    reads++;
    *ret_orders = arena_array(to, page->limit, sizeof(struct order *));
    *ret_count = 0;
    *ret_more = false;
    for (size_t i = 0; i < draft_count; i++) {
        *ret_more = *ret_more || (*ret_count == page->limit && is_behind(page, drafts[i].id));
        if (*ret_count < page->limit && is_behind(page, drafts[i].id)) {
            (*ret_orders)[(*ret_count)++] = &drafts[i];
        }
    }
    return true;
}

static bool read_job(struct reader *reader, struct arena *to, const struct uuid *id, struct job **ret_job,
                     struct fault *fault)
{
    (void)reader, (void)to, (void)fault;
    *ret_job = NULL;
    for (size_t i = 0; i < job_count; i++) {
        *ret_job = uuid_equal(jobs[i].id, *id) ? &jobs[i] : *ret_job;
    }
    return true;
}

static bool read_order(struct reader *reader, struct arena *to, const struct uuid *id, struct order **ret_order,
                       struct fault *fault)
{
    (void)reader, (void)to, (void)fault;
    *ret_order = NULL;
    for (size_t i = 0; i < draft_count; i++) {
        *ret_order = uuid_equal(drafts[i].id, *id) ? &drafts[i] : *ret_order;
    }
    return true;
}

static bool read_queues(struct reader *reader, struct arena *to, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault)
{
    (void)detail;
    (void)reader, (void)to, (void)now_ms, (void)fault;
    queues[0] = (struct queue_row){.queue = {.name = TEXT_LITERAL("maintenance")}};
    queues[1] = (struct queue_row){.queue = {.name = TEXT_LITERAL("webhook:x")}};
    *ret_rows = queues;
    *ret_count = 2;
    return true;
}

static const struct store_ops OPS = {.read_jobs = read_jobs,
                                     .read_orders = read_orders,
                                     .read_job = read_job,
                                     .read_order = read_order,
                                     .read_queues = read_queues};

/* "8 7 6 ..", the last digits of the ids, and a '+' where there is more. */
static const char *list(const struct job_filter *filter, size_t limit, uint8_t after)
{
    static char shown[64];
    struct page page = {.limit = limit, .has_after = after != 0, .after_id = id_of(after)};
    struct job **found;
    size_t count;
    bool more;
    struct fault fault;
    assert_true(job_reads_page(&OPS, NULL, arena, filter, &page, &found, &count, &more, &fault));
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        shown[length++] = (char)('0' + found[i]->id.bytes[15]);
    }
    shown[length++] = more ? '+' : '.';
    shown[length] = '\0';
    return shown;
}

static void lists_merge_jobs_and_payment_timeouts_without_a_gap(void **state)
{
    (void)state;
    const struct job_filter any = {0};
    fill(4, 4);
    assert_string_equal(list(&any, 8, 0), "87654321.");
    assert_string_equal(list(&any, 3, 0), "876+");
    assert_string_equal(list(&any, 3, 6), "543+");
    assert_string_equal(list(&any, 3, 3), "21.");
    assert_string_equal(list(&any, 2, 3), "21.");
    fill(4, 0);
    assert_string_equal(list(&any, 3, 0), "864+");
    fill(0, 2);
    assert_string_equal(list(&any, 2, 0), "75.");
    fill(1, 1);
    assert_string_equal(list(&any, 1, 0), "8+");
    fill(0, 0);
    assert_string_equal(list(&any, 1, 0), ".");
}

static void filters_that_exclude_one_kind_spare_its_read(void **state)
{
    (void)state;
    const struct job_filter only_timeouts[] = {{.queue = TEXT_LITERAL("orders")},
                                               {.kind = TEXT_LITERAL("payment_timeout")},
                                               {.queue = TEXT_LITERAL("orders"), .kind = PAYMENT_TIMEOUT_KIND}};
    const struct job_filter only_others[] = {{.kind = TEXT_LITERAL("prune")},
                                             {.queue = TEXT_LITERAL("maintenance")},
                                             {.key = TEXT_LITERAL("k")},
                                             {.has_state = true, .state = JOB_DEAD}};
    const struct job_filter neither = {.queue = TEXT_LITERAL("orders"), .has_state = true, .state = JOB_RUNNING};
    fill(4, 4);
    for (size_t i = 0; i < sizeof(only_timeouts) / sizeof(only_timeouts[0]); i++) {
        reads = 0;
        assert_string_equal(list(&only_timeouts[i], 8, 0), "7531.");
        assert_int_equal(reads, 1);
    }
    for (size_t i = 0; i < sizeof(only_others) / sizeof(only_others[0]); i++) {
        reads = 0;
        assert_string_equal(list(&only_others[i], 8, 0), "8642.");
        assert_int_equal(reads, 1);
    }
    reads = 0;
    assert_string_equal(list(&neither, 8, 0), ".");
    assert_int_equal(reads, 0);
}

static void one_is_a_job_or_a_draft(void **state)
{
    (void)state;
    struct job *found;
    struct fault fault;
    struct uuid id = id_of(8);
    fill(1, 1);
    assert_true(job_reads_one(&OPS, NULL, arena, &id, &found, &fault));
    assert_ptr_equal(found, &jobs[0]);
    id = id_of(7);
    assert_true(job_reads_one(&OPS, NULL, arena, &id, &found, &fault));
    assert_true(text_equal(found->queue, PAYMENT_TIMEOUT_QUEUE));
    assert_int_equal(found->run_at_ms, drafts[0].expires_at_ms);
    drafts[0].status = ORDER_PAID;
    assert_true(job_reads_one(&OPS, NULL, arena, &id, &found, &fault));
    assert_null(found);
    id = id_of(9);
    assert_true(job_reads_one(&OPS, NULL, arena, &id, &found, &fault));
    assert_null(found);
}

static void payment_timeouts_have_their_place_among_the_queues(void **state)
{
    (void)state;
    struct queue_row *rows;
    size_t count;
    struct fault fault;
    struct payment_timeouts timeouts = {.count = 3, .next_due_ms = NOW_MS - 5};
    assert_true(job_reads_queues(&OPS, NULL, arena, NOW_MS, &timeouts, &rows, &count, &fault));
    assert_int_equal(count, 3);
    assert_true(text_equal_c(rows[0].queue.name, "maintenance"));
    assert_true(text_equal_c(rows[1].queue.name, "orders"));
    assert_true(text_equal_c(rows[2].queue.name, "webhook:x"));
    assert_int_equal(rows[1].counts[JOB_SCHEDULED], 3);
    assert_int_equal(rows[1].oldest_due_at_ms, NOW_MS - 5);
    timeouts.next_due_ms = INT64_MAX;
    assert_true(job_reads_queues(&OPS, NULL, arena, NOW_MS, &timeouts, &rows, &count, &fault));
    assert_int_equal(rows[1].oldest_due_at_ms, 0);
}

/* ---- What it looks like ---- */

static const char *shown(void (*render)(struct json_writer *json, const struct job *job), const struct job *job)
{
    struct buffer buffer;
    struct json_writer json;
    buffer_init(&buffer, 65536);
    json_writer_init(&json, &buffer);
    render(&json, job);
    const char *text = arena_text(arena, buffer_text(&buffer)).bytes;
    buffer_done(&buffer);
    return text;
}

static void with_log(struct json_writer *json, const struct job *job)
{
    render_job(json, job, WITH_LOG);
}

static void with_attempts(struct json_writer *json, const struct job *job)
{
    render_delivery_with_attempts(json, job, arena);
}

static struct job a_delivery(void)
{
    return (struct job){.id = id_of(6),
                        .queue = TEXT_LITERAL("webhook:" ENDPOINT_ID),
                        .kind = WEBHOOK_DELIVERY_KIND,
                        .event_sequence = 7,
                        .state = JOB_SCHEDULED,
                        .run_at_ms = NOW_MS,
                        .priority = 5,
                        .max_attempts = 15,
                        .progress = JOB_PROGRESS_NONE,
                        .created_at_ms = NOW_MS};
}

static void a_job_is_shown_with_its_log_joined(void **state)
{
    (void)state;
    struct job job = a_delivery();
    job.log = TEXT_LITERAL("{\"at\":\"a\"}\n{\"at\":\"b\"}\n");
    assert_string_equal(shown(with_log, &job),
                        "{\"job_id\":\"01a20704-6bd1-7717-8b4f-fb13c7570c06\",\"queue\":\"webhook:" ENDPOINT_ID
                        "\",\"kind\":\"webhook_delivery\",\"key\":null,\"payload\":{\"endpoint_id\":\"" ENDPOINT_ID
                        "\",\"sequence\":7},\"state\":\"scheduled\",\"run_at\":\"2026-11-22T09:41:00.123Z\","
                        "\"priority\":5,\"attempt\":0,\"max_attempts\":15,\"progress\":null,\"last_error\":null,"
                        "\"created_at\":\"2026-11-22T09:41:00.123Z\",\"started_at\":null,\"finished_at\":null,"
                        "\"log\":[{\"at\":\"a\"},{\"at\":\"b\"}]}");
    job.log = TEXT_ABSENT;
    job.kind = TEXT_LITERAL("prune");
    job.progress = 40;
    assert_non_null(strstr(shown(with_log, &job), "\"payload\":null"));
    assert_non_null(strstr(shown(with_log, &job), "\"progress\":40"));
    assert_non_null(strstr(shown(with_log, &job), "\"log\":[]}"));
}

static void a_delivery_shows_its_attempts_and_no_other_lines(void **state)
{
    (void)state;
    struct job job = a_delivery();
    job.log =
        TEXT_LITERAL("{\"at\":\"t1\",\"attempt\":1,\"message\":\"answered 503\",\"status\":503,\"latency_ms\":12}\n"
                     "{\"at\":\"t2\",\"attempt\":1,\"message\":\"its lease ran out\"}\n"
                     "{\"at\":\"t3\",\"attempt\":2,\"message\":\"timed out\",\"status\":null,\"latency_ms\":2000}\n"
                     "not JSON\n"
                     "[]\n"
                     "{\"at\":\"t4\",\"attempt\":3,\"message\":\"delivered\",\"status\":204,\"latency_ms\":3}\n");
    const char *text = shown(with_attempts, &job);
    assert_non_null(strstr(text,
                           "\"attempts\":["
                           "{\"at\":\"t1\",\"attempt\":1,\"status\":503,\"latency_ms\":12,\"error\":\"answered 503\"},"
                           "{\"at\":\"t3\",\"attempt\":2,\"status\":null,\"latency_ms\":2000,\"error\":\"timed out\"},"
                           "{\"at\":\"t4\",\"attempt\":3,\"status\":204,\"latency_ms\":3,\"error\":null}]}"));
}

static void a_delivery_says_when_it_is_tried_next_while_it_waits_for_that(void **state)
{
    (void)state;
    struct job job = a_delivery();
    assert_non_null(strstr(shown(render_delivery, &job), "\"next_attempt_at\":\"2026-11-22T09:41:00.123Z\""));
    assert_non_null(strstr(shown(render_delivery, &job), "\"endpoint_id\":\"" ENDPOINT_ID "\",\"event_sequence\":7"));
    job.state = JOB_RUNNING;
    job.event_sequence = 0;
    job.payload = TEXT_LITERAL("{\"type\":\"webhook.test\"}");
    assert_non_null(strstr(shown(render_delivery, &job), "\"next_attempt_at\":null"));
    assert_non_null(strstr(shown(render_delivery, &job), "\"event_sequence\":null"));
    assert_non_null(strstr(shown(with_log, &job), "\"payload\":{\"type\":\"webhook.test\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_merge_jobs_and_payment_timeouts_without_a_gap),
        cmocka_unit_test(filters_that_exclude_one_kind_spare_its_read),
        cmocka_unit_test(one_is_a_job_or_a_draft),
        cmocka_unit_test(payment_timeouts_have_their_place_among_the_queues),
        cmocka_unit_test(a_job_is_shown_with_its_log_joined),
        cmocka_unit_test(a_delivery_shows_its_attempts_and_no_other_lines),
        cmocka_unit_test(a_delivery_says_when_it_is_tried_next_while_it_waits_for_that),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
