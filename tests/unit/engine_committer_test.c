#include "cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/door.h"

#define MANY 40

static const struct place_order_line one_tee = {{"tee-m", 5}, 1};

static int setup(void **state)
{
    struct door *door = door_new();
    fake_store_add_variant(door->store, "tee-m", 100);
    fake_store_add_variant(door->store, "last", 1);
    *state = door;
    return 0;
}

static int teardown(void **state)
{
    door_free(*state);
    return 0;
}

static void place_many(struct door *door, struct command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        commands[i] = place_command("c-1", &one_tee);
        door_submit(door, &commands[i]);
    }
}

/* Holds the committer in the save of a first order, so that what comes now gathers behind it. */
static struct command *occupy(struct door *door)
{
    struct command *first = door_place(door, "c-1", &one_tee);
    door_close_gate(door);
    door_submit(door, first);
    door_wait_at_gate(door, 1);
    return first;
}

static void assert_outcomes(const struct command *commands, size_t count, enum outcome_code code)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(outcome_code_name(commands[i].outcome.code), outcome_code_name(code));
    }
}

static uint64_t batches_run(const struct door *door)
{
    uint64_t batches = 0;
    for (size_t i = 0; i <= door->metrics.batch_size.bound_count; i++) {
        batches += atomic_load(&door->metrics.batch_size.buckets[i]);
    }
    return batches;
}

/* Waits until an order was expired, as a sweep does by itself. */
static void wait_expired(struct door *door, struct uuid order_id)
{
    for (int i = 0; i < 10000 && fake_store_order_status(door->store, order_id) == ORDER_DRAFT; i++) {
        (void)usleep(1000);
    }
    assert_int_equal(fake_store_order_status(door->store, order_id), ORDER_EXPIRED);
}

/* ---- Answers ---- */

static void an_answer_comes_after_its_commit(void **state)
{
    struct door *door = *state;
    door_start(door);
    struct command *command = occupy(door);
    (void)usleep(20000);
    assert_null(committer_take_completed(door->committer));
    door_open_gate(door);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 1);
    assert_int_equal(fake_store_order_status(door->store, command->outcome.order->id), ORDER_DRAFT);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, 1);
}

static void what_waits_while_a_batch_saves_becomes_the_next_batch(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    door_start(door);
    (void)occupy(door);
    place_many(door, commands, MANY);
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, MANY, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 2);
    assert_int_equal(door->wake_ups, 2); /* one a batch, not one a command */
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(door->answered[i + 1], &commands[i]);
    }
}

static void a_batch_is_no_heavier_than_its_maximum(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    door->options.batch_weight_max = 10;
    door_start(door);
    (void)occupy(door);
    place_many(door, commands, MANY);
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 1 + MANY / 10);
}

static void of_many_for_the_last_unit_one_succeeds_and_the_first_at_that(void **state)
{
    struct door *door = *state;
    static const struct place_order_line last = {{"last", 4}, 1};
    struct command *commands = door_commands(door, MANY);
    door_start(door);
    (void)occupy(door);
    for (size_t i = 0; i < MANY; i++) {
        commands[i] = place_command("c-1", &last);
        door_submit(door, &commands[i]);
    }
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, 1, OUTCOME_ORDER_PLACED);
    assert_outcomes(commands + 1, MANY - 1, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(fake_store_stock(door->store, "last").reserved_quantity, 1);
}

static void who_follows_events_hears_of_each_transaction_that_made_some(void **state)
{
    struct door *door = *state;
    static const struct place_order_line too_many = {{"last", 4}, 2};
    door_start(door);
    for (size_t i = 1; i <= 3; i++) {
        door_submit(door, door_place(door, "c-1", &one_tee));
        door_wait_answers(door, 2 * i - 1);
        door_submit(door, door_place(door, "c-1", &too_many));
        door_wait_answers(door, 2 * i);
        assert_int_equal(door->appended, i);
    }
}

static void refusals_write_nothing(void **state)
{
    struct door *door = *state;
    static const struct place_order_line too_many = {{"last", 4}, 2};
    struct command *command = door_place(door, "c-1", &too_many);
    door_start(door);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_INSUFFICIENT_STOCK);
    assert_int_equal(command->outcome.lines[0].available, 1);
    assert_int_equal(fake_store_calls(door->store, FAKE_SAVE), 0);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 0);
    assert_int_equal(fake_store_rollbacks(door->store), 1);
}

