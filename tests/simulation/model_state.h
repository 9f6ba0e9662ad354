#ifndef HOLDFAST_TESTS_SIMULATION_MODEL_STATE_H
#define HOLDFAST_TESTS_SIMULATION_MODEL_STATE_H

/* What the model's files share: a batch's view of the shop. "Seen" things are not to be changed. */

#include "model.h"

#define MODEL_TIMED_OUT g_intern_string("payment_timeout")

struct model_sku *batch_sku(struct model_batch *batch, int index);
const struct model_sku *seen_sku(const struct model_batch *batch, int index);
const struct model_order *seen_order(const struct model_batch *batch, const struct uuid *id); /* NULL: there is none */
struct model_order *batch_order(struct model_batch *batch, const struct uuid *id);            /* the same */
const struct uuid *seen_reference(const struct model_batch *batch, const char *reference);
const struct model_key *seen_key(const struct model_batch *batch, const char *key);
const struct model_job *seen_job(const struct model_batch *batch, const struct uuid *id);
void batch_add_order(struct model_batch *batch, struct model_order *order); /* takes it over, without payments yet */
void batch_add_reference(struct model_batch *batch, const char *reference, const struct uuid *order_id);
void batch_add_key(struct model_batch *batch, struct model_key *key); /* takes it over */
void batch_set_job(struct model_batch *batch, const struct job *job);
struct model_order *model_order_copy(const struct model_order *order);
void model_order_free(struct model_order *order); /* takes NULL */
/* What is to be answered (model_answers.c). */
struct model_answer *model_answer_new(struct model_batch *batch, const struct command *command, enum outcome_code code);
struct model_answer *model_answer_place(struct model_batch *batch, const struct place_order *command,
                                        enum outcome_code code, const struct outcome *real);
struct model_answer *model_answer_replay(struct model_batch *batch, const struct model_key *key, bool is_same);
struct model_answer *model_answer_of_many(enum outcome_code code);
void model_answer_add_member(struct model_answer *answer, struct model_answer *member); /* takes it over */

/* Events, expected in the order in which they are told (model_events.c). */
void tell_created(struct model_batch *batch, const struct model_order *order);
void tell_ended(struct model_batch *batch, const struct model_order *order);
void tell_extended(struct model_batch *batch, const struct model_order *order, int64_t previous_ms);
void tell_payment(struct model_batch *batch, const struct model_order *order, const struct model_payment *payment);
void tell_due_soon(struct model_batch *batch, const struct model_order *order);
void tell_adjusted(struct model_batch *batch, const struct model_sku *sku, int64_t delta,
                   const struct adjust_stock *command);
void tell_disabled(struct model_batch *batch, const struct model_endpoint *endpoint, const char *reason);
void tell_thresholds(struct model_batch *batch, const struct facts *facts);
void expect_notices(struct model_batch *batch, const struct facts *facts, int64_t lead_ms);
void check_events(const struct model_batch *batch, const struct facts *facts);

/* Jobs (model_jobs.c). */
struct model_job model_job_of(const struct job *job);
void check_jobs(struct model_batch *batch, const struct facts *facts, const struct command *command);

/* Endpoints and what is queued for them (model_webhooks.c). */
struct model_endpoint *model_endpoint_copy(const struct model_endpoint *endpoint);
bool predict_webhooks(struct model_batch *batch, const struct command *command, enum outcome_code *ret_code);
void expect_health(struct model_batch *batch, const struct job_result *result, int64_t patience_ms);
void check_endpoints(const struct model_batch *batch, const struct facts *facts);
void check_deliveries(const struct model_batch *batch, const struct facts *facts);

#endif
