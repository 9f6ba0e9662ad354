#include "door.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "domain/limits.h"

#define PATIENCE_SECONDS 30 /* after which a test that waits is a test that failed */

static bool is_poisoned(const struct door *door, const struct facts *facts)
{
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        bool expires = order->status == ORDER_EXPIRED && order->loaded_status == ORDER_DRAFT;
        if ((order->loaded_version == 0 && text_equal_c(order->customer_id, door->poisoned_customer)) ||
            (expires && uuid_equal(order->id, door->poisoned_order))) {
            return true;
        }
    }
    return false;
}

static bool before_call(void *context, enum fake_call call, const struct facts *facts, struct fault *fault)
{
    struct door *door = context;
    bool ok = true;
    pthread_mutex_lock(&door->mutex);
    if (call == FAKE_SAVE) {
        door->at_gate++;
        pthread_cond_broadcast(&door->moved);
        while (door->gate_closed) {
            pthread_cond_wait(&door->moved, &door->mutex);
        }
    }
    bool is_call = door->fault.call == call && door->fault.times > 0;
    if (is_call && door->fault.after > 0) {
        door->fault.after--;
    } else if (is_call) {
        door->fault.times--;
        ok = fault_set(fault, door->fault.kind, "on order");
    } else if (call == FAKE_SAVE && is_poisoned(door, facts)) {
        ok = fault_set(fault, FAULT_CONSTRAINT, "poisoned");
    }
    pthread_mutex_unlock(&door->mutex);
    return ok;
}

static void note_completed(void *context)
{
    struct door *door = context;
    pthread_mutex_lock(&door->mutex);
    door->wake_ups++;
    pthread_cond_broadcast(&door->moved);
    pthread_mutex_unlock(&door->mutex);
}

static void note_appended(void *context)
{
    struct door *door = context;
    pthread_mutex_lock(&door->mutex);
    door->appended++;
    pthread_mutex_unlock(&door->mutex);
}

struct door *door_new(void)
{
    struct door *door = memory_zalloc(1, sizeof(*door));
    pthread_mutex_init(&door->mutex, NULL);
    pthread_cond_init(&door->moved, NULL);
    door->poisoned_customer = "";
    door->arena = arena_new(64 * 1024);
    door->store = fake_store_new((struct fake_hook){before_call, door});
    engine_metrics_init(&door->metrics);
    door->options = (struct committer_options){
        .ops = &FAKE_STORE_OPS,
        .store = door->store,
        .policy = {.hold_seconds_max = HOLD_SECONDS_MAX_DEFAULT},
        .queue_weight_max = 1000,
        .batch_weight_max = 100,
        .sweep_max = 100,
        .metrics = &door->metrics,
        .completed = note_completed,
        .appended = note_appended,
        .context = door,
    };
    return door;
}

void door_start(struct door *door)
{
    struct fault fault;
    bool started = committer_start(&door->options, &door->committer, &fault);
    assert(started);
}

/* The answers that are there; the mutex is held. */
static void collect(struct door *door)
{
    struct command *command = committer_take_completed(door->committer);
    for (; command != NULL; command = command->next) {
        assert(door->answered_count < sizeof(door->answered) / sizeof(door->answered[0]));
        door->answered[door->answered_count++] = command;
    }
}

void door_stop(struct door *door)
{
    if (!door->stopped) {
        committer_stop(door->committer);
        door->stopped = true;
    }
}

void door_free(struct door *door)
{
    if (door->committer != NULL) {
        door_open_gate(door);
        door_stop(door);
        pthread_mutex_lock(&door->mutex);
        collect(door);
        pthread_mutex_unlock(&door->mutex);
        for (size_t i = 0; i < door->answered_count; i++) {
            committer_release(door->committer, door->answered[i]);
        }
        committer_free(door->committer);
    }
    fake_store_free(door->store);
    arena_free(door->arena);
    pthread_cond_destroy(&door->moved);
    pthread_mutex_destroy(&door->mutex);
    free(door);
}

void door_close_gate(struct door *door)
{
    pthread_mutex_lock(&door->mutex);
    door->gate_closed = true;
    pthread_mutex_unlock(&door->mutex);
}

void door_open_gate(struct door *door)
{
    pthread_mutex_lock(&door->mutex);
    door->gate_closed = false;
    pthread_cond_broadcast(&door->moved);
    pthread_mutex_unlock(&door->mutex);
}

/* Sleeps until something moved; ends the program when nothing does for too long. The mutex is held. */
static void wait_moved(struct door *door)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_SECONDS;
    int error = pthread_cond_timedwait(&door->moved, &door->mutex, &deadline);
    assert(error == 0);
}

void door_wait_at_gate(struct door *door, size_t saves)
{
    pthread_mutex_lock(&door->mutex);
    while (door->at_gate < saves) {
        wait_moved(door);
    }
    pthread_mutex_unlock(&door->mutex);
}

void door_fail(struct door *door, enum fake_call call, enum fault_kind kind, size_t times)
{
    pthread_mutex_lock(&door->mutex);
    door->fault = (struct door_fault){.call = call, .kind = kind, .times = times};
    pthread_mutex_unlock(&door->mutex);
}

void door_fail_later(struct door *door, enum fake_call call, enum fault_kind kind, size_t after)
{
    pthread_mutex_lock(&door->mutex);
    door->fault = (struct door_fault){.call = call, .kind = kind, .after = after, .times = 1};
    pthread_mutex_unlock(&door->mutex);
}

void door_submit(struct door *door, struct command *command)
{
    bool accepted = committer_submit(door->committer, command);
    assert(accepted);
}

void door_wait_answers(struct door *door, size_t count)
{
    pthread_mutex_lock(&door->mutex);
    for (collect(door); door->answered_count < count; collect(door)) {
        wait_moved(door);
    }
    pthread_mutex_unlock(&door->mutex);
}

struct command *door_commands(struct door *door, size_t count)
{
    return arena_array(door->arena, count, sizeof(struct command));
}

struct command *door_place(struct door *door, const char *customer_id, const struct place_order_line *line)
{
    struct command *command = door_commands(door, 1);
    *command = place_command(customer_id, line);
    return command;
}

struct command place_command(const char *customer_id, const struct place_order_line *line)
{
    return (struct command){
        .kind = COMMAND_PLACE_ORDER,
        .input.place_order =
            {
                .customer_id = text_from_c(customer_id),
                .lines = line,
                .line_count = 1,
                .hold_seconds = 900,
            },
    };
}
