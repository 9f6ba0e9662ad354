#ifndef HOLDFAST_DOMAIN_WEBHOOKS_H
#define HOLDFAST_DOMAIN_WEBHOOKS_H

/* Webhook endpoints, and the deliveries that events become. */

#include "domain/claim_jobs.h"
#include "domain/outcome.h"
#include "domain/version_condition.h"

enum { WEBHOOK_ATTEMPTS_DEFAULT = 18 };
#define WEBHOOK_DISABLE_AFTER_MS_DEFAULT (INT64_C(5) * 24 * 60 * 60 * 1000)
#define WEBHOOK_TEST_TYPE "webhook.test"

struct create_endpoint {
    struct text url;
    struct text description; /* absent: none */
    uint32_t types;          /* 0: all */
    int64_t concurrency;     /* deliveries at once */
    struct text secret;
};

struct update_endpoint {
    struct uuid endpoint_id;
    struct text url; /* absent: unchanged */
    bool has_description;
    struct text description; /* absent: none */
    bool has_types;
    uint32_t types;
    bool has_status;
    enum webhook_status status;
    int64_t concurrency; /* 0: unchanged */
    struct version_condition condition;
};

struct delete_endpoint {
    struct uuid endpoint_id;
};

struct rotate_secret {
    struct uuid endpoint_id;
    struct text secret; /* the new one */
};

struct test_endpoint {
    struct uuid endpoint_id;
};

struct redeliver {
    struct uuid job_id; /* a delivery that is finished, however */
};

/* OUTCOME_ENDPOINT_CREATED, _UPDATED, _DELETED, OUTCOME_SECRET_ROTATED: endpoint, and queue where its settings show.
 * Refused: OUTCOME_ENDPOINT_NOT_FOUND, OUTCOME_ENDPOINT_LIMIT, OUTCOME_VERSION_MISMATCH (endpoint). */
void create_endpoint_want(const struct create_endpoint *command, struct wanted *wanted);
void create_endpoint_decide(struct facts *facts, const struct create_endpoint *command, struct outcome *ret_outcome);
void update_endpoint_want(const struct update_endpoint *command, struct wanted *wanted);
void update_endpoint_decide(struct facts *facts, const struct update_endpoint *command, struct outcome *ret_outcome);
void delete_endpoint_want(const struct delete_endpoint *command, struct wanted *wanted);
void delete_endpoint_decide(struct facts *facts, const struct delete_endpoint *command, struct outcome *ret_outcome);
void rotate_secret_want(const struct rotate_secret *command, struct wanted *wanted);
void rotate_secret_decide(struct facts *facts, const struct rotate_secret *command, struct outcome *ret_outcome);
/* OUTCOME_DELIVERY_QUEUED: job. Refused: OUTCOME_ENDPOINT_NOT_FOUND, OUTCOME_ENDPOINT_DISABLED, OUTCOME_JOB_NOT_FOUND,
 * OUTCOME_JOB_STATE (job: it is not finished). */
void test_endpoint_decide(struct facts *facts, const struct test_endpoint *command, struct outcome *ret_outcome);
void redeliver_want(const struct redeliver *command, struct wanted *wanted);
void redeliver_decide(struct facts *facts, const struct redeliver *command, struct outcome *ret_outcome);

/* After all commands of a batch: a delivery for each of its events and each endpoint that wants it. */
void webhooks_enqueue(struct facts *facts);
/* Until when no delivery of that queue may start: 0: they may, or it is no endpoint's; INT64_MAX: its endpoint is
 * disabled. */
int64_t webhooks_closed_until(const struct facts *facts, struct text queue);
/* Somebody wants to see whether it works now. */
void webhooks_open(struct facts *facts, struct text queue);
/* What a delivery has shown of its endpoint: one that fails again and again is left alone for longer and longer; one
 * that did so for too long, or is gone, is disabled. */
void webhooks_note_health(struct facts *facts, const struct job_result *result);

#endif
