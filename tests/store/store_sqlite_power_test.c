/* The SQLite store on a disk that loses power, fills up or fails, at every call that changes it. A rush of business is
 * played twice: once to learn what the shop contains after each step, and once in which every such call forks a process
 * where it is the one that goes wrong. What is found wrong there is printed there. */

#include "power_check.h"
#include "power_vfs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "sqlite_files.h"
#include "store/sqlite/file_lock.h"
#include "store/sqlite/sqlite_internal.h"
#include "store/sqlite/sqlite_store.h"

#define STEPS_MAX 48
#define PROCESSES_MAX 2
#define PROCESS_SECONDS_MAX 120
#define STEPS_AFTER_A_FAULT 2

static const struct disk_device SMALL_SECTORS = {"sectors of 512 bytes", 512, false};
static const struct disk_device LARGE_SECTORS = {"sectors of 4096 bytes", 4096, false};
/* What SQLite's VFS for Unix says of every disk: what servers run on. */
static const struct disk_device SAFE_SECTORS = {"sectors of 4096 bytes, powersafe", 4096, true};

/* A way in which a call goes wrong. */
struct trial {
    enum power_answer answer;
    bool lasts; /* until the disk is well again */
};
static const struct trial POWER_FAILS = {ANSWER_POWER_FAILS, true};
static const struct trial FAULTS[] = {
    {ANSWER_DISK_FULL, false}, {ANSWER_DISK_FAILS, false}, {ANSWER_DISK_FULL, true}, {ANSWER_DISK_FAILS, true}};
#define FAULT_TRIALS (sizeof(FAULTS) / sizeof(FAULTS[0]))

struct sweep {
    const struct rush_step *steps;
    size_t step_count;
    const struct disk_device *device;
    bool is_old_shop;
    bool is_power; /* or faults */
    size_t stride; /* of a short sweep: one write in so many goes wrong, and every other call */
    size_t seeds;  /* of a thorough one: of each kind of loss; 0: it is short */

    char location[512];
    char location_after[512]; /* a loss of power */
    struct rush rush;
    struct shop_content contents[STEPS_MAX + 1]; /* before each step, and at the end */
    size_t points;
    bool forks;
    uint64_t platter_version; /* at the last point at which everything was lost */
    size_t trials;
    size_t outcomes;
    size_t failures;
    pid_t processes[PROCESSES_MAX];
    size_t process_count;

    /* In a process where a call goes wrong. */
    bool is_process;
    struct trial trial;
    enum power_call call;
    bool is_well; /* again */
    bool loses_all;
};

/* HOLDFAST_POWER_SEEDS=3: a thorough sweep. Every call goes wrong, in every way, with so many seeds of each loss
 * (8 at most). */
static size_t seeds_wanted(void)
{
    const char *text = getenv("HOLDFAST_POWER_SEEDS");
    return text == NULL ? 0 : (size_t)strtoul(text, NULL, 10);
}

/* Losses */

static const enum disk_loss SEEDED[] = {LOSS_TORN_LAST, LOSS_OF_END, LOSS_TORN, LOSS_OF_SOME, LOSS_OF_SECTORS};
#define SEEDED_COUNT (sizeof(SEEDED) / sizeof(SEEDED[0]))

struct planned_loss {
    enum disk_loss loss;
    uint64_t seed;
};

/* The outcomes of a point. Everything that was not synced is lost only where something was synced since. */
static size_t plan_losses(const struct sweep *sweep, struct planned_loss ret_losses[2 + SEEDED_COUNT * 8])
{
    size_t count = 0;
    uint64_t point = sweep->points;
    if (sweep->loses_all) {
        ret_losses[count++] = (struct planned_loss){LOSS_OF_ALL, 0};
    }
    if (sweep->seeds == 0) {
        ret_losses[count++] = (struct planned_loss){SEEDED[point % SEEDED_COUNT], point};
        return count;
    }
    ret_losses[count++] = (struct planned_loss){LOSS_OF_NONE, 0};
    for (size_t seed = 0; seed < sweep->seeds && seed < 8; seed++) {
        for (size_t i = 0; i < SEEDED_COUNT; i++) {
            ret_losses[count++] = (struct planned_loss){SEEDED[i], point * 8 + seed};
        }
    }
    return count;
}

