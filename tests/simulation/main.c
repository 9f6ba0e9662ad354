/* Runs seeds, several at a time, each in a process of its own so that whatever ends it is a finding. A seed that fails
 * is run again with less and less of what may happen, for as long as it fails, and then tells its story. */

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "world.h"

#define WORKERS_MAX 64
#define SEED_SECONDS_MAX 120 /* one that takes longer hangs */
#define SQLITE_EVERY 25      /* the embedded store is a real one, and slower */
#define STEPS 1500

struct worker {
    pid_t process;
    _Atomic uint64_t seed;
    _Atomic int64_t step;
    struct sim_stats stats;
};

/* Between the processes. */
struct shared {
    atomic_uint_fast64_t next_seed;
    _Atomic bool is_over;
    struct worker workers[WORKERS_MAX];
    _Atomic int64_t retold_step;
};

enum store_choice { STORE_BOTH, STORE_SHARED, STORE_SQLITE };

struct settings {
    uint64_t first_seed;
    int64_t seeds;       /* 0: no end */
    int64_t seconds;     /* 0: no end */
    int64_t seeds_least; /* fewer are too few; 0: any number will do */
    int64_t steps;
    int64_t workers;
    enum store_choice store;
    bool is_quiet;
};

static struct shared *shared;
static char folder[64];

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct sim_options options_of(const struct settings *settings, uint64_t seed, _Atomic int64_t *step)
{
    bool is_sqlite = settings->store == STORE_SQLITE || (settings->store == STORE_BOTH && seed % SQLITE_EVERY == 0);
    return (struct sim_options){
        .seed = seed, .steps = settings->steps, .is_sqlite = is_sqlite, .folder = folder, .step = step};
}

/* ---- Workers ---- */

static void work(const struct settings *settings, struct worker *worker)
{
    char own_folder[sizeof(folder) + 32];
    (void)snprintf(own_folder, sizeof(own_folder), "%s/%d", folder, (int)getpid());
    (void)mkdir(own_folder, 0700);
    for (;;) {
        uint64_t seed = atomic_fetch_add(&shared->next_seed, 1);
        bool is_last = settings->seeds > 0 && seed >= settings->first_seed + (uint64_t)settings->seeds;
        if (is_last || atomic_load(&shared->is_over)) {
            break;
        }
        atomic_store(&worker->seed, seed);
        struct sim_options options = options_of(settings, seed, &worker->step);
        options.folder = own_folder;
        (void)alarm(SEED_SECONDS_MAX);
        simulate(&options, &worker->stats);
    }
    exit(EXIT_SUCCESS);
}

static void start_workers(const struct settings *settings)
{
    (void)fflush(stdout);
    for (int64_t i = 0; i < settings->workers; i++) {
        struct worker *worker = &shared->workers[i];
        pid_t process = fork();
        if (process < 0) {
            perror("simulate: fork");
            exit(2);
        }
        if (process == 0) {
            work(settings, worker);
        }
        worker->process = process; /* the memory is shared: the child must not write it */
    }
}

static void describe_end(int status, char *ret_text, size_t size)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        (void)snprintf(ret_text, size, "did not end within %d seconds", SEED_SECONDS_MAX);
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(ret_text, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(ret_text, size, "broke a rule");
    }
}

/* Waits for one; the worker it was, NULL: none is left. */
static struct worker *wait_worker(const struct settings *settings, int *ret_status)
{
    pid_t process = wait(ret_status);
    for (int64_t i = 0; process > 0 && i < settings->workers; i++) {
        if (shared->workers[i].process == process) {
            return &shared->workers[i];
        }
    }
    return NULL;
}

/* ---- A failing seed ---- */

static int run_child(const struct sim_options *options)
{
    struct sim_stats stats = {0};
    int status;
    (void)fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        if (!options->tells_history) {
            (void)close(STDOUT_FILENO);
            (void)close(STDERR_FILENO);
        }
        (void)alarm(SEED_SECONDS_MAX);
        simulate(options, &stats);
        _exit(EXIT_SUCCESS);
    }
    return waitpid(process, &status, 0) == process ? status : 0;
}

/* Keeps the change where it still fails. */
static bool try_shorter(struct sim_options *options, struct sim_options changed)
{
    if (run_child(&changed) == 0) {
        return false;
    }
    changed.steps = atomic_load(changed.step) + 1 < changed.steps ? atomic_load(changed.step) + 1 : changed.steps;
    *options = changed;
    return true;
}

