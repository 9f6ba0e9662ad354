#ifndef HOLDFAST_TESTS_SIMULATION_MODEL_STATE_H
#define HOLDFAST_TESTS_SIMULATION_MODEL_STATE_H

/* What the model's files share: a batch's view of the shop. "Seen" things are not to be changed. */

#include "model.h"

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
/* A batch's event; order NULL: no order's. */
void batch_add_event(struct model_batch *batch, enum event_type type, const struct model_order *order);

#endif
