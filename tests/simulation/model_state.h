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
/* A batch's event; order NULL: no order's. */
void batch_add_event(struct model_batch *batch, enum event_type type, const struct model_order *order);

#endif
