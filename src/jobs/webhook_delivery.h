#ifndef HOLDFAST_JOBS_WEBHOOK_DELIVERY_H
#define HOLDFAST_JOBS_WEBHOOK_DELIVERY_H

/* Deliveries of events to webhook endpoints, as Standard Webhooks has them. The endpoint is the one whose queue the job
 * waits in, as it is when the attempt begins; the event is read from the log. */

#include "base/fault.h"
#include "jobs/job_kinds.h"
#include "jobs/job_run.h"

struct webhook_sender;

/* Opens a reader of its own; all else is the jobs thread's. */
MUST_USE bool webhook_sender_new(const struct job_kinds_options *options, struct webhook_sender **ret_sender,
                                 struct fault *fault);
void webhook_sender_free(struct webhook_sender *sender); /* takes NULL */

/* The context is a sender. */
void webhook_delivery_start(void *context, struct job_run **runs, size_t count);
void webhook_delivery_stop(void *context, struct job_run *run);

#endif
