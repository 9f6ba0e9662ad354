#include "engine/command.h"

#include <assert.h>
#include <string.h>

static const char *const COMMAND_KIND_NAMES[COMMAND_KIND_COUNT] = {
    [COMMAND_PLACE_ORDER] = "place_order",
    [COMMAND_PLACE_ORDERS] = "place_orders",
    [COMMAND_PAY_ORDER] = "pay_order",
    [COMMAND_CANCEL_ORDER] = "cancel_order",
    [COMMAND_EXTEND_HOLD] = "extend_hold",
    [COMMAND_ADJUST_STOCK] = "adjust_stock",
    [COMMAND_CREATE_PRODUCT] = "create_product",
    [COMMAND_UPDATE_PRODUCT] = "update_product",
    [COMMAND_UPDATE_VARIANT] = "update_variant",
    [COMMAND_IMPORT_PRODUCTS] = "import_products",
    [COMMAND_ENQUEUE_JOBS] = "enqueue_jobs",
    [COMMAND_CLAIM_JOBS] = "claim_jobs",
    [COMMAND_FINISH_JOBS] = "finish_jobs",
    [COMMAND_RENEW_JOBS] = "renew_jobs",
    [COMMAND_MANAGE_JOB] = "manage_job",
    [COMMAND_UPDATE_QUEUE] = "update_queue",
    [COMMAND_DECLARE_SCHEDULE] = "declare_schedule",
    [COMMAND_FIRE_SCHEDULE] = "fire_schedule",
    [COMMAND_PRUNE] = "prune",
    [COMMAND_NOTIFY_PAYMENTS] = "notify_payments",
    [COMMAND_CREATE_ENDPOINT] = "create_endpoint",
    [COMMAND_UPDATE_ENDPOINT] = "update_endpoint",
    [COMMAND_DELETE_ENDPOINT] = "delete_endpoint",
    [COMMAND_ROTATE_SECRET] = "rotate_secret",
    [COMMAND_TEST_ENDPOINT] = "test_endpoint",
    [COMMAND_REDELIVER] = "redeliver",
};

const char *command_kind_name(enum command_kind kind)
{
    return COMMAND_KIND_NAMES[kind];
}

size_t command_weight(const struct command *command)
{
    size_t weight = 1;
    if (command->kind == COMMAND_PLACE_ORDERS) {
        weight = command->input.place_orders.member_count;
    } else if (command->kind == COMMAND_IMPORT_PRODUCTS) {
        weight = command->input.import_products.product_count;
    } else if (command->kind == COMMAND_ENQUEUE_JOBS) {
        weight = command->input.enqueue_jobs.count;
    }
    return weight > 0 ? weight : 1;
}

/* Of jobs, queues, schedules and endpoints. */
static void want_for_jobs(const struct command *command, struct wanted *wanted)
{
    switch (command->kind) {
    case COMMAND_ENQUEUE_JOBS:
        enqueue_jobs_want(&command->input.enqueue_jobs, wanted);
        break;
    case COMMAND_CLAIM_JOBS:
        claim_jobs_want(&command->input.claim_jobs, wanted);
        break;
    case COMMAND_FINISH_JOBS:
        finish_jobs_want(&command->input.finish_jobs, wanted);
        break;
    case COMMAND_RENEW_JOBS:
        renew_jobs_want(&command->input.renew_jobs, wanted);
        break;
    case COMMAND_MANAGE_JOB:
        manage_job_want(&command->input.manage_job, wanted);
        break;
    case COMMAND_UPDATE_QUEUE:
        update_queue_want(&command->input.update_queue, wanted);
        break;
    case COMMAND_DECLARE_SCHEDULE:
        declare_schedule_want(&command->input.declare_schedule, wanted);
        break;
    case COMMAND_FIRE_SCHEDULE:
        fire_schedule_want(&command->input.fire_schedule, wanted);
        break;
    case COMMAND_PRUNE:
        prune_want(&command->input.prune, wanted);
        break;
    case COMMAND_NOTIFY_PAYMENTS:
        notify_payments_want(&command->input.notify_payments, wanted);
        break;
    case COMMAND_CREATE_ENDPOINT:
        create_endpoint_want(&command->input.create_endpoint, wanted);
        break;
    case COMMAND_UPDATE_ENDPOINT:
        update_endpoint_want(&command->input.update_endpoint, wanted);
        break;
    case COMMAND_DELETE_ENDPOINT:
        delete_endpoint_want(&command->input.delete_endpoint, wanted);
        break;
    case COMMAND_ROTATE_SECRET:
        rotate_secret_want(&command->input.rotate_secret, wanted);
        break;
    case COMMAND_REDELIVER:
        redeliver_want(&command->input.redeliver, wanted);
        break;
    default: /* COMMAND_TEST_ENDPOINT: endpoints are always loaded */
        break;
    }
}

void command_want(const struct command *command, struct wanted *wanted)
{
    if (command->idempotency.key.bytes != NULL) {
        wanted_add_idempotency_key(wanted, command->idempotency.key);
    }
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        place_order_want(&command->input.place_order, wanted);
        break;
    case COMMAND_PLACE_ORDERS:
        place_orders_want(&command->input.place_orders, wanted);
        break;
    case COMMAND_PAY_ORDER:
        pay_order_want(&command->input.pay_order, wanted);
        break;
    case COMMAND_CANCEL_ORDER:
        cancel_order_want(&command->input.cancel_order, wanted);
        break;
    case COMMAND_EXTEND_HOLD:
        extend_hold_want(&command->input.extend_hold, wanted);
        break;
    case COMMAND_ADJUST_STOCK:
        adjust_stock_want(&command->input.adjust_stock, wanted);
        break;
    case COMMAND_CREATE_PRODUCT:
        create_product_want(&command->input.create_product, wanted);
        break;
    case COMMAND_UPDATE_PRODUCT:
        update_product_want(&command->input.update_product, wanted);
        break;
    case COMMAND_UPDATE_VARIANT:
        update_variant_want(&command->input.update_variant, wanted);
        break;
    case COMMAND_IMPORT_PRODUCTS:
        import_products_want(&command->input.import_products, wanted);
        break;
    default:
        want_for_jobs(command, wanted);
        break;
    }
}