static void a_full_queue_refuses_and_what_is_inside_is_answered(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, 4);
    struct command *refused = door_place(door, "c-1", &one_tee);
    door->options.queue_weight_max = 4;
    door_start(door);
    (void)occupy(door);
    place_many(door, commands, 4);
    assert_false(committer_submit(door->committer, refused));
    door_open_gate(door);
    door_wait_answers(door, 5);
    assert_outcomes(commands, 4, OUTCOME_ORDER_PLACED);
    door_submit(door, refused);
    door_wait_answers(door, 6);
    assert_int_equal(refused->outcome.code, OUTCOME_ORDER_PLACED);
}

static void stopping_answers_everything_and_refuses_more(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    struct command *late = door_place(door, "c-1", &one_tee);
    door_start(door);
    (void)occupy(door);
    place_many(door, commands, MANY);
    door_open_gate(door);
    door_stop(door);
    assert_false(committer_submit(door->committer, late));
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, MANY, OUTCOME_ORDER_PLACED);
}

/* ---- Idempotency keys ---- */

static void render_status(const struct command *command, const struct outcome *outcome, struct arena *arena,
                          struct kept_answer *ret_answer)
{
    (void)command;
    ret_answer->status = outcome->code == OUTCOME_STOCK_ADJUSTED ? 201 : 409;
    ret_answer->body = arena_printf(arena, "{\"delta\":%lld}", (long long)outcome->movement->delta);
}

static void a_key_that_comes_again_gets_the_answer_that_was_kept(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, 3);
    commands[0] = (struct command){
        .kind = COMMAND_ADJUST_STOCK,
        .input.adjust_stock = {.sku = TEXT_LITERAL("tee-m"), .delta = 7, .reason = MOVEMENT_RESTOCK},
        .idempotency = {.key = TEXT_LITERAL("k-1")},
        .render = render_status,
    };
    commands[1] = commands[0];
    commands[2] = commands[0];
    commands[2].idempotency.fingerprint[0] = 1;
    door_start(door);
    door_submit(door, &commands[0]);
    door_wait_answers(door, 1);
    assert_int_equal(commands[0].outcome.code, OUTCOME_STOCK_ADJUSTED);
    assert_int_equal(commands[0].answer.status, 201);
    assert_true(text_equal_c(commands[0].answer.body, "{\"delta\":7}"));
    door_submit(door, &commands[1]);
    door_submit(door, &commands[2]);
    door_wait_answers(door, 3);
    assert_int_equal(commands[1].outcome.code, OUTCOME_REPLAYED);
    assert_int_equal(commands[1].outcome.record->status, 201);
    assert_true(text_equal_c(commands[1].outcome.record->body, "{\"delta\":7}"));
    assert_null(commands[1].answer.body.bytes);
    assert_int_equal(commands[2].outcome.code, OUTCOME_IDEMPOTENCY_KEY_REUSED);
    assert_int_equal(fake_store_stock(door->store, "tee-m").stock_quantity, 107);
}

static void requests_that_race_with_one_key_have_one_effect(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    door_start(door);
    (void)occupy(door);
    for (size_t i = 0; i < MANY; i++) {
        commands[i] = place_command("c-1", &one_tee);
        commands[i].idempotency.key = TEXT_LITERAL("k-1");
        door_submit(door, &commands[i]);
    }
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, 1, OUTCOME_ORDER_PLACED);
    assert_outcomes(commands + 1, MANY - 1, OUTCOME_REPLAYED);
    assert_true(uuid_equal(commands[MANY - 1].outcome.order->id, commands[0].outcome.order->id));
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, 2);
}

/* ---- Faults ---- */

static void a_command_that_the_database_refuses_fails_alone(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    door->poisoned_customer = "poisoned";
    door_start(door);
    (void)occupy(door);
    for (size_t i = 0; i < MANY; i++) {
        commands[i] = place_command(i == 17 ? "poisoned" : "c-1", &one_tee);
        door_submit(door, &commands[i]);
    }
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, 17, OUTCOME_ORDER_PLACED);
    assert_outcomes(commands + 17, 1, OUTCOME_INTERNAL_ERROR);
    assert_outcomes(commands + 18, MANY - 18, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, MANY);
    assert_true(counter_read(&door->metrics.batches_split) > 0);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(door->answered[i + 1], &commands[i]); /* the order of arrival holds */
    }
}

