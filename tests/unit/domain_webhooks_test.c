/* Webhook endpoints: what people do to them, what is delivered to them, and when they are given up. */

#include "cmocka_all.h"

#include <string.h>

#include "domain/enqueue_jobs.h"
#include "domain/webhooks.h"
#include "support/shop.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define ONLY(type) (UINT32_C(1) << (type))

static struct outcome create(struct shop *shop, uint32_t types)
{
    struct outcome outcome;
    create_endpoint_decide(&shop->facts,
                           &(struct create_endpoint){.url = TEXT_LITERAL("https://example.com/"),
                                                     .types = types,
                                                     .concurrency = 2,
                                                     .secret = TEXT_LITERAL("whsec_one")},
                           &outcome);
    return outcome;
}

static struct webhook_endpoint *endpoint_in(struct shop *shop, uint32_t types)
{
    struct outcome outcome = create(shop, types);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_CREATED);
    return facts_endpoint(&shop->facts, &outcome.endpoint->id);
}

static struct job_queue *queue_of(struct shop *shop, const struct webhook_endpoint *endpoint)
{
    return facts_queue(&shop->facts, webhook_queue_name(shop->arena, endpoint->id));
}

static struct outcome update(struct shop *shop, struct update_endpoint command)
{
    struct outcome outcome;
    update_endpoint_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static void note(struct shop *shop, const struct webhook_endpoint *endpoint, enum endpoint_health health)
{
    webhooks_note_health(&shop->facts, &(struct job_result){.health = health, .endpoint_id = endpoint->id});
}

static void sell_out(struct shop *shop)
{
    (void)shop_variant(shop, "tee-m", 1);
    assert_int_equal(shop_place_one(shop, "c-1", "tee-m", 1).code, OUTCOME_ORDER_PLACED);
    event_stock_thresholds(&shop->facts);
    assert_string_equal(shop_event_types(shop), "order.created stock.sold_out");
}

/* ---- By hand ---- */

static void there_are_no_more_endpoints_than_the_limit(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *first = endpoint_in(shop, 0);
    assert_int_equal(queue_of(shop, first)->concurrency, 2);
    for (int i = 1; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        (void)endpoint_in(shop, 0);
    }
    assert_int_equal(create(shop, 0).code, OUTCOME_ENDPOINT_LIMIT);
    struct outcome outcome;
    delete_endpoint_decide(&shop->facts, &(struct delete_endpoint){first->id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_DELETED);
    assert_true(queue_of(shop, first)->is_deleted);
    assert_null(facts_endpoint(&shop->facts, &first->id));
    delete_endpoint_decide(&shop->facts, &(struct delete_endpoint){first->id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_NOT_FOUND);
    assert_int_equal(create(shop, 0).code, OUTCOME_ENDPOINT_CREATED);
}

static void an_update_changes_what_it_names_under_its_version(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    endpoint->loaded_version = endpoint->version;
    const int64_t other = 7;
    struct update_endpoint command = {
        .endpoint_id = endpoint->id, .url = TEXT_LITERAL("https://example.org/"), .condition = {true, &other, 1}};
    assert_int_equal(update(shop, command).code, OUTCOME_VERSION_MISMATCH);
    assert_true(text_equal_c(endpoint->url, "https://example.com/"));
    assert_int_equal(endpoint->version, 1);
    command.condition.versions = &endpoint->loaded_version;
    struct outcome outcome = update(shop, command);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_UPDATED);
    assert_int_equal(outcome.endpoint->version, 2);
    assert_true(text_equal_c(endpoint->url, "https://example.org/"));
    assert_int_equal(outcome.queue->concurrency, 2);
    command = (struct update_endpoint){.endpoint_id = endpoint->id, .concurrency = 9};
    assert_int_equal(update(shop, command).queue->concurrency, 9);
    command.endpoint_id = (struct uuid){{1}};
    assert_int_equal(update(shop, command).code, OUTCOME_ENDPOINT_NOT_FOUND);
}

static void an_update_that_changes_nothing_leaves_the_version(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    const struct update_endpoint command = {
        .endpoint_id = endpoint->id, .url = endpoint->url, .has_status = true, .status = WEBHOOK_ENABLED};
    assert_int_equal(update(shop, command).code, OUTCOME_ENDPOINT_UPDATED);
    assert_int_equal(endpoint->version, 1);
}

static int64_t closed_until(struct shop *shop, const struct webhook_endpoint *endpoint)
{
    return webhooks_closed_until(&shop->facts, webhook_queue_name(shop->arena, endpoint->id));
}

static void a_disabled_endpoint_is_sent_nothing_until_it_is_enabled(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    endpoint->failing_since_ms = SHOP_NOW_MS;
    struct update_endpoint command = {.endpoint_id = endpoint->id, .has_status = true, .status = WEBHOOK_DISABLED};
    assert_int_equal(update(shop, command).code, OUTCOME_ENDPOINT_UPDATED);
    assert_true(closed_until(shop, endpoint) == INT64_MAX);
    assert_false(queue_of(shop, endpoint)->is_paused); /* that is for people */
    assert_true(text_equal_c(endpoint->disabled_reason, "by hand"));
    command.status = WEBHOOK_ENABLED;
    assert_int_equal(update(shop, command).code, OUTCOME_ENDPOINT_UPDATED);
    assert_int_equal(closed_until(shop, endpoint), 0);
    assert_null(endpoint->disabled_reason.bytes);
    assert_int_equal(endpoint->failing_since_ms, 0);
    assert_int_equal(shop->facts.jobs_at_ms, SHOP_NOW_MS);
    assert_string_equal(shop_event_types(shop), ""); /* whoever did it knows */
}

static void a_rotated_secret_leaves_the_one_before_for_a_day(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    struct outcome outcome;
    rotate_secret_decide(&shop->facts, &(struct rotate_secret){endpoint->id, TEXT_LITERAL("whsec_two")}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_SECRET_ROTATED);
    rotate_secret_decide(&shop->facts, &(struct rotate_secret){endpoint->id, TEXT_LITERAL("whsec_three")}, &outcome);
    assert_true(text_equal_c(endpoint->secret, "whsec_three"));
    assert_true(text_equal_c(endpoint->previous_secret, "whsec_two"));
    assert_int_equal(endpoint->previous_until_ms, SHOP_NOW_MS + DAY_MS);
    rotate_secret_decide(&shop->facts, &(struct rotate_secret){{{1}}, TEXT_LITERAL("whsec_x")}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_NOT_FOUND);
}

static void a_test_is_delivered_once_and_first(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    struct outcome outcome;
    test_endpoint_decide(&shop->facts, &(struct test_endpoint){endpoint->id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_DELIVERY_QUEUED);
    assert_int_equal(outcome.job->priority, 0);
    assert_int_equal(outcome.job->max_attempts, 1);
    assert_non_null(strstr(outcome.job->payload.bytes, "{\"type\":\"webhook.test\",\"data\":{\"endpoint_id\":\""));
    assert_true(text_equal(outcome.job->queue, webhook_queue_name(shop->arena, endpoint->id)));
    endpoint->status = WEBHOOK_DISABLED;
    test_endpoint_decide(&shop->facts, &(struct test_endpoint){endpoint->id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_DISABLED);
    test_endpoint_decide(&shop->facts, &(struct test_endpoint){{{1}}}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_NOT_FOUND);
}

/* ---- Deliveries ---- */

static void an_event_is_delivered_to_those_that_want_it(void **state)
{
    struct shop *shop = *state;
    shop->facts.policy.webhook_attempts_max = 4;
    const struct webhook_endpoint *all = endpoint_in(shop, 0);
    const struct webhook_endpoint *few = endpoint_in(shop, ONLY(EVENT_STOCK_SOLD_OUT));
    (void)endpoint_in(shop, ONLY(EVENT_ORDER_PAID));
    endpoint_in(shop, 0)->status = WEBHOOK_DISABLED;
    endpoint_in(shop, 0)->is_deleted = true;
    sell_out(shop);
    webhooks_enqueue(&shop->facts);
    const struct job_list *jobs = &shop->facts.new_jobs;
    const struct webhook_endpoint *endpoints[] = {all, all, few};
    const size_t events[] = {0, 1, 1};
    assert_int_equal(jobs->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(text_equal(jobs->items[i]->queue, webhook_queue_name(shop->arena, endpoints[i]->id)));
        assert_true(text_equal(jobs->items[i]->kind, WEBHOOK_DELIVERY_KIND));
        assert_ptr_equal(jobs->items[i]->event, shop->facts.events.items[events[i]]);
        assert_int_equal(jobs->items[i]->max_attempts, 4);
    }
}

static void only_a_finished_delivery_is_delivered_again(void **state)
{
    struct shop *shop = *state;
    struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    const struct new_job input = {.queue = webhook_queue_name(shop->arena, endpoint->id),
                                  .kind = WEBHOOK_DELIVERY_KIND,
                                  .max_attempts = 1,
                                  .event_sequence = 42};
    const struct uuid id = job_enqueue(&shop->facts, &input).job->id;
    struct job *job = facts_job(&shop->facts, &id);
    struct outcome outcome;
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_JOB_STATE);
    job_start(job, SHOP_NOW_MS, 1000);
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_JOB_STATE);
    job_complete(job, SHOP_NOW_MS);
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_DELIVERY_QUEUED);
    assert_int_equal(outcome.job->event_sequence, 42);
    assert_int_equal(outcome.job->max_attempts, WEBHOOK_ATTEMPTS_DEFAULT);
    assert_false(uuid_equal(outcome.job->id, id));
    assert_int_equal(job->state, JOB_COMPLETED);
    endpoint->status = WEBHOOK_DISABLED;
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_DISABLED);
    endpoint->is_deleted = true;
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_ENDPOINT_NOT_FOUND);
    job->kind = TEXT_LITERAL("work"); /* no delivery */
    redeliver_decide(&shop->facts, &(struct redeliver){id}, &outcome);
    assert_int_equal(outcome.code, OUTCOME_JOB_NOT_FOUND);
}