static void shorten(struct sim_options *options)
{
    struct sim_options changed;
    (void)try_shorter(options, *options); /* no step further than to where it fails */
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        changed = *options;
        changed.calm |= UINT32_C(1) << i;
        (void)try_shorter(options, changed);
    }
    for (int64_t servers = 1; servers < SERVERS_MAX; servers++) {
        changed = *options;
        changed.servers = servers;
        if (try_shorter(options, changed)) {
            break;
        }
    }
    for (int64_t clients = 1; clients <= CLIENTS_MAX / 2; clients *= 2) {
        changed = *options;
        changed.clients = clients;
        if (try_shorter(options, changed)) {
            break;
        }
    }
}

static void tell(const struct settings *settings, uint64_t seed, const char *how)
{
    struct sim_options options = options_of(settings, seed, &shared->retold_step);
    (void)printf("seed %llu %s\n", (unsigned long long)seed, how);
    if (settings->is_quiet) {
        return;
    }
    shorten(&options);
    (void)printf("shortened to %lld steps; what went wrong by itself:", (long long)options.steps);
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        if ((options.calm & (UINT32_C(1) << i)) == 0) {
            (void)printf(" [%s]", trouble_name(i));
        }
    }
    (void)printf("\n");
    options.tells_history = true;
    (void)run_child(&options);
    (void)printf("\nthe whole of it again: ./dev simulate --seed %llu\n", (unsigned long long)seed);
}

/* ---- The end ---- */

static struct sim_stats sum_stats(const struct settings *settings)
{
    struct sim_stats sum = {0};
    for (int64_t i = 0; i < settings->workers; i++) {
        sim_stats_add(&sum, &shared->workers[i].stats);
    }
    return sum;
}

static void report(const struct settings *settings, double seconds)
{
    struct sim_stats sum = sum_stats(settings);
    (void)printf("%lld seeds, %.1f simulated hours in %.1f s: %lld orders, %lld payments, %lld answers, %lld batches, "
                 "%lld deliveries, %lld audits\n",
                 (long long)sum.seeds, (double)sum.simulated_ms / 3.6e6, seconds, (long long)sum.orders,
                 (long long)sum.payments, (long long)sum.answers, (long long)sum.batches, (long long)sum.deliveries,
                 (long long)sum.audits);
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        (void)printf("  %10lld  %s\n", (long long)sum.troubles[i], trouble_name(i));
    }
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        (void)printf("  %10lld  %s\n", (long long)sum.events[i], event_type_name((enum event_type)i));
    }
    if (settings->seeds == 1) {
        (void)printf("trace %016llx\n", (unsigned long long)sum.trace);
    }
}

static bool did_happen(int64_t count, const char *what)
{
    if (count == 0) {
        (void)printf("too little: \"%s\" never happened\n", what);
    }
    return count > 0;
}

/* A run in which too little happened proves nothing. */
static bool was_enough(const struct settings *settings)
{
    struct sim_stats sum = sum_stats(settings);
    bool enough = sum.seeds >= settings->seeds_least;
    if (!enough) {
        (void)printf("too little: %lld seeds, at least %lld are asked for\n", (long long)sum.seeds,
                     (long long)settings->seeds_least);
    }
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        enough = did_happen(sum.troubles[i], trouble_name(i)) && enough;
    }
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        enough = did_happen(sum.events[i], event_type_name((enum event_type)i)) && enough;
    }
    return enough;
}

static void show_progress(const struct settings *settings, double seconds)
{
    struct sim_stats sum = sum_stats(settings);
    (void)fprintf(stderr, "\r%8lld seeds, %lld orders, %.0f s ", (long long)sum.seeds, (long long)sum.orders, seconds);
}

static const char HELP[] =
    "usage: simulate [OPTIONS]\n"
    "\n"
    "Servers, clients, receivers of webhooks and a database in one thread, on a clock of their own, with everything going\n"
    "wrong that a seed thinks of; a simple model next to it says what each answer must be.\n"
    "\n"
    "  --seed N        the first seed (default 1); alone: this one only\n"
    "  --seeds N       how many; 0: until something ends it\n"
    "  --seconds S     no new seed after so many seconds\n"
    "  --at-least N    fails, too, where fewer seeds were run, or something that may go wrong or happen never did\n"
    "  --steps N       of each seed (default 1500)\n"
    "  --store NAME    shared: one in memory, that several servers use at once; sqlite: the embedded one; both (default)\n"
    "  --workers N     seeds at a time (default: one a processor)\n"
    "  --quiet         name a failing seed and do not tell its story\n"
    "\n"
    "Ends with 1 where a seed failed, or there were too few. A seed alone does the same each time.\n"
    "\n"
    "  ./dev simulate --seed 42              one seed\n"
    "  ./dev simulate --seconds 60           for a minute\n"
    "  ./dev simulate --seeds 0              all night\n";

