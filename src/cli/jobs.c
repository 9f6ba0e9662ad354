#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_reads.h"
#include "base/arena.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/database.h"
#include "cli/job_table.h"
#include "cli/options.h"
#include "domain/limits.h"
#include "engine/batch.h"

#define ARENA_BYTES (64u * 1024)
#define LIST_MAX 1000
#define REPLANS_MAX 20

struct jobs_settings {
    const char *database;
    const char *state;
    const char *kind;
    const char *queue;
    const char *key;
    int64_t limit;
};

static const struct option LIST_OPTIONS[] = {
    {.name = "state",
     .type = OPTION_TEXT,
     .offset = offsetof(struct jobs_settings, state),
     .placeholder = "STATE",
     .help = "scheduled, running, completed, dead or cancelled",
     .only_typed = true},
    {.name = "kind",
     .type = OPTION_TEXT,
     .offset = offsetof(struct jobs_settings, kind),
     .placeholder = "KIND",
     .help = "what is done, such as webhook_delivery",
     .only_typed = true},
    {.name = "queue",
     .type = OPTION_TEXT,
     .offset = offsetof(struct jobs_settings, queue),
     .placeholder = "QUEUE",
     .help = "where it waits; see: holdfast jobs queues",
     .only_typed = true},
    {.name = "key",
     .type = OPTION_TEXT,
     .offset = offsetof(struct jobs_settings, key),
     .placeholder = "KEY",
     .help = "of one kind at most one job is scheduled under a key",
     .only_typed = true},
    {.name = "limit",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct jobs_settings, limit),
     .placeholder = "N",
     .default_value = "50",
     .min = 1,
     .max = LIST_MAX,
     .help = "no more than that"},
    DATABASE_OPTION(jobs_settings),
};

static const struct option COMMON_OPTIONS[] = {
    DATABASE_OPTION(jobs_settings),
};
#define COMMON_OPTION_COUNT (sizeof(COMMON_OPTIONS) / sizeof(*COMMON_OPTIONS))

/* ---- The database ---- */

/* Does something with an open database, and returns the exit status. */
typedef int database_work(const struct jobs_settings *settings, const struct database *database, void *context);

static int with_database(const struct jobs_settings *settings, database_work *work, void *context)
{
    struct database database;
    struct migration_report report;
    struct fault fault = {0};
    if (!database_resolve(settings->database, &database)) {
        return EXIT_WRONG_USAGE;
    }
    if (!database_open_migrated(&database, &(struct store_options){.create = false}, false, &report, &fault)) {
        return console_fault(&fault);
    }
    int exit_status = work(settings, &database, context);
    database_close(&database);
    if (exit_status == EXIT_DONE && !console_flush()) {
        return EXIT_FAILED;
    }
    return exit_status;
}

/* Prints what it reads; false with a fault, or true with the exit status. */
typedef bool database_read(const struct database *database, struct reader *reader, struct arena *arena,
                           const void *input, int *ret_exit, struct fault *fault);

static int read_database(const struct database *database, database_read *read, const void *input)
{
    struct reader *reader;
    struct fault fault = {0};
    int exit_status = EXIT_DONE;
    if (!database->ops->reader_open(database->store, &reader, &fault)) {
        return console_fault(&fault);
    }
    struct arena *arena = arena_new(ARENA_BYTES);
    if (!read(database, reader, arena, input, &exit_status, &fault)) {
        exit_status = console_fault(&fault);
    }
    arena_free(arena);
    database->ops->reader_close(reader);
    return exit_status;
}

static bool take_job_id(const char *operand, struct uuid *ret_id)
{
    if (!uuid_parse(text_from_c(operand), ret_id)) {
        console_error("'%s' is not how a job's id is written, such as 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11", operand);
        return false;
    }
    return true;
}

static void say_job_not_found(struct uuid job_id)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(job_id, id);
    console_error("job_not_found: no job has the id %s; finished ones are kept for a while only", id);
}

/* ---- list ---- */

const struct command_usage JOBS_LIST_USAGE = {
    .name = "jobs list",
    .about =
        "Lists jobs, newest first. RUN_AT is when a scheduled one may start; LAST_ERROR is cut to fit, show has it\n"
        "whole. Payment timeouts are not among them: each goes with its order, so see the orders.",
    .examples = "  holdfast jobs list\n"
                "  holdfast jobs list --state dead --limit 200\n"
                "  holdfast jobs list --queue webhook:0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = LIST_OPTIONS,
    .option_count = sizeof(LIST_OPTIONS) / sizeof(*LIST_OPTIONS),
};

