#include "jobs/prune_job.h"

#include <stdlib.h>

#define SLICE_ROWS 500

/* One run of it. It lives until its last command was answered, and so past a run that was stopped. */
struct pruning {
    struct job_task task;
    const struct job_kinds_options *options;
    struct job_run *run; /* NULL: it was stopped */
    size_t count;
};

static int64_t before(int64_t now_ms, int64_t keep_ms)
{
    return keep_ms > 0 ? now_ms - keep_ms : INT64_MIN;
}

static void end(struct pruning *pruning, const struct job_finish *finish)
{
    if (pruning->run != NULL) {
        if (finish->kind == JOB_RESULT_DONE && pruning->count > 0) {
            job_run_log(pruning->run, "%zu rows went", pruning->count);
        }
        job_run_finish(pruning->run, finish);
    }
    free(pruning);
}

static void next_slice(struct pruning *pruning);

static void on_pruned(struct job_task *task)
{
    struct pruning *pruning = task->context;
    const struct outcome *outcome = &task->command.outcome;
    if (outcome->code != OUTCOME_PRUNED) {
        end(pruning,
            &(struct job_finish){.kind = JOB_RESULT_FAILED, .error = text_from_c(outcome_code_name(outcome->code))});
        return;
    }
    pruning->count += outcome->count;
    if (outcome->more && outcome->count > 0 && pruning->run != NULL) {
        next_slice(pruning);
    } else {
        end(pruning, &(struct job_finish){.kind = JOB_RESULT_DONE});
    }
}

static void next_slice(struct pruning *pruning)
{
    const struct job_kinds_options *options = pruning->options;
    int64_t now_ms = options->ops->now(options->store);
    pruning->task = (struct job_task){
        .command = {.kind = COMMAND_PRUNE,
                    .input.prune.wanted = {.max = SLICE_ROWS,
                                           .finished_before_ms = before(now_ms, options->finished_keep_ms),
                                           .finished_keep = options->finished_keep,
                                           .dead_before_ms = before(now_ms, options->dead_keep_ms),
                                           .events_before_ms = before(now_ms, options->event_keep_ms)}},
        .completed = on_pruned,
        .context = pruning,
    };
    if (!job_runner_submit(options->runner, &pruning->task)) {
        end(pruning, &(struct job_finish){.kind = JOB_RESULT_GIVEN_BACK});
    }
}

void prune_job_start(void *context, struct job_run **runs, size_t count)
{
    const struct prune_job *prune = context;
    for (size_t i = 0; i < count; i++) {
        struct pruning *pruning = memory_zalloc(1, sizeof(*pruning));
        pruning->options = prune->options;
        pruning->run = runs[i];
        job_run_set_state(runs[i], pruning);
        next_slice(pruning);
    }
}

void prune_job_stop(void *context, struct job_run *run)
{
    (void)context;
    struct pruning *pruning = job_run_state(run);
    pruning->run = NULL;
}