/* Power that fails some time after the disk did. */
static const struct planned_loss AFTER_A_FAULT[] = {{LOSS_OF_ALL, 0}, {LOSS_OF_NONE, 0}, {LOSS_OF_SECTORS, 1}};
#define AFTER_A_FAULT_COUNT 3

/* Processes */

static void reap_first(struct sweep *sweep)
{
    int status;
    assert_int_equal(waitpid(sweep->processes[0], &status, 0), sweep->processes[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        sweep->failures++;
        if (WIFSIGNALED(status)) {
            print_error("a process ended by signal %d\n", WTERMSIG(status));
        }
    }
    sweep->process_count--;
    memmove(sweep->processes, sweep->processes + 1, sweep->process_count * sizeof(pid_t));
}

static void reap_all(struct sweep *sweep)
{
    while (sweep->process_count > 0) {
        reap_first(sweep);
    }
}

static void make_folder(const struct sweep *sweep, const char *ending, char ret_location[512])
{
    char folder[560];
    (void)snprintf(folder, sizeof(folder), "%s.%d%s", sweep->location, (int)getpid(), ending);
    (void)mkdir(folder, 0700);
    (void)snprintf(ret_location, 512, "%.400s/shop.db", folder);
}

static void remove_folder(const char *location)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s-lock", location);
    (void)unlink(path);
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
}

/* Locks of files are shared with the process that this one comes from, and outlast the power of this disk: what is opened
 * from now on is elsewhere, and what is opened after a loss of power elsewhere again. */
static void move_out(struct sweep *sweep)
{
    make_folder(sweep, "", sweep->rush.location);
    make_folder(sweep, ".after", sweep->location_after);
    if (sweep->rush.store != NULL) {
        struct fault fault;
        int file;
        assert_true(file_lock_open(sweep->rush.location, &file, &fault));
        assert_true(dup2(file, sweep->rush.store->lock_file) >= 0);
        file_lock_close(file);
        assert_true(file_lock_share(sweep->rush.store->lock_file, FILE_LOCK_OPEN, 0));
    }
}

/* True in the new process, in which the present call goes wrong. */
static bool fork_process(struct sweep *sweep, enum power_call call, struct trial trial)
{
    if (sweep->process_count == PROCESSES_MAX) {
        reap_first(sweep);
    }
    (void)fflush(NULL);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process != 0) {
        sweep->processes[sweep->process_count++] = process;
        return false;
    }
    (void)alarm(PROCESS_SECONDS_MAX);
    (void)signal(SIGSEGV, SIG_DFL); /* cmocka would go on to the next test */
    (void)signal(SIGABRT, SIG_DFL);
    sweep->is_process = true;
    move_out(sweep);
    sweep->call = call;
    sweep->trial = trial;
    return true;
}

static bool applies(enum power_call call, enum power_answer answer)
{
    return answer != ANSWER_DISK_FULL || (call != CALL_TRUNCATE && call != CALL_DELETE);
}

static enum power_answer fork_for_power(struct sweep *sweep, enum power_call call)
{
    struct planned_loss losses[2 + SEEDED_COUNT * 8];
    if (call == CALL_GROW_INDEX) {
        return ANSWER_DO; /* the index is memory */
    }
    sweep->loses_all = sweep->platter_version != disk_platter_version(sweep->rush.disk);
    sweep->platter_version = disk_platter_version(sweep->rush.disk);
    sweep->outcomes += plan_losses(sweep, losses);
    sweep->trials++;
    return fork_process(sweep, call, POWER_FAILS) ? ANSWER_POWER_FAILS : ANSWER_DO;
}

static enum power_answer fork_for_faults(struct sweep *sweep, enum power_call call)
{
    for (size_t i = 0; i < FAULT_TRIALS; i++) {
        if (!applies(call, FAULTS[i].answer) || (sweep->seeds == 0 && sweep->points % FAULT_TRIALS != i)) {
            continue;
        }
        sweep->trials++;
        if (fork_process(sweep, call, FAULTS[i])) {
            return FAULTS[i].answer;
        }
    }
    return ANSWER_DO;
}