static bool read_list(const struct database *database, struct reader *reader, struct arena *arena, const void *input,
                      int *ret_exit, struct fault *fault)
{
    const struct jobs_settings *settings = input;
    struct job_filter filter = {
        .queue = text_from_c(settings->queue),
        .kind = text_from_c(settings->kind),
        .key = text_from_c(settings->key),
    };
    const struct page page = {.limit = (size_t)settings->limit};
    struct job **jobs = NULL;
    size_t count = 0;
    bool more = false;
    filter.has_state = settings->state != NULL && job_state_parse(text_from_c(settings->state), &filter.state);
    if (!database->ops->read_jobs(reader, arena, &filter, &page, &jobs, &count, &more, fault)) {
        return false;
    }
    job_table_print(jobs, count);
    if (more) {
        console_error("there are older ones than these %zu: --limit shows more", count);
    }
    *ret_exit = EXIT_DONE;
    return true;
}

static int list_jobs(const struct jobs_settings *settings, const struct database *database, void *context)
{
    (void)context;
    return read_database(database, read_list, settings);
}

static int run_list(const struct jobs_settings *settings, char **operands)
{
    enum job_state state;
    (void)operands;
    if (settings->state != NULL && !job_state_parse(text_from_c(settings->state), &state)) {
        console_error("--state is scheduled, running, completed, dead or cancelled, not '%s'", settings->state);
        return EXIT_WRONG_USAGE;
    }
    return with_database(settings, list_jobs, NULL);
}

/* ---- show ---- */

static const struct command_usage SHOW_USAGE = {
    .name = "jobs show",
    .about = "Shows one job: its fields, one a line, and the lines of its log, oldest first.",
    .examples = "  holdfast jobs show 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "ID",
};

static bool read_one(const struct database *database, struct reader *reader, struct arena *arena, const void *input,
                     int *ret_exit, struct fault *fault)
{
    const struct uuid *id = input;
    struct job *job = NULL;
    if (!database->ops->read_job(reader, arena, id, &job, fault)) {
        return false;
    }
    if (job == NULL) {
        say_job_not_found(*id);
        *ret_exit = EXIT_FAILED;
        return true;
    }
    job_table_print_one(job);
    *ret_exit = EXIT_DONE;
    return true;
}

static int show_job(const struct jobs_settings *settings, const struct database *database, void *context)
{
    (void)settings;
    return read_database(database, read_one, context);
}

static int run_show(const struct jobs_settings *settings, char **operands)
{
    struct uuid id;
    if (!take_job_id(operands[0], &id)) {
        return EXIT_WRONG_USAGE;
    }
    return with_database(settings, show_job, &id);
}

/* ---- queues ---- */

static const struct command_usage QUEUES_USAGE = {
    .name = "jobs queues",
    .about =
        "Lists the queues that have jobs or settings, by name. OLDEST_DUE is since when the first of those waits that\n"
        "may start. Payment timeouts are not among them: see the orders.",
    .examples = "  holdfast jobs queues",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
};

static bool read_all_queues(const struct database *database, struct reader *reader, struct arena *arena,
                            const void *input, int *ret_exit, struct fault *fault)
{
    struct queue_row *rows = NULL;
    size_t count = 0;
    int64_t next_due_ms;
    (void)input;
    /* A store that goes by its server's clock knows it once it has looked at what is due. */
    if (!database->ops->next_due(database->store, &next_due_ms, fault)) {
        return false;
    }
    if (!database->ops->read_queues(reader, arena, QUEUE_COUNTS, database->ops->now(database->store), &rows, &count,
                                    fault)) {
        return false;
    }
    job_reads_add_up(rows, count);
    job_table_print_queues(rows, count);
    *ret_exit = EXIT_DONE;
    return true;
}

static int list_queues(const struct jobs_settings *settings, const struct database *database, void *context)
{
    (void)settings;
    (void)context;
    return read_database(database, read_all_queues, NULL);
}

static int run_queues(const struct jobs_settings *settings, char **operands)
{
    (void)operands;
    return with_database(settings, list_queues, NULL);
}

/* ---- Commands ---- */

static const char *explain_state(const struct command *command)
{
    static const char *const NAMES[] = {
        [JOB_ACTION_RETRY] = "only a dead one can be retried",
        [JOB_ACTION_CANCEL] = "only a scheduled one can be cancelled",
        [JOB_ACTION_PROMOTE] = "only a scheduled one can be promoted",
    };
    return NAMES[command->input.manage_job.action];
}

