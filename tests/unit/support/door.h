#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_DOOR_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_DOOR_H

/* A committer over the fake store, for tests: a gate that holds a save up, faults on order, and waiting for answers. */

#include <pthread.h>

#include "engine/committer.h"
#include "fake_store.h"

struct door_fault {
    enum fake_call call;
    enum fault_kind kind;
    size_t after; /* so many calls that succeed, */
    size_t times; /* then so many that fail */
};

struct door {
    struct arena *arena;
    struct store *store;
    struct committer *committer;
    struct engine_metrics metrics;
    struct committer_options options; /* to be changed before door_start */
    bool stopped;

    pthread_mutex_t mutex;
    pthread_cond_t moved;
    /* Guarded by mutex. */
    bool gate_closed; /* saves wait */
    size_t at_gate;   /* saves that came to the gate so far */
    struct door_fault fault;
    const char *poisoned_customer; /* whose orders the database refuses */
    struct uuid poisoned_order;    /* which cannot expire */
    size_t wake_ups;
    size_t appended;               /* transactions that changed something, as the committer told */
    struct command *answered[256]; /* in the order of the answers */
    size_t answered_count;
};

struct door *door_new(void);
void door_start(struct door *door);
void door_stop(struct door *door); /* as committer_stop */
void door_free(struct door *door); /* stops, too; releases what was answered */

void door_close_gate(struct door *door);
void door_open_gate(struct door *door);
void door_wait_at_gate(struct door *door, size_t saves); /* until so many saves came to the gate */
void door_fail(struct door *door, enum fake_call call, enum fault_kind kind, size_t times);
/* One failure, after so many calls of that kind that succeed. */
void door_fail_later(struct door *door, enum fake_call call, enum fault_kind kind, size_t after);
void door_submit(struct door *door, struct command *command);
void door_wait_answers(struct door *door, size_t count); /* until so many commands are answered in all */

/* Commands that live as long as the door, to be filled. */
struct command *door_commands(struct door *door, size_t count);
/* One to place a line for a customer; the line must live as long. */
struct command *door_place(struct door *door, const char *customer_id, const struct place_order_line *line);
struct command place_command(const char *customer_id, const struct place_order_line *line);

#endif