static enum power_answer on_call(void *context, enum power_call call)
{
    struct sweep *sweep = context;
    if (sweep->is_process) {
        bool is_wrong = sweep->trial.lasts && !sweep->is_well && applies(call, sweep->trial.answer);
        return is_wrong ? sweep->trial.answer : ANSWER_DO;
    }
    sweep->points++;
    bool is_chosen = sweep->seeds > 0 || call != CALL_WRITE || sweep->points % sweep->stride == 0;
    if (!sweep->forks || !is_chosen) {
        return ANSWER_DO;
    }
    return sweep->is_power ? fork_for_power(sweep, call) : fork_for_faults(sweep, call);
}

/* The end of such a process */

static void end_process(const struct sweep *sweep, size_t step, bool ok, const struct why *why)
{
    if (!ok) {
        (void)fprintf(stderr, "# point %zu, \"%s\", %s goes wrong (%s%s): %s\n", sweep->points, sweep->steps[step].name,
                      POWER_CALL_NAMES[sweep->call],
                      sweep->is_power                           ? "no power"
                      : sweep->trial.answer == ANSWER_DISK_FULL ? "full"
                                                                : "error",
                      sweep->trial.lasts ? ", lasting" : "", why->text);
    }
    remove_folder(sweep->rush.location);
    remove_folder(sweep->location_after);
    (void)fflush(NULL);
    _exit(ok ? 0 : 1);
}

static struct shop_expected expected_of(const struct sweep *sweep, size_t step, bool may_be_before, bool may_be_after)
{
    return (struct shop_expected){&sweep->contents[may_be_before ? step : step + 1],
                                  &sweep->contents[may_be_after ? step + 1 : step]};
}

static bool check_losses(struct sweep *sweep, const struct planned_loss *losses, size_t count,
                         struct shop_expected expected, struct why *why)
{
    int64_t now_ms = harness_now_ms;
    power_vfs_ask(NULL, NULL); /* the disk that comes back is well */
    for (size_t i = 0; i < count; i++) {
        struct why found;
        if (!shop_check(disk_lose_power(sweep->rush.disk, losses[i].loss, losses[i].seed), sweep->location_after,
                        now_ms, expected, sweep->seeds > 0 || sweep->points % 8 == 0, &found)) {
            return why_set(why, "%s (seed %llu): %s", DISK_LOSS_NAMES[losses[i].loss],
                           (unsigned long long)losses[i].seed, found.text);
        }
    }
    power_vfs_mount(sweep->rush.disk);
    power_vfs_ask(on_call, sweep);
    harness_now_ms = now_ms;
    return true;
}

/* What was answered is there as it was answered; of what was not, all or nothing. */
static void end_without_power(struct sweep *sweep, size_t step, bool is_answered)
{
    struct planned_loss losses[2 + SEEDED_COUNT * 8];
    struct why why;
    size_t count = plan_losses(sweep, losses);
    rush_done(&sweep->rush);
    power_vfs_power_is_back();
    bool ok = check_losses(sweep, losses, count, expected_of(sweep, step, !is_answered, true), &why);
    end_process(sweep, step, ok, &why);
}

static bool check_live(struct sweep *sweep, struct shop_expected expected, struct why *why)
{
    struct shop_content content = {.count = 0};
    return sweep->rush.store == NULL || sweep->rush.reader == NULL ||
           (shop_content_read(&sweep->rush, &content, why) && shop_is_expected(&content, expected, why));
}

/* The step's fault says what may have become of it. */
static bool check_fault(const struct sweep *sweep, bool is_first, struct why *why)
{
    const struct fault *fault = &sweep->rush.fault;
    if (fault->kind == FAULT_UNAVAILABLE) {
        bool is_full =
            is_first && !sweep->trial.lasts && sweep->trial.answer == ANSWER_DISK_FULL && sweep->call == CALL_WRITE;
        return !is_full || strstr(fault->detail, "full") != NULL || why_set(why, "the disk is full: %s", fault->detail);
    }
    return (fault->kind == FAULT_OUTCOME_UNKNOWN && (sweep->call == CALL_SYNC || sweep->call == CALL_GROW_INDEX)) ||
           why_set(why, "%s: %s", fault_kind_name(fault->kind), fault->detail);
}