static int say_refusal(const struct command *command)
{
    const struct outcome *outcome = &command->outcome;
    const char *code = outcome_code_name(outcome->code);
    const char *state = "";
    char id[UUID_TEXT_LENGTH + 1] = "";
    if (outcome->job != NULL) {
        uuid_format(outcome->job->id, id);
        state = job_state_name(outcome->job->state);
    }
    switch (outcome->code) {
    case OUTCOME_JOB_NOT_FOUND:
        say_job_not_found(command->input.manage_job.job_id);
        break;
    case OUTCOME_JOB_STATE:
        console_error("%s: job %s is %s; %s", code, id, state, explain_state(command));
        break;
    case OUTCOME_JOB_KEY_TAKEN:
        console_error("%s: job %s is scheduled under the same key", code, id);
        break;
    case OUTCOME_JOB_IS_BOUND:
        console_error("%s: payment timeouts go with their orders; pay, cancel or extend the order", code);
        break;
    case OUTCOME_QUEUE_NOT_FOUND:
        console_error("%s: no queue of this name has jobs or settings; see: holdfast jobs queues", code);
        break;
    default:
        console_error("%s", code);
        break;
    }
    return EXIT_FAILED;
}

static int say_outcome(const struct command *command)
{
    const struct outcome *outcome = &command->outcome;
    char id[UUID_TEXT_LENGTH + 1];
    if (!outcome_is_success(outcome->code)) {
        return say_refusal(command);
    }
    if (command->kind == COMMAND_UPDATE_QUEUE) {
        const struct job_queue *queue = outcome->queue;
        printf("queue %.*s is %s\n", (int)queue->name.length, queue->name.bytes,
               queue->is_paused ? "paused" : "not paused");
        return EXIT_DONE;
    }
    uuid_format(outcome->job->id, id);
    if (command->input.manage_job.action == JOB_ACTION_CANCEL) {
        printf("job %s is cancelled\n", id);
    } else {
        printf("job %s is scheduled, to run at once\n", id);
    }
    return EXIT_DONE;
}

/* A transaction of its own, beside whatever servers do; planned again where they were faster. Payment timeouts that are
 * due are left to them. */
static bool run_alone(const struct database *database, struct arena *arena, struct command *command,
                      struct engine_metrics *metrics, struct fault *fault)
{
    struct uuid_source ids;
    uuid_source_init(&ids, NULL, NULL);
    for (int replans = 0;; replans++) {
        struct batch_run run = {
            .ops = database->ops,
            .store = database->store,
            .arena = arena,
            .ids = &ids,
            .policy = {.hold_seconds_max = HOLD_SECONDS_MAX_DEFAULT},
            .metrics = metrics,
            .commands = &command,
            .command_count = 1,
            .next_due_ms = INT64_MAX,
        };
        if (batch_run(&run, fault)) {
            return true;
        }
        if (fault->kind != FAULT_CONFLICT || replans == REPLANS_MAX) {
            return false;
        }
        arena_clear(arena);
    }
}

static int execute(const struct jobs_settings *settings, const struct database *database, void *context)
{
    struct command *command = context;
    struct fault fault = {0};
    struct arena *arena = arena_new(ARENA_BYTES);
    struct engine_metrics *metrics = memory_zalloc(1, sizeof(*metrics));
    (void)settings;
    engine_metrics_init(metrics);
    bool ok = run_alone(database, arena, command, metrics, &fault);
    int exit_status = ok ? say_outcome(command) : console_fault(&fault);
    free(metrics);
    arena_free(arena);
    return exit_status;
}

static int manage(const struct jobs_settings *settings, const char *operand, enum job_action action)
{
    struct command command = {.kind = COMMAND_MANAGE_JOB, .input.manage_job.action = action};
    if (!take_job_id(operand, &command.input.manage_job.job_id)) {
        return EXIT_WRONG_USAGE;
    }
    return with_database(settings, execute, &command);
}

static int set_paused(const struct jobs_settings *settings, const char *operand, bool is_paused)
{
    struct command command = {
        .kind = COMMAND_UPDATE_QUEUE,
        .input.update_queue = {.name = text_from_c(operand), .has_paused = true, .is_paused = is_paused},
    };
    if (!job_name_is_good(command.input.update_queue.name)) { /* no queue can have it, whatever the database says */
        command.outcome.code = OUTCOME_QUEUE_NOT_FOUND;
        return say_refusal(&command);
    }
    return with_database(settings, execute, &command);
}

static const struct command_usage RETRY_USAGE = {
    .name = "jobs retry",
    .about = "Runs a dead job again, from its first attempt on. A running server or worker takes it up at once.",
    .examples = "  holdfast jobs list --state dead\n"
                "  holdfast jobs retry 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "ID",
};

