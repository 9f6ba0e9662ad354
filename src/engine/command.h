#ifndef HOLDFAST_ENGINE_COMMAND_H
#define HOLDFAST_ENGINE_COMMAND_H

/* A request to change something, on its way through the one door. */

#include <stdint.h>

#include "base/arena.h"
#include "domain/adjust_stock.h"
#include "domain/cancel_order.h"
#include "domain/catalogue.h"
#include "domain/claim_jobs.h"
#include "domain/enqueue_jobs.h"
#include "domain/extend_hold.h"
#include "domain/idempotency.h"
#include "domain/manage_jobs.h"
#include "domain/notify_payments.h"
#include "domain/outcome.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"
#include "domain/prune.h"
#include "domain/schedule_jobs.h"
#include "domain/webhooks.h"

enum command_kind {
    COMMAND_PLACE_ORDER,
    COMMAND_PLACE_ORDERS,
    COMMAND_PAY_ORDER,
    COMMAND_CANCEL_ORDER,
    COMMAND_EXTEND_HOLD,
    COMMAND_ADJUST_STOCK,
    COMMAND_CREATE_PRODUCT,
    COMMAND_UPDATE_PRODUCT,
    COMMAND_UPDATE_VARIANT,
    COMMAND_IMPORT_PRODUCTS,
    COMMAND_ENQUEUE_JOBS,
    COMMAND_CLAIM_JOBS,
    COMMAND_FINISH_JOBS,
    COMMAND_RENEW_JOBS,
    COMMAND_MANAGE_JOB,
    COMMAND_UPDATE_QUEUE,
    COMMAND_DECLARE_SCHEDULE,
    COMMAND_FIRE_SCHEDULE,
    COMMAND_PRUNE,
    COMMAND_NOTIFY_PAYMENTS,
    COMMAND_CREATE_ENDPOINT,
    COMMAND_UPDATE_ENDPOINT,
    COMMAND_DELETE_ENDPOINT,
    COMMAND_ROTATE_SECRET,
    COMMAND_TEST_ENDPOINT,
    COMMAND_REDELIVER
};
#define COMMAND_KIND_COUNT 26

/* An answer that is to be kept under an idempotency key: made before the commit, stored with the effect. */
struct kept_answer {
    int status;
    struct text body;
    struct text location; /* absent: none */
    int64_t version;      /* 0: no ETag */
};

struct batch;
struct completions;

struct command {
    /* Set by the submitter; unchanged until the command was completed. Everything it points at outlives it. */
    enum command_kind kind;
    /* One of the few that a process gives itself, bounded by its maker: a full queue takes it, too. */
    bool is_internal;
    union {
        struct place_order place_order;
        struct place_orders place_orders;
        struct pay_order pay_order;
        struct cancel_order cancel_order;
        struct extend_hold extend_hold;
        struct adjust_stock adjust_stock;
        struct create_product create_product;
        struct update_product update_product;
        struct update_variant update_variant;
        struct import_products import_products;
        struct enqueue_jobs enqueue_jobs;
        struct claim_jobs claim_jobs;
        struct finish_jobs finish_jobs;
        struct renew_jobs renew_jobs;
        struct manage_job manage_job;
        struct update_queue update_queue;
        struct declare_schedule declare_schedule;
        struct fire_schedule fire_schedule;
        struct prune prune;
        struct notify_payments notify_payments;
        struct create_endpoint create_endpoint;
        struct update_endpoint update_endpoint;
        struct delete_endpoint delete_endpoint;
        struct rotate_secret rotate_secret;
        struct test_endpoint test_endpoint;
        struct redeliver redeliver;
    } input;
    struct idempotency idempotency; /* key absent: none */
    /* Renders the answer of a keyed command other than COMMAND_PLACE_ORDER, on the committer's thread, into `arena`
     * (pure: reads only the command and the outcome). NULL where the command has no key. */
    void (*render)(const struct command *command, const struct outcome *outcome, struct arena *arena,
                   struct kept_answer *ret_answer);
    void *context;
    /* Where it goes when it is completed; NULL: to the committer's own. */
    struct completions *completions;

    /* Set by the engine, the submitter's to read between completion and command_release. */
    struct outcome outcome;
    struct kept_answer answer; /* body absent: not rendered */

    /* The engine's own. */
    struct command *next;
    struct batch *batch;
    int64_t submitted_us;
};

const char *command_kind_name(enum command_kind kind);
size_t command_weight(const struct command *command); /* orders or rows it carries, at least 1 */
void command_want(const struct command *command, struct wanted *wanted);
/* Key first, then the rule of its kind. Fills command->outcome and command->answer. */
void command_decide(struct command *command, struct facts *facts);

#endif