static void a_conflict_is_planned_again_on_fresh_facts(void **state)
{
    struct door *door = *state;
    struct command *command = door_place(door, "c-1", &one_tee);
    door_start(door);
    door_fail(door, FAKE_SAVE, FAULT_CONFLICT, 2);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_calls(door->store, FAKE_LOAD), 3);
    assert_int_equal(counter_read(&door->metrics.batches_replanned), 2);
    assert_int_equal(counter_read(&door->metrics.store_errors[FAULT_CONFLICT]), 2);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, 1);
}

static void conflicts_without_end_are_the_stores_fault(void **state)
{
    struct door *door = *state;
    struct command *command = door_place(door, "c-1", &one_tee);
    door_start(door);
    door_fail(door, FAKE_SAVE, FAULT_CONFLICT, SIZE_MAX);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_STORE_UNAVAILABLE);
}

static void a_row_that_somebody_keeps_locked_concerns_its_buyers_only(void **state)
{
    struct door *door = *state;
    const struct place_order_line one_last = {TEXT_LITERAL("last"), 1};
    struct command *commands = door_commands(door, 2);
    commands[0] = place_command("c-1", &one_last);
    commands[1] = place_command("c-2", &one_tee);
    fake_store_lock_sku(door->store, "last");
    door_start(door);
    door_close_gate(door);
    struct command *first = door_place(door, "c-0", &one_tee);
    door_submit(door, first); /* so that the other two share a batch */
    door_wait_at_gate(door, 1);
    door_submit(door, &commands[0]);
    door_submit(door, &commands[1]);
    door_open_gate(door);
    door_wait_answers(door, 3);
    assert_int_equal(commands[0].outcome.code, OUTCOME_STORE_UNAVAILABLE);
    assert_int_equal(commands[1].outcome.code, OUTCOME_ORDER_PLACED);
    fake_store_lock_sku(door->store, NULL);
    struct command *again = door_place(door, "c-1", &one_last);
    door_submit(door, again);
    door_wait_answers(door, 4);
    assert_int_equal(again->outcome.code, OUTCOME_ORDER_PLACED);
}

static void locks_without_end_are_the_stores_fault(void **state)
{
    struct door *door = *state;
    struct command *command = door_place(door, "c-1", &one_tee);
    door_start(door);
    door_fail(door, FAKE_SAVE, FAULT_TIMEOUT, SIZE_MAX);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_STORE_UNAVAILABLE);
    assert_int_equal(fake_store_calls(door->store, FAKE_LOAD), 2);
}

/* A batch of many commands meets a fault; the one before and the one after work. */
static void assert_all_share_the_fault(struct door *door, enum fake_call call, enum fault_kind kind,
                                       enum outcome_code code)
{
    struct command *commands = door_commands(door, MANY);
    struct command *later = door_place(door, "c-1", &one_tee);
    door_start(door);
    struct command *first = occupy(door);
    place_many(door, commands, MANY);
    door_fail_later(door, call, kind, call == FAKE_COMMIT ? 1 : 0);
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_int_equal(first->outcome.code, OUTCOME_ORDER_PLACED);
    assert_outcomes(commands, MANY, code);
    assert_null(commands[0].outcome.order);
    assert_int_equal(counter_read(&door->metrics.store_errors[kind]), 1);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, 1);

    door_submit(door, later);
    door_wait_answers(door, MANY + 2);
    assert_int_equal(later->outcome.code, OUTCOME_ORDER_PLACED);
}

static void a_store_that_cannot_begin_is_unavailable_to_all_and_comes_back(void **state)
{
    assert_all_share_the_fault(*state, FAKE_BEGIN, FAULT_UNAVAILABLE, OUTCOME_STORE_UNAVAILABLE);
}

static void a_store_that_cannot_load_fails_all_and_comes_back(void **state)
{
    assert_all_share_the_fault(*state, FAKE_LOAD, FAULT_UNAVAILABLE, OUTCOME_STORE_UNAVAILABLE);
}

static void a_store_that_cannot_commit_is_unavailable_to_all_and_comes_back(void **state)
{
    assert_all_share_the_fault(*state, FAKE_COMMIT, FAULT_UNAVAILABLE, OUTCOME_STORE_UNAVAILABLE);
}

static void a_commit_without_an_answer_is_called_unknown(void **state)
{
    assert_all_share_the_fault(*state, FAKE_COMMIT, FAULT_OUTCOME_UNKNOWN, OUTCOME_UNKNOWN);
}

