#include "engine/completions.h"

#include <pthread.h>
#include <stdlib.h>

struct completions {
    /* Immutable. */
    void (*notify)(void *context);
    void *context;

    pthread_mutex_t mutex;
    /* Guarded by mutex. */
    struct command *first;
    struct command *last;
};

struct completions *completions_new(void (*notify)(void *context), void *context)
{
    struct completions *completions = memory_zalloc(1, sizeof(*completions));
    completions->notify = notify;
    completions->context = context;
    pthread_mutex_init(&completions->mutex, NULL);
    return completions;
}

void completions_free(struct completions *completions)
{
    if (completions != NULL) {
        pthread_mutex_destroy(&completions->mutex);
        free(completions);
    }
}

void completions_put(struct completions *completions, struct command *first, struct command *last)
{
    last->next = NULL;
    pthread_mutex_lock(&completions->mutex);
    if (completions->last == NULL) {
        completions->first = first;
    } else {
        completions->last->next = first;
    }
    completions->last = last;
    pthread_mutex_unlock(&completions->mutex);
    completions->notify(completions->context);
}

struct command *completions_take(struct completions *completions)
{
    pthread_mutex_lock(&completions->mutex);
    struct command *first = completions->first;
    completions->first = NULL;
    completions->last = NULL;
    pthread_mutex_unlock(&completions->mutex);
    return first;
}