/* ---- Health ---- */

static void an_endpoint_that_fails_for_days_is_disabled_with_an_event(void **state)
{
    struct shop *shop = *state;
    const struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(endpoint->failing_since_ms, SHOP_NOW_MS);
    shop->facts.now_ms += WEBHOOK_DISABLE_AFTER_MS_DEFAULT - 1;
    note(shop, endpoint, ENDPOINT_FAILS);
    note(shop, endpoint, ENDPOINT_UNTOUCHED);
    assert_int_equal(endpoint->failing_since_ms, SHOP_NOW_MS);
    assert_int_equal(endpoint->status, WEBHOOK_ENABLED);
    shop->facts.now_ms += 1;
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(endpoint->status, WEBHOOK_DISABLED);
    assert_true(closed_until(shop, endpoint) == INT64_MAX);
    assert_string_equal(shop_event_types(shop), "webhook_endpoint.disabled");
    note(shop, endpoint, ENDPOINT_FAILS);
    note(shop, endpoint, ENDPOINT_GONE);
    assert_int_equal(shop->facts.events.count, 1); /* once */
}

static void one_delivery_that_works_forgives_all_failures(void **state)
{
    struct shop *shop = *state;
    const struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    shop->facts.policy.webhook_disable_after_ms = 1000;
    note(shop, endpoint, ENDPOINT_FAILS);
    shop->facts.now_ms += 999;
    note(shop, endpoint, ENDPOINT_WORKS);
    assert_int_equal(endpoint->failing_since_ms, 0);
    shop->facts.now_ms += 1;
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(endpoint->status, WEBHOOK_ENABLED);
    assert_int_equal(endpoint->failing_since_ms, shop->facts.now_ms);
    size_t changes = shop->facts.change_count;
    shop->facts.now_ms += 1000;
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(endpoint->status, WEBHOOK_DISABLED);
    assert_true(shop->facts.change_count > changes);
}