/* Where nothing is sent to a server that is not ready, it finds out by itself; and until then it is not. */
static void a_store_that_failed_counts_as_failing_until_it_has_written(void **state)
{
    struct door *door = *state;
    struct command *command = door_place(door, "c-1", &one_tee);
    door_start(door);
    assert_false(committer_is_failing(door->committer));
    door_fail(door, FAKE_COMMIT, FAULT_UNAVAILABLE, 1);
    door_submit(door, command);
    door_wait_answers(door, 1);
    door_fail(door, FAKE_TRY_WRITE, FAULT_UNAVAILABLE, 1);
    assert_true(committer_is_failing(door->committer));
    for (int ms = 0; committer_is_failing(door->committer) && ms < 20000; ms += 10) {
        (void)usleep(10000);
    }
    assert_false(committer_is_failing(door->committer));
    assert_int_equal(fake_store_calls(door->store, FAKE_TRY_WRITE), 2);
    assert_int_equal(fake_store_calls(door->store, FAKE_BEGIN), 1);
}

/* ---- Payment timeouts ---- */

static void overdue_holds_are_released_from_the_start(void **state)
{
    struct door *door = *state;
    int64_t now_ms = clock_unix_ms();
    struct uuid first = fake_store_add_draft(door->store, "tee-m", 2, now_ms - 5000);
    struct uuid second = fake_store_add_draft(door->store, "tee-m", 3, now_ms);
    struct uuid live = fake_store_add_draft(door->store, "tee-m", 4, now_ms + 600000);
    door_start(door);
    wait_expired(door, first);
    wait_expired(door, second);
    assert_int_equal(fake_store_order_status(door->store, live), ORDER_DRAFT);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, 4);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 1);
    door_stop(door);
    assert_int_equal(counter_read(&door->metrics.events[EVENT_ORDER_EXPIRED]), 2);
}

static void what_another_server_sweeps_is_left_to_it(void **state)
{
    struct door *door = *state;
    struct uuid due = fake_store_add_draft(door->store, "last", 1, clock_unix_ms() - 1);
    struct place_order_line line = {TEXT_LITERAL("last"), 1};
    struct command *command = door_place(door, "c-1", &line);
    fake_store_set_elsewhere(door->store, due);
    door_start(door);
    door_submit(door, command);
    (void)usleep(100000);
    assert_int_equal(fake_store_order_status(door->store, due), ORDER_DRAFT);
    assert_true(fake_store_calls(door->store, FAKE_LOAD) < 20); /* it is not asked for without pause */
    fake_store_forget_elsewhere(door->store);
    door_wait_answers(door, 1); /* nothing was refused while the unit was on its way back */
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_order_status(door->store, due), ORDER_EXPIRED);
}

static void an_idle_committer_wakes_at_the_deadline(void **state)
{
    struct door *door = *state;
    int64_t due_ms = clock_unix_ms() + 100;
    struct uuid order = fake_store_add_draft(door->store, "tee-m", 2, due_ms);
    door_start(door);
    (void)usleep(50000);
    if (clock_unix_ms() < due_ms) { /* on a machine that did not oversleep */
        assert_int_equal(fake_store_calls(door->store, FAKE_BEGIN), 0);
    }
    wait_expired(door, order);
    assert_in_range(fake_store_calls(door->store, FAKE_BEGIN), 1, 3);
}

static void timeouts_ride_with_the_commands_and_come_first(void **state)
{
    struct door *door = *state;
    static const struct place_order_line last = {{"last", 4}, 1};
    struct command *command = door_place(door, "c-2", &last);
    struct uuid order = fake_store_add_draft(door->store, "last", 1, clock_unix_ms() + 150);
    door_start(door);
    (void)occupy(door);
    door_submit(door, command);
    (void)usleep(200000);
    door_open_gate(door);
    door_wait_answers(door, 2);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_order_status(door->store, order), ORDER_EXPIRED);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 2);
}

