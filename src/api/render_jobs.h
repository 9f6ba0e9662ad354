#ifndef HOLDFAST_API_RENDER_JOBS_H
#define HOLDFAST_API_RENDER_JOBS_H

/* Jobs, queues, schedules and webhooks as JSON: see render.h. */

#include "api/job_reads.h"
#include "base/json_writer.h"

/* Lists leave the log out. */
enum job_log_shown { WITHOUT_LOG, WITH_LOG };
/* A secret is shown once: to whoever made it. */
enum secret_shown { WITHOUT_SECRET, WITH_SECRET };

void render_job(struct json_writer *json, const struct job *job, enum job_log_shown log);
void render_queue(struct json_writer *json, const struct queue_row *row);
/* What can be set of a queue, without what is in it. */
void render_queue_settings(struct json_writer *json, const struct job_queue *queue);
void render_schedule(struct json_writer *json, const struct job_schedule *schedule);
/* queue: the endpoint's. */
void render_endpoint(struct json_writer *json, const struct webhook_endpoint *endpoint, const struct job_queue *queue,
                     enum secret_shown secret);
/* A job of the kind webhook_delivery. */
void render_delivery(struct json_writer *json, const struct job *job);
/* The same with its attempts, which its log tells of. */
void render_delivery_with_attempts(struct json_writer *json, const struct job *job, struct arena *arena);

#endif