static void one_that_fails_again_and_again_is_left_alone_for_longer_and_longer(void **state)
{
    struct shop *shop = *state;
    const struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    note(shop, endpoint, ENDPOINT_FAILS); /* that may be the event's fault */
    assert_int_equal(closed_until(shop, endpoint), 0);
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(closed_until(shop, endpoint), SHOP_NOW_MS + WEBHOOK_HOLD_MS_MIN);
    shop->facts.now_ms += 5000;
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(closed_until(shop, endpoint), shop->facts.now_ms + 5000);
    shop->facts.now_ms += 3600000;
    note(shop, endpoint, ENDPOINT_FAILS);
    assert_int_equal(closed_until(shop, endpoint), shop->facts.now_ms + WEBHOOK_HOLD_MS_MAX);
    shop->facts.jobs_at_ms = INT64_MAX;
    webhooks_open(&shop->facts, webhook_queue_name(shop->arena, endpoint->id));
    assert_int_equal(closed_until(shop, endpoint), 0);
    assert_int_equal(shop->facts.jobs_at_ms, shop->facts.now_ms);
    note(shop, endpoint, ENDPOINT_FAILS);
    note(shop, endpoint, ENDPOINT_WORKS);
    assert_int_equal(closed_until(shop, endpoint), 0);
}

