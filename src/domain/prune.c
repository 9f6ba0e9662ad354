#include "domain/prune.h"

#include <string.h>

void prune_want(const struct prune *command, struct wanted *wanted)
{
    wanted->prune = command->wanted;
}

void prune_decide(struct facts *facts, const struct prune *command, struct outcome *ret_outcome)
{
    (void)command;
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    struct prune_facts *prune = &facts->prune;
    ret_outcome->code = OUTCOME_PRUNED;
    ret_outcome->count = prune->job_count + prune->event_count;
    ret_outcome->more = prune->more;
    if (ret_outcome->count > 0 && !prune->is_accepted) {
        prune->is_accepted = true;
        facts->change_count++;
        ret_outcome->changed = true;
    }
}