static void a_shortage_waits_until_all_that_is_overdue_was_released(void **state)
{
    struct door *door = *state;
    static const struct place_order_line wish = {{"few", 3}, 5};
    struct command *command = door_place(door, "c-2", &wish);
    int64_t due_ms = clock_unix_ms() + 100;
    fake_store_add_variant(door->store, "few", 5);
    for (size_t i = 0; i < 5; i++) {
        (void)fake_store_add_draft(door->store, "few", 1, due_ms);
    }
    door->options.sweep_max = 1;
    door_start(door);
    (void)occupy(door);
    door_submit(door, command);
    (void)usleep(150000); /* all five are due, and only one a batch is released */
    door_open_gate(door);
    door_wait_answers(door, 2);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_stock(door->store, "few").reserved_quantity, 5);
    assert_int_equal(fake_store_calls(door->store, FAKE_COMMIT), 6);
    assert_int_equal(counter_read(&door->metrics.outcomes[COMMAND_PLACE_ORDER][OUTCOME_NEEDS_SWEEP]), 0);
}

static void others_are_served_while_a_shortage_waits(void **state)
{
    struct door *door = *state;
    static const struct place_order_line wish = {{"few", 3}, 5};
    struct command *waiting = door_place(door, "c-2", &wish);
    struct command *served = door_place(door, "c-3", &one_tee);
    int64_t due_ms = clock_unix_ms() + 100;
    fake_store_add_variant(door->store, "few", 5);
    for (size_t i = 0; i < 5; i++) {
        (void)fake_store_add_draft(door->store, "few", 1, due_ms);
    }
    door->options.sweep_max = 1;
    door_start(door);
    (void)occupy(door);
    door_submit(door, waiting);
    door_submit(door, served);
    (void)usleep(150000);
    door_open_gate(door);
    door_wait_answers(door, 3);
    assert_ptr_equal(door->answered[1], served);
    assert_ptr_equal(door->answered[2], waiting);
    assert_outcomes(waiting, 1, OUTCOME_ORDER_PLACED);
}

static void stopping_still_decides_what_waits_for_the_sweep(void **state)
{
    struct door *door = *state;
    static const struct place_order_line wish = {{"few", 3}, 5};
    struct command *command = door_place(door, "c-2", &wish);
    int64_t due_ms = clock_unix_ms() + 100;
    fake_store_add_variant(door->store, "few", 5);
    for (size_t i = 0; i < 5; i++) {
        (void)fake_store_add_draft(door->store, "few", 1, due_ms);
    }
    door->options.sweep_max = 1;
    door_start(door);
    (void)occupy(door);
    door_submit(door, command);
    (void)usleep(150000);
    door_open_gate(door);
    door_stop(door);
    door_wait_answers(door, 2);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
}

static void a_timeout_that_fails_is_set_aside_and_the_rest_goes_on(void **state)
{
    struct door *door = *state;
    static const struct place_order_line wish = {{"few", 3}, 4};
    struct uuid orders[5];
    int64_t now_ms = clock_unix_ms();
    fake_store_add_variant(door->store, "few", 5);
    for (size_t i = 0; i < 5; i++) {
        orders[i] = fake_store_add_draft(door->store, "few", 1, now_ms - 1000 + (int64_t)i);
    }
    door->poisoned_order = orders[2];
    door_start(door);
    struct command *command = door_place(door, "c-2", &wish);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED); /* four were released for it */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(fake_store_order_status(door->store, orders[i]), i == 2 ? ORDER_DRAFT : ORDER_EXPIRED);
    }
    /* Set aside, it costs a look now and then, */
    size_t begins = fake_store_calls(door->store, FAKE_BEGIN);
    (void)usleep(300000);
    assert_in_range(fake_store_calls(door->store, FAKE_BEGIN) - begins, 0, 20);
}

static void a_timeout_that_is_set_aside_does_not_make_others_late(void **state)
{
    struct door *door = *state;
    int64_t now_ms = clock_unix_ms();
    door->poisoned_order = fake_store_add_draft(door->store, "tee-m", 1, now_ms - 1000);
    struct uuid order = fake_store_add_draft(door->store, "tee-m", 1, now_ms + 200);
    door_start(door);
    wait_expired(door, order);
    assert_in_range(clock_unix_ms(), now_ms + 200, now_ms + 200 + 500); /* generous: machines are busy */
    assert_int_equal(fake_store_order_status(door->store, door->poisoned_order), ORDER_DRAFT);
}

static void a_batch_split_for_its_timeouts_loses_no_command(void **state)
{
    struct door *door = *state;
    struct command *commands = door_commands(door, MANY);
    door->poisoned_order = fake_store_add_draft(door->store, "last", 1, clock_unix_ms() + 100);
    door_start(door);
    (void)occupy(door);
    place_many(door, commands, MANY);
    (void)usleep(150000);
    door_open_gate(door);
    door_wait_answers(door, MANY + 1);
    assert_outcomes(commands, MANY, OUTCOME_ORDER_PLACED);
    assert_int_equal(fake_store_order_status(door->store, door->poisoned_order), ORDER_DRAFT);
    assert_int_equal(fake_store_stock(door->store, "tee-m").reserved_quantity, MANY + 1);
}

