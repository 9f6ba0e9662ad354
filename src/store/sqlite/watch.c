/* Nothing tells a process that another has written to the file, so it is looked at: every 20 ms at one number in memory
 * that they share. What this process itself commits moves it, too, and is left out as far as that can be told; what is so
 * missed is found by whoever looks once a second. */

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/sqlite/jobs.h"

#define LOOK_NS 20000000

struct watch {
    struct store *store;
    void (*changed)(void *context, int64_t job_at_ms);
    void *context;
    struct connection connection;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    bool is_stopping; /* guarded by mutex */
};

static bool sleep_until_next(struct watch *watch)
{
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += LOOK_NS;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    pthread_mutex_lock(&watch->mutex);
    int error = 0;
    while (error == 0 && !watch->is_stopping) {
        error = pthread_cond_timedwait(&watch->stopped, &watch->mutex, &deadline);
    }
    bool goes_on = !watch->is_stopping;
    pthread_mutex_unlock(&watch->mutex);
    return goes_on;
}

static void *watch_main(void *argument)
{
    struct watch *watch = argument;
    int64_t seen = 0;
    int64_t own_seen = -1;
    (void)pthread_setname_np(pthread_self(), "watch");
    do {
        struct fault ignored;
        int64_t version;
        int64_t own = atomic_load_explicit(&watch->store->own_commits, memory_order_relaxed);
        if (!connection_read_int64(&watch->connection, "PRAGMA data_version", 0, &version, &ignored)) {
            continue;
        }
        if (version != seen && own == own_seen) {
            watch->changed(watch->context, 0);
        }
        seen = version;
        own_seen = own;
    } while (sleep_until_next(watch));
    return NULL;
}

static void watch_free(struct watch *watch)
{
    connection_close(&watch->connection);
    pthread_cond_destroy(&watch->stopped);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

bool sqlite_watch_start(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                        struct watch **ret_watch, struct fault *fault)
{
    struct watch *watch = memory_zalloc(1, sizeof(*watch));
    pthread_condattr_t attributes;
    watch->store = store;
    watch->changed = changed;
    watch->context = context;
    if (!connection_open(store->path, SQLITE_OPEN_READWRITE, &watch->connection, fault)) {
        free(watch);
        return false;
    }
    pthread_mutex_init(&watch->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!connection_run_script(&watch->connection, "PRAGMA query_only = ON", fault)) {
        watch_free(watch);
        return false;
    }
    if (pthread_create(&watch->thread, NULL, watch_main, watch) != 0) {
        watch_free(watch);
        return fault_set(fault, FAULT_INTERNAL, "cannot start the watch's thread");
    }
    *ret_watch = watch;
    return true;
}

void sqlite_watch_stop(struct watch *watch)
{
    if (watch == NULL) {
        return;
    }
    pthread_mutex_lock(&watch->mutex);
    watch->is_stopping = true;
    pthread_cond_signal(&watch->stopped);
    pthread_mutex_unlock(&watch->mutex);
    pthread_join(watch->thread, NULL);
    watch_free(watch);
}