static void decide_for_jobs(struct command *command, struct facts *facts)
{
    struct outcome *outcome = &command->outcome;
    switch (command->kind) {
    case COMMAND_ENQUEUE_JOBS:
        enqueue_jobs_decide(facts, &command->input.enqueue_jobs, outcome);
        break;
    case COMMAND_CLAIM_JOBS:
        claim_jobs_decide(facts, &command->input.claim_jobs, outcome);
        break;
    case COMMAND_FINISH_JOBS:
        finish_jobs_decide(facts, &command->input.finish_jobs, outcome);
        break;
    case COMMAND_RENEW_JOBS:
        renew_jobs_decide(facts, &command->input.renew_jobs, outcome);
        break;
    case COMMAND_MANAGE_JOB:
        manage_job_decide(facts, &command->input.manage_job, outcome);
        break;
    case COMMAND_UPDATE_QUEUE:
        update_queue_decide(facts, &command->input.update_queue, outcome);
        break;
    case COMMAND_DECLARE_SCHEDULE:
        declare_schedule_decide(facts, &command->input.declare_schedule, outcome);
        break;
    case COMMAND_FIRE_SCHEDULE:
        fire_schedule_decide(facts, &command->input.fire_schedule, outcome);
        break;
    case COMMAND_PRUNE:
        prune_decide(facts, &command->input.prune, outcome);
        break;
    case COMMAND_NOTIFY_PAYMENTS:
        notify_payments_decide(facts, &command->input.notify_payments, outcome);
        break;
    case COMMAND_CREATE_ENDPOINT:
        create_endpoint_decide(facts, &command->input.create_endpoint, outcome);
        break;
    case COMMAND_UPDATE_ENDPOINT:
        update_endpoint_decide(facts, &command->input.update_endpoint, outcome);
        break;
    case COMMAND_DELETE_ENDPOINT:
        delete_endpoint_decide(facts, &command->input.delete_endpoint, outcome);
        break;
    case COMMAND_ROTATE_SECRET:
        rotate_secret_decide(facts, &command->input.rotate_secret, outcome);
        break;
    case COMMAND_TEST_ENDPOINT:
        test_endpoint_decide(facts, &command->input.test_endpoint, outcome);
        break;
    case COMMAND_REDELIVER:
        redeliver_decide(facts, &command->input.redeliver, outcome);
        break;
    default:
        assert(!"no kind of command is left");
        break;
    }
}

static void decide_by_kind(struct command *command, struct facts *facts)
{
    struct outcome *outcome = &command->outcome;
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        place_order_decide(facts, &command->input.place_order, outcome);
        break;
    case COMMAND_PLACE_ORDERS:
        place_orders_decide(facts, &command->input.place_orders, outcome);
        break;
    case COMMAND_PAY_ORDER:
        pay_order_decide(facts, &command->input.pay_order, outcome);
        break;
    case COMMAND_CANCEL_ORDER:
        cancel_order_decide(facts, &command->input.cancel_order, outcome);
        break;
    case COMMAND_EXTEND_HOLD:
        extend_hold_decide(facts, &command->input.extend_hold, outcome);
        break;
    case COMMAND_ADJUST_STOCK:
        adjust_stock_decide(facts, &command->input.adjust_stock, outcome);
        break;
    case COMMAND_CREATE_PRODUCT:
        create_product_decide(facts, &command->input.create_product, outcome);
        break;
    case COMMAND_UPDATE_PRODUCT:
        update_product_decide(facts, &command->input.update_product, outcome);
        break;
    case COMMAND_UPDATE_VARIANT:
        update_variant_decide(facts, &command->input.update_variant, outcome);
        break;
    case COMMAND_IMPORT_PRODUCTS:
        import_products_decide(facts, &command->input.import_products, outcome);
        break;
    default:
        decide_for_jobs(command, facts);
        break;
    }
}

/* Cheap unless somebody keeps rows locked, which is rare. */
static bool needs_locked(const struct command *command, const struct facts *facts)
{
    struct wanted wanted;
    if (!facts_have_locked(facts)) {
        return false;
    }
    wanted_init(&wanted, facts->arena);
    command_want(command, &wanted);
    return facts_lack_locked(facts, &wanted);
}

void command_decide(struct command *command, struct facts *facts)
{
    memset(&command->answer, 0, sizeof(command->answer));
    if (needs_locked(command, facts)) {
        memset(&command->outcome, 0, sizeof(command->outcome));
        command->outcome.code = OUTCOME_STORE_UNAVAILABLE;
        return;
    }
    if (idempotency_decide(facts, &command->idempotency, &command->outcome)) {
        return;
    }
    decide_by_kind(command, facts);
    struct idempotency_record *record = idempotency_keep(facts, &command->idempotency, &command->outcome);
    if (record == NULL || record->order != NULL) {
        return;
    }
    assert(command->render != NULL);
    command->render(command, &command->outcome, facts->arena, &command->answer);
    record->status = command->answer.status;
    record->body = command->answer.body;
    record->location = command->answer.location;
    record->version = command->answer.version;
}