static bool play_on(struct sweep *sweep, size_t step, struct why *why)
{
    struct rush *rush = &sweep->rush;
    if (!rush_step_play(rush, &sweep->steps[step]) || rush->mistake != NULL) {
        return why_set(why, "the disk is well again, and \"%s\" fails: %s: %s, %s", sweep->steps[step].name,
                       fault_kind_name(rush->fault.kind), rush->fault.detail, rush->mistake);
    }
    return check_live(sweep, expected_of(sweep, step, false, true), why);
}

/* Another try while the disk is still failing fares no better, or comes through. True where it did; sets *ret_is_open
 * where what failed may be there all the same once the power fails, too. */
static bool try_again(struct sweep *sweep, size_t step, bool *ret_is_open, bool *ret_ok, struct why *why)
{
    const struct fault *fault = &sweep->rush.fault;
    *ret_is_open = !sweep->device->powersafe_overwrite; /* what failed may be padding behind a commit */
    for (int tries = 0; tries < 2; tries++) {
        *ret_ok = check_fault(sweep, tries == 0, why);
        *ret_is_open = *ret_is_open || fault->kind == FAULT_OUTCOME_UNKNOWN ||
                       (!sweep->rush.is_batch && sweep->call == CALL_SYNC); /* only a batch's fault says so */
        if (!*ret_ok || !sweep->trial.lasts) {
            return false;
        }
        if (tries == 0 && rush_step_play(&sweep->rush, &sweep->steps[step])) {
            return true;
        }
    }
    return false;
}

/* A sync failed over a checkpoint: all went on without a restart, but the log grows until there is one. */
static bool check_restart(struct sweep *sweep, size_t step, struct why *why)
{
    struct rush *rush = &sweep->rush;
    bool more;
    if (!rush_restart(rush) || !SQLITE_STORE.maintain(rush->store, true, &more, &rush->fault)) {
        return why_set(why, "a restart does not help: %s", rush->fault.detail);
    }
    return check_live(sweep, expected_of(sweep, step, false, true), why) &&
           check_losses(sweep, AFTER_A_FAULT, sweep->seeds > 0 ? AFTER_A_FAULT_COUNT : 1,
                        expected_of(sweep, step, false, true), why);
}

static bool check_recovery(struct sweep *sweep, size_t step, bool is_answered, struct why *why)
{
    sweep->is_well = true;
    if (!is_answered && !play_on(sweep, step, why)) {
        return false;
    }
    size_t last = step;
    while (last + 1 < sweep->step_count && last < step + STEPS_AFTER_A_FAULT) {
        if (!play_on(sweep, ++last, why)) {
            return false;
        }
    }
    return (sweep->rush.store == NULL || sweep->rush.is_reading || shop_audit(&sweep->rush, why)) &&
           check_losses(sweep, AFTER_A_FAULT, sweep->seeds > 0 ? AFTER_A_FAULT_COUNT : 1,
                        expected_of(sweep, last, false, true), why) &&
           (!rush_asks_for_restart(&sweep->rush) || check_restart(sweep, last, why));
}

/* An `audit`, or a worker, that comes where the store asks for a restart: it knows of no failure of its own. */
static bool another_comes_and_goes(struct sweep *sweep, struct why *why)
{
    const struct store_options options = {.location = sweep->rush.location, .create = true, .unix_ms = harness_clock};
    struct store *other;
    struct fault fault;
    bool more;
    sweep->is_well = true;
    if (!SQLITE_STORE.open(&options, &other, &fault) || !store_get_ready(other, &fault)) {
        return why_set(why, "another cannot open it: %s", fault.detail);
    }
    other->prune_round_at_ms = INT64_MAX; /* the shop's content stays as it is */
    bool is_told = !SQLITE_STORE.maintain(other, true, &more, &fault) && strstr(fault.detail, "start again") != NULL;
    SQLITE_STORE.close(other);
    return is_told || why_set(why, "another is not told of a failed sync");
}

