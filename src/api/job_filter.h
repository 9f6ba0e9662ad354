#ifndef HOLDFAST_API_JOB_FILTER_H
#define HOLDFAST_API_JOB_FILTER_H

#include "api/call.h"

/* ?state=, of jobs and of deliveries; what is wrong with it goes to the call's errors. */
void job_state_read(struct call *call, struct job_filter *filter);

#endif
