/* Each customer places orders one after the other, each under an idempotency key of its own, and pays for a share of
 * them. The others are left to run out. */

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "cli/rush.h"
#include "cli/rush_answer.h"

#define BODY_BYTES_MAX 4096
#define DISPLAY_MS 100

struct customer {
    struct rush *rush;
    size_t number;
    size_t orders_begun;
    struct rush_order *order; /* to be paid; NULL while placing */
    struct http_call call;
    char path[64];
    char key[64];
    struct buffer body;
};

static void place_next_order(struct customer *customer);

/* An exact share, and the same orders every time: of 10 at 0.7 the 2nd, 3rd, 5th, 6th, 8th, 9th and 10th. */
static bool pays_for(const struct rush *rush, size_t order_number)
{
    double rate = rush->settings->pay_rate;
    return (int64_t)((double)(order_number + 1) * rate + 1e-9) > (int64_t)((double)order_number * rate + 1e-9);
}

static void pay(struct customer *customer)
{
    struct json_writer writer;
    char reference[80];
    snprintf(reference, sizeof(reference), "%s-payment", customer->key);
    snprintf(customer->path, sizeof(customer->path), "/v1/orders/%s/pay", customer->order->id);
    buffer_clear(&customer->body);
    json_writer_init(&writer, &customer->body);
    json_object_begin(&writer);
    json_c_field(&writer, "payment_reference", reference);
    json_object_end(&writer);
    /* A payment reference is judged once, so a payment may be sent again without a key. */
    customer->call.idempotency_key = NULL;
    customer->call.path = customer->path;
    customer->call.body = buffer_text(&customer->body);
    http_call_send(&customer->call);
}

static void note_latency(struct rush *rush, const struct http_call *call)
{
    rush->latencies_us[rush->latency_count++] = call->duration_us;
    rush->last_answer_us = clock_monotonic_us();
}

static void finish_placing(struct customer *customer)
{
    struct rush *rush = customer->rush;
    struct http_call *call = &customer->call;
    struct rush_order order;
    if (call->status == 201 && rush_answer_order(&call->answer, &order)) {
        note_latency(rush, call);
        rush->orders[rush->placed++] = order;
        if (pays_for(rush, rush->placed - 1)) {
            customer->order = &rush->orders[rush->placed - 1];
            pay(customer);
            return;
        }
    } else if (call->status == 409) {
        note_latency(rush, call);
        rush->refused++;
    } else {
        rush_note_error(rush, "placing an order", call);
    }
    place_next_order(customer);
}

static void finish_paying(struct customer *customer)
{
    struct rush *rush = customer->rush;
    struct rush_order *order = customer->order;
    customer->order = NULL;
    if (customer->call.status == 200) {
        order->is_paid = true;
        rush->paid++;
    } else {
        order->is_pay_unclear = true;
        if (customer->call.status == 409) {
            rush->payments_refused++;
        } else {
            rush_note_error(rush, "paying", &customer->call);
        }
    }
    place_next_order(customer);
}

static void on_answer(struct http_call *call)
{
    struct customer *customer = call->context;
    customer->rush->retries += call->retries;
    call->wants_own_connection = false;
    if (customer->order == NULL) {
        finish_placing(customer);
    } else {
        finish_paying(customer);
    }
}

static void place_next_order(struct customer *customer)
{
    struct rush *rush = customer->rush;
    /* Whoever met an error stays away: a server that is down is not asked ten thousand times more. */
    if (customer->orders_begun == (size_t)rush->settings->orders_per_customer ||
        (customer->orders_begun > 0 && rush->errors > 0)) {
        rush->customers_left--;
        return;
    }
    char customer_id[48];
    struct json_writer writer;
    snprintf(customer_id, sizeof(customer_id), "rush-%s-%zu", rush->run, customer->number);
    snprintf(customer->key, sizeof(customer->key), "%s-%zu", customer_id, customer->orders_begun++);
    buffer_clear(&customer->body);
    json_writer_init(&writer, &customer->body);
    json_object_begin(&writer);
    json_c_field(&writer, "customer_id", customer_id);
    json_key(&writer, "items");
    json_array_begin(&writer);
    json_object_begin(&writer);
    json_c_field(&writer, "sku", rush->sku);
    json_int64_field(&writer, "quantity", rush->settings->quantity);
    json_object_end(&writer);
    json_array_end(&writer);
    json_int64_field(&writer, "hold_seconds", rush->settings->hold_seconds);
    json_object_end(&writer);
    customer->call.path = "/v1/orders";
    customer->call.idempotency_key = customer->key;
    customer->call.body = buffer_text(&customer->body);
    http_call_send(&customer->call);
}

static void show(uv_timer_t *timer)
{
    struct rush *rush = timer->data;
    progress_line(&rush->progress, "%.1f s  placed %zu  refused %zu  paid %zu  errors %zu  customers left %zu",
                  (double)(clock_monotonic_us() - rush->started_us) / 1e6, rush->placed, rush->refused, rush->paid,
                  rush->errors, rush->customers_left);
}

void rush_run_customers(struct rush *rush)
{
    size_t count = (size_t)rush->settings->customers;
    struct customer *customers = memory_zalloc(count, sizeof(*customers));
    uv_timer_t display;
    uv_timer_init(rush->loop, &display);
    display.data = rush;
    uv_timer_start(&display, show, DISPLAY_MS, DISPLAY_MS);
    rush->customers_left = count;
    rush->started_us = clock_monotonic_us();
    rush->last_answer_us = rush->started_us;
    for (size_t i = 0; i < count; i++) {
        struct customer *customer = &customers[i];
        customer->rush = rush;
        customer->number = i;
        buffer_init(&customer->body, BODY_BYTES_MAX);
        http_call_init(rush->caller, &customer->call);
        customer->call.wants_own_connection = true;
        customer->call.done = on_answer;
        customer->call.context = customer;
        place_next_order(customer);
    }
    while (rush->customers_left > 0) {
        uv_run(rush->loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < count; i++) {
        buffer_done(&customers[i].body);
        http_call_done(&customers[i].call);
    }
    uv_close((uv_handle_t *)&display, NULL);
    uv_run(rush->loop, UV_RUN_NOWAIT);
    free(customers);
    progress_hide(&rush->progress);
}