static void one_that_asks_for_it_is_left_alone_at_once(void **state)
{
    struct shop *shop = *state;
    const struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    const struct job_result result = {.health = ENDPOINT_FAILS, .endpoint_id = endpoint->id, .hold_ms = 7000};
    webhooks_note_health(&shop->facts, &result);
    assert_int_equal(closed_until(shop, endpoint), SHOP_NOW_MS + 7000);
    struct outcome outcome;
    test_endpoint_decide(&shop->facts, &(struct test_endpoint){endpoint->id}, &outcome);
    assert_int_equal(closed_until(shop, endpoint), 0); /* somebody looks */
}

static void an_endpoint_that_is_gone_is_disabled_at_once(void **state)
{
    struct shop *shop = *state;
    const struct webhook_endpoint *endpoint = endpoint_in(shop, 0);
    const struct webhook_endpoint *listener = endpoint_in(shop, ONLY(EVENT_WEBHOOK_ENDPOINT_DISABLED));
    note(shop, endpoint, ENDPOINT_GONE);
    assert_int_equal(endpoint->status, WEBHOOK_DISABLED);
    assert_true(text_equal_c(endpoint->disabled_reason, "it answered 410 Gone"));
    assert_string_equal(shop_event_types(shop), "webhook_endpoint.disabled");
    webhooks_enqueue(&shop->facts);
    assert_int_equal(shop->facts.new_jobs.count, 1); /* others hear of it, it does not */
    assert_true(text_equal(shop->facts.new_jobs.items[0]->queue, webhook_queue_name(shop->arena, listener->id)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SHOP(there_are_no_more_endpoints_than_the_limit),
        IN_SHOP(an_update_changes_what_it_names_under_its_version),
        IN_SHOP(an_update_that_changes_nothing_leaves_the_version),
        IN_SHOP(a_disabled_endpoint_is_sent_nothing_until_it_is_enabled),
        IN_SHOP(a_rotated_secret_leaves_the_one_before_for_a_day),
        IN_SHOP(a_test_is_delivered_once_and_first),
        IN_SHOP(an_event_is_delivered_to_those_that_want_it),
        IN_SHOP(only_a_finished_delivery_is_delivered_again),
        IN_SHOP(an_endpoint_that_fails_for_days_is_disabled_with_an_event),
        IN_SHOP(one_delivery_that_works_forgives_all_failures),
        IN_SHOP(one_that_fails_again_and_again_is_left_alone_for_longer_and_longer),
        IN_SHOP(one_that_asks_for_it_is_left_alone_at_once),
        IN_SHOP(an_endpoint_that_is_gone_is_disabled_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
