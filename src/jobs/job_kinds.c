#include "jobs/job_kinds.h"

#include <stdlib.h>

#include "base/arena.h"
#include "jobs/prune_job.h"
#include "jobs/webhook_delivery.h"

#define MAINTENANCE_QUEUE "maintenance"
#define PRUNE_RETRY                                  \
    {                                                \
        .backoff_ms = 10000, .backoff_ms_max = 60000 \
    }

struct job_kinds {
    struct job_kinds_options options;
    struct prune_job prune;
    struct webhook_sender *webhooks;
};

bool job_kinds_new(const struct job_kinds_options *options, struct job_kinds **ret_kinds, struct fault *fault)
{
    struct job_kinds *kinds = memory_zalloc(1, sizeof(*kinds));
    kinds->options = *options;
    kinds->prune = (struct prune_job){.options = &kinds->options};
    if (!webhook_sender_new(options, &kinds->webhooks, fault)) {
        free(kinds);
        return false;
    }
    *ret_kinds = kinds;
    return true;
}

bool job_kinds_start(struct job_kinds *kinds, struct committer *committer, struct fault *fault)
{
    const struct job_kind table[] = {
        {"webhook_delivery", 1, kinds->options.webhook_retry, kinds->webhooks, webhook_delivery_start,
         webhook_delivery_stop},
        {"prune", 1, PRUNE_RETRY, &kinds->prune, prune_job_start, prune_job_stop},
    };
    const struct periodic_job periodic[] = {
        {"prune", MAINTENANCE_QUEUE, "prune", kinds->options.prune_cron, kinds->options.time_zone},
    };
    return job_runner_start(kinds->options.runner, committer, table, sizeof(table) / sizeof(*table), periodic,
                            sizeof(periodic) / sizeof(*periodic), fault);
}

void job_kinds_free(struct job_kinds *kinds)
{
    if (kinds != NULL) {
        webhook_sender_free(kinds->webhooks);
        free(kinds);
    }
}