/* ---- Idling ---- */

/* When the next deadline could not be read, looking once is enough: what is not due must not be asked for without
 * end. */
static void a_deadline_that_could_not_be_read_does_not_keep_the_committer_busy(void **state)
{
    struct door *door = *state;
    struct command *command = door_place(door, "c-1", &one_tee);
    door_start(door);
    door_fail(door, FAKE_NEXT_DUE, FAULT_UNAVAILABLE, 1);
    door_submit(door, command);
    door_wait_answers(door, 1);
    assert_int_equal(command->outcome.code, OUTCOME_ORDER_PLACED);
    (void)usleep(600000);
    assert_in_range(fake_store_calls(door->store, FAKE_BEGIN), 1, 4);
}

static void an_idle_committer_begins_nothing(void **state)
{
    struct door *door = *state;
    door_start(door);
    (void)usleep(100000);
    assert_int_equal(fake_store_calls(door->store, FAKE_BEGIN), 0);
    assert_int_equal(batches_run(door), 0);
}

static void a_store_that_cannot_be_read_stops_the_start(void **state)
{
    struct door *door = *state;
    struct fault fault = {.kind = FAULT_NONE};
    door_fail(door, FAKE_NEXT_DUE, FAULT_SCHEMA, 1);
    assert_false(committer_start(&door->options, &door->committer, &fault));
    assert_int_equal(fault.kind, FAULT_SCHEMA);
    assert_null(door->committer);
}

#define AT_DOOR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_DOOR(an_answer_comes_after_its_commit),
        AT_DOOR(what_waits_while_a_batch_saves_becomes_the_next_batch),
        AT_DOOR(a_batch_is_no_heavier_than_its_maximum),
        AT_DOOR(of_many_for_the_last_unit_one_succeeds_and_the_first_at_that),
        AT_DOOR(who_follows_events_hears_of_each_transaction_that_made_some),
        AT_DOOR(refusals_write_nothing),
        AT_DOOR(a_full_queue_refuses_and_what_is_inside_is_answered),
        AT_DOOR(stopping_answers_everything_and_refuses_more),
        AT_DOOR(a_key_that_comes_again_gets_the_answer_that_was_kept),
        AT_DOOR(requests_that_race_with_one_key_have_one_effect),
        AT_DOOR(a_command_that_the_database_refuses_fails_alone),
        AT_DOOR(a_conflict_is_planned_again_on_fresh_facts),
        AT_DOOR(conflicts_without_end_are_the_stores_fault),
        AT_DOOR(a_row_that_somebody_keeps_locked_concerns_its_buyers_only),
        AT_DOOR(locks_without_end_are_the_stores_fault),
        AT_DOOR(what_another_server_sweeps_is_left_to_it),
        AT_DOOR(a_store_that_cannot_begin_is_unavailable_to_all_and_comes_back),
        AT_DOOR(a_store_that_cannot_load_fails_all_and_comes_back),
        AT_DOOR(a_store_that_cannot_commit_is_unavailable_to_all_and_comes_back),
        AT_DOOR(a_store_that_failed_counts_as_failing_until_it_has_written),
        AT_DOOR(a_commit_without_an_answer_is_called_unknown),
        AT_DOOR(overdue_holds_are_released_from_the_start),
        AT_DOOR(an_idle_committer_wakes_at_the_deadline),
        AT_DOOR(timeouts_ride_with_the_commands_and_come_first),
        AT_DOOR(a_shortage_waits_until_all_that_is_overdue_was_released),
        AT_DOOR(others_are_served_while_a_shortage_waits),
        AT_DOOR(stopping_still_decides_what_waits_for_the_sweep),
        AT_DOOR(a_timeout_that_fails_is_set_aside_and_the_rest_goes_on),
        AT_DOOR(a_timeout_that_is_set_aside_does_not_make_others_late),
        AT_DOOR(a_batch_split_for_its_timeouts_loses_no_command),
        AT_DOOR(a_deadline_that_could_not_be_read_does_not_keep_the_committer_busy),
        AT_DOOR(an_idle_committer_begins_nothing),
        AT_DOOR(a_store_that_cannot_be_read_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