static bool check_faulty(struct sweep *sweep, size_t step, bool is_answered, struct why *why)
{
    bool ok = true;
    bool is_open = false;
    if (!is_answered) {
        is_answered = try_again(sweep, step, &is_open, &ok, why);
    }
    size_t losses = sweep->seeds > 0 ? AFTER_A_FAULT_COUNT : 1;
    struct shop_expected expected = expected_of(sweep, step, !is_answered, is_answered || is_open);
    return ok && check_live(sweep, expected_of(sweep, step, !is_answered, is_answered), why) &&
           check_losses(sweep, AFTER_A_FAULT, losses, expected, why) &&
           (!rush_asks_for_restart(&sweep->rush) ||
            (another_comes_and_goes(sweep, why) && check_losses(sweep, AFTER_A_FAULT, losses, expected, why))) &&
           check_recovery(sweep, step, is_answered, why);
}

static void end_with_fault(struct sweep *sweep, size_t step, bool is_answered)
{
    struct why why;
    bool ok = check_faulty(sweep, step, is_answered, &why);
    end_process(sweep, step, ok, &why);
}

/* The sweep */

/* Plays a step and reads what the shop contains afterwards; or ends a process in which something went wrong. */
static void play_step(struct sweep *sweep, size_t step, struct shop_content *ret_content)
{
    struct rush *rush = &sweep->rush;
    struct why why;
    bool ok = rush_step_play(rush, &sweep->steps[step]);
    if (sweep->is_process && sweep->is_power) {
        end_without_power(sweep, step, ok);
    } else if (sweep->is_process) {
        end_with_fault(sweep, step, ok);
    }
    if (!ok || rush->mistake != NULL) {
        fail_msg("\"%s\": %s, %s", sweep->steps[step].name, rush->fault.detail, rush->mistake);
    }
    if (rush->store == NULL) {
        *ret_content = sweep->contents[step];
    } else if (!shop_content_read(rush, ret_content, &why)) {
        fail_msg("\"%s\": %s", sweep->steps[step].name, why.text);
    }
}

static void play(struct sweep *sweep)
{
    struct disk *disk = disk_new(sweep->device);
    struct shop_content content = {.count = 0};
    power_vfs_ask(NULL, NULL);
    power_vfs_register();
    if (sweep->is_old_shop) {
        rush_lay_old_shop(disk, sweep->location);
    }
    power_vfs_mount(disk);
    rush_init(&sweep->rush, disk, sweep->location);
    sweep->points = 0;
    power_vfs_ask(on_call, sweep);
    for (size_t step = 0; step < sweep->step_count; step++) {
        play_step(sweep, step, &content);
        if (!sweep->forks) {
            sweep->contents[step + 1] = content;
        }
        assert_null(shop_content_difference(&content, &sweep->contents[step + 1]));
    }
    power_vfs_ask(NULL, NULL);
    rush_done(&sweep->rush);
    disk_free(disk);
}