static int run_retry(const struct jobs_settings *settings, char **operands)
{
    return manage(settings, operands[0], JOB_ACTION_RETRY);
}

static const struct command_usage CANCEL_USAGE = {
    .name = "jobs cancel",
    .about = "Cancels a scheduled job, for good. One that runs already is not stopped.",
    .examples = "  holdfast jobs cancel 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "ID",
};

static int run_cancel(const struct jobs_settings *settings, char **operands)
{
    return manage(settings, operands[0], JOB_ACTION_CANCEL);
}

static const struct command_usage PROMOTE_USAGE = {
    .name = "jobs promote",
    .about = "Lets a scheduled job run now, and not at its time. A paused queue keeps it all the same.",
    .examples = "  holdfast jobs promote 0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "ID",
};

static int run_promote(const struct jobs_settings *settings, char **operands)
{
    return manage(settings, operands[0], JOB_ACTION_PROMOTE);
}

static const struct command_usage PAUSE_USAGE = {
    .name = "jobs pause",
    .about =
        "Lets no job of a queue start until it is resumed, over restarts, too. Those that run go on. The queue called\n"
        "all stands for all of them; payment timeouts go on in any case.",
    .examples = "  holdfast jobs queues\n"
                "  holdfast jobs pause all\n"
                "  holdfast jobs pause webhook:0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "QUEUE",
};

static int run_pause(const struct jobs_settings *settings, char **operands)
{
    return set_paused(settings, operands[0], true);
}

static const struct command_usage RESUME_USAGE = {
    .name = "jobs resume",
    .about = "Lets the jobs of a paused queue start again.",
    .examples = "  holdfast jobs resume webhook:0193f2a0-5c1e-7d3b-8a44-2f6b1c9e0d11",
    .options = COMMON_OPTIONS,
    .option_count = COMMON_OPTION_COUNT,
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "QUEUE",
};

static int run_resume(const struct jobs_settings *settings, char **operands)
{
    return set_paused(settings, operands[0], false);
}

/* ---- Which one ---- */

static const struct {
    const char *name;
    const struct command_usage *usage;
    int (*run)(const struct jobs_settings *settings, char **operands);
} ACTIONS[] = {
    {"list", &JOBS_LIST_USAGE, run_list},  {"show", &SHOW_USAGE, run_show},          {"retry", &RETRY_USAGE, run_retry},
    {"cancel", &CANCEL_USAGE, run_cancel}, {"promote", &PROMOTE_USAGE, run_promote}, {"pause", &PAUSE_USAGE, run_pause},
    {"resume", &RESUME_USAGE, run_resume}, {"queues", &QUEUES_USAGE, run_queues},
};

static const struct command_usage USAGE = {
    .name = "jobs",
    .about =
        "Background jobs, such as webhook deliveries, and the queues that they wait in. It works on the database,\n"
        "with or without a server beside it. Payment timeouts are not among them: see the orders.",
    .examples = "  holdfast jobs list --state dead          what has failed for good\n"
                "  holdfast jobs show ID                    one of them, with its log\n"
                "  holdfast jobs retry ID                   dead: from its first attempt on\n"
                "  holdfast jobs cancel ID                  scheduled: never\n"
                "  holdfast jobs promote ID                 scheduled: now\n"
                "  holdfast jobs queues                     what waits where\n"
                "  holdfast jobs pause QUEUE                let nothing of it start, until: resume QUEUE\n"
                "  holdfast jobs list --help                each explains itself",
    .operands_min = 1,
    .operands_max = 1,
    .operand_name = "list|show|retry|cancel|promote|pause|resume|queues",
};

int command_jobs(int argument_count, char **arguments)
{
    size_t operand_count;
    int exit_status;
    for (size_t i = 0; argument_count > 0 && i < sizeof(ACTIONS) / sizeof(*ACTIONS); i++) {
        if (strcmp(ACTIONS[i].name, arguments[0]) == 0) {
            struct jobs_settings settings = {0};
            return options_read(ACTIONS[i].usage, argument_count - 1, arguments + 1, &settings, &operand_count,
                                &exit_status)
                       ? ACTIONS[i].run(&settings, arguments + 1)
                       : exit_status;
        }
    }
    if (options_read(&USAGE, argument_count, arguments, NULL, &operand_count, &exit_status)) {
        console_error("'%s' is none of %s", arguments[0], USAGE.operand_name);
        return EXIT_WRONG_USAGE;
    }
    return exit_status;
}