static int64_t number(const char *text)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value < 0) {
        (void)fprintf(stderr, "simulate: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

static enum store_choice store_named(const char *name)
{
    static const char *const NAMES[] = {[STORE_BOTH] = "both", [STORE_SHARED] = "shared", [STORE_SQLITE] = "sqlite"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            return (enum store_choice)i;
        }
    }
    (void)fprintf(stderr, "simulate: no such store: %s\n", name);
    exit(2);
}

static void parse(int argc, char **argv, struct settings *settings)
{
    static const struct option OPTIONS[] = {
        {"seed", required_argument, NULL, 's'},    {"seeds", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'}, {"at-least", required_argument, NULL, 'l'},
        {"steps", required_argument, NULL, 'k'},   {"store", required_argument, NULL, 'd'},
        {"workers", required_argument, NULL, 'w'}, {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    bool has_seed = false;
    bool has_end = false;
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 's':
            settings->first_seed = (uint64_t)number(optarg);
            has_seed = true;
            break;
        case 'n':
            settings->seeds = number(optarg);
            has_end = true;
            break;
        case 't':
            settings->seconds = number(optarg);
            has_end = true;
            break;
        case 'l':
            settings->seeds_least = number(optarg);
            break;
        case 'k':
            settings->steps = number(optarg);
            break;
        case 'd':
            settings->store = store_named(optarg);
            break;
        case 'w':
            settings->workers = number(optarg);
            break;
        case 'q':
            settings->is_quiet = true;
            break;
        case 'h':
            (void)fputs(HELP, stdout);
            exit(EXIT_SUCCESS);
        default:
            exit(2);
        }
    }
    if (has_seed && !has_end) {
        settings->seeds = 1;
    } else if (!has_end) {
        settings->seeds = 1000;
    }
    if (settings->workers < 1 || settings->workers > WORKERS_MAX) {
        settings->workers = 1;
    }
}

static void stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&shared->is_over, true);
}

/* Seeds under way are finished, and what was found out is told; a second one ends all at once. */
static void stop_on_signals(void)
{
    const struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static bool run(const struct settings *settings)
{
    double begin = now_seconds();
    stop_on_signals();
    bool shows = isatty(STDERR_FILENO) && !settings->is_quiet;
    start_workers(settings);
    pid_t ticker = fork();
    if (ticker == 0) { /* the clock: tells when time is up, and how far it is */
        for (;;) {
            (void)usleep(200000);
            double seconds = now_seconds() - begin;
            if (settings->seconds > 0 && seconds >= (double)settings->seconds) {
                atomic_store(&shared->is_over, true);
            }
            if (shows) {
                show_progress(settings, seconds);
            }
        }
    }
    bool failed = false;
    uint64_t seed = 0;
    char how[200] = "";
    for (int64_t left = settings->workers; left > 0;) {
        int status;
        const struct worker *worker = wait_worker(settings, &status);
        left -= worker != NULL;
        uint64_t failing = worker == NULL ? 0 : atomic_load(&worker->seed);
        if (worker != NULL && status != 0 && (!failed || failing < seed)) {
            failed = true;
            seed = failing; /* of several the first: all before it have been tried */
            describe_end(status, how, sizeof(how));
            atomic_store(&shared->is_over, true);
        }
    }
    (void)kill(ticker, SIGKILL);
    (void)waitpid(ticker, NULL, 0);
    if (shows) {
        (void)fprintf(stderr, "\n");
    }
    report(settings, now_seconds() - begin);
    if (failed) {
        tell(settings, seed, how);
        return false;
    }
    return settings->seeds_least == 0 || was_enough(settings);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .first_seed = 1, .steps = STEPS, .workers = sysconf(_SC_NPROCESSORS_ONLN), .store = STORE_BOTH};
    parse(argc, argv, &settings);
    log_set_level(LOG_ERROR + 1);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    /* In memory, where there is such a place: what a disk does is another test's. */
    (void)snprintf(folder, sizeof(folder), "%s/holdfast-simulation-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (shared == MAP_FAILED || mkdtemp(folder) == NULL) {
        perror("simulate");
        return 2;
    }
    atomic_store(&shared->next_seed, settings.first_seed);
    bool ok = run(&settings);
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* with what seeds that failed have left there */
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