/* Of this process and of those that it forked. */
static double cpu_seconds(void)
{
    double seconds = 0;
    static const int WHOSE[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < 2; i++) {
        struct rusage usage;
        assert_int_equal(getrusage(WHOSE[i], &usage), 0);
        seconds += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    return seconds;
}

static void run_sweep(struct sweep wanted)
{
    struct sweep *sweep = memory_alloc(sizeof(*sweep));
    double begin_seconds = cpu_seconds();
    *sweep = wanted;
    sweep->seeds = seeds_wanted();
    sqlite_files_prepare(sweep->location, sizeof(sweep->location));
    play(sweep);
    size_t points = sweep->points;
    sweep->contents[0] = sweep->contents[1]; /* whoever opens the shop migrates it */
    sweep->forks = true;
    play(sweep);
    reap_all(sweep);
    assert_int_equal(sweep->points, points);
    sqlite_files_discard(sweep->location);
    print_message("# %s: %zu points, %zu trials, %zu outcomes, %.1f s of CPU time\n", sweep->device->name, points,
                  sweep->trials, sweep->outcomes, cpu_seconds() - begin_seconds);
    size_t failures = sweep->failures;
    free(sweep);
    assert_int_equal(failures, 0);
}

static struct sweep first_day(const struct disk_device *device, bool is_power, size_t stride)
{
    return (struct sweep){.steps = RUSH_FIRST_DAY,
                          .step_count = RUSH_FIRST_DAY_COUNT,
                          .device = device,
                          .is_power = is_power,
                          .stride = stride};
}

static struct sweep long_day(const struct disk_device *device, bool is_power, size_t stride)
{
    return (struct sweep){.steps = RUSH_LONG_DAY,
                          .step_count = RUSH_LONG_DAY_COUNT,
                          .device = device,
                          .is_old_shop = true,
                          .is_power = is_power,
                          .stride = stride};
}

static void a_new_shop_survives_a_loss_of_power(void **state)
{
    (void)state;
    run_sweep(first_day(&SMALL_SECTORS, true, 9));
    run_sweep(first_day(&SAFE_SECTORS, true, 13));
}

static void a_shop_survives_a_loss_of_power(void **state)
{
    (void)state;
    run_sweep(long_day(&SMALL_SECTORS, true, 9));
    run_sweep(long_day(&SAFE_SECTORS, true, 13));
    if (seeds_wanted() > 0) {
        run_sweep(long_day(&LARGE_SECTORS, true, 1));
    }
}

static void a_new_shop_survives_a_failing_disk(void **state)
{
    (void)state;
    run_sweep(first_day(&SAFE_SECTORS, false, 13));
}

static void a_shop_survives_a_failing_disk(void **state)
{
    (void)state;
    run_sweep(long_day(&SAFE_SECTORS, false, 13));
    if (seeds_wanted() > 0) {
        run_sweep(long_day(&SMALL_SECTORS, false, 1));
    }
}

static enum power_answer refuse_to_grow_the_index(void *context, enum power_call call)
{
    bool *was_asked = context;
    *was_asked = *was_asked || call == CALL_GROW_INDEX;
    return call == CALL_GROW_INDEX ? ANSWER_DISK_FULL : ANSWER_DO;
}

/* The log's index is a file, too. By the time it has to grow the commit is in the log, and synced: it comes back after a
 * crash, unless another one has been written over it. */
static void a_commit_that_the_logs_index_has_no_room_for_is_an_unknown_outcome(void **state)
{
    (void)state;
    static struct rush rush;
    struct shop_content before = {.count = 0};
    struct why why;
    char location[512];
    bool was_asked = false;
    struct disk *disk = disk_new(&SAFE_SECTORS);
    power_vfs_register();
    power_vfs_mount(disk);
    sqlite_files_prepare(location, sizeof(location));
    rush_init(&rush, disk, location);
    assert_true(rush_open(&rush) && rush_place_any(&rush));
    /* The first part of the index has room for 4062 pages. */
    assert_true(connection_run_script(&rush.store->writer,
                                      "CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(15500000)); "
                                      "DROP TABLE filler",
                                      &rush.fault));
    power_vfs_ask(refuse_to_grow_the_index, &was_asked);
    for (bool ok = true; ok;) {
        assert_true(shop_content_read(&rush, &before, &why));
        harness_now_ms += 1000;
        ok = rush_place_one(&rush, "cup", 1);
    }
    power_vfs_ask(NULL, NULL);
    assert_true(was_asked);
    assert_int_equal(rush.fault.kind, FAULT_OUTCOME_UNKNOWN);

    static struct rush after;
    struct shop_content content = {.count = 0};
    struct disk *lost = disk_lose_power(disk, LOSS_OF_ALL, 0);
    rush_init(&after, lost, location);
    power_vfs_mount(lost);
    assert_true(rush_open(&after) && shop_content_read(&after, &content, &why) && shop_audit(&after, &why));
    assert_non_null(shop_content_difference(&before, &content)); /* it is there */
    rush_done(&after);
    disk_free(lost);
    power_vfs_mount(disk);
    assert_true(rush_place_any(&rush) && shop_audit(&rush, &why));
    rush_done(&rush);
    disk_free(disk);
    sqlite_files_discard(location);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_shop_survives_a_loss_of_power),
        cmocka_unit_test(a_shop_survives_a_loss_of_power),
        cmocka_unit_test(a_new_shop_survives_a_failing_disk),
        cmocka_unit_test(a_shop_survives_a_failing_disk),
        cmocka_unit_test(a_commit_that_the_logs_index_has_no_room_for_is_an_unknown_outcome),
    };
    return cmocka_run_group_tests_name("sqlite power", tests, NULL, NULL);
}
