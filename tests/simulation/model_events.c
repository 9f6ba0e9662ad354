/* The events that the model expects, with what they tell. */

#include <string.h>

#include "base/clock.h"
#include "model_state.h"

struct id_text {
    char bytes[UUID_TEXT_LENGTH + 1];
};

static struct id_text id_of(const struct uuid *id)
{
    struct id_text text;
    uuid_format(*id, text.bytes);
    return text;
}

struct time_text {
    char bytes[TIME_TEXT_LENGTH + 1];
};

static struct time_text time_of(int64_t unix_ms)
{
    struct time_text text;
    time_format(unix_ms, text.bytes);
    return text;
}

/* `data` is what stands between the braces; takes it over. */
static void tell(struct model_batch *batch, enum event_type type, const struct model_order *order, GString *data)
{
    struct model_event event = {.type = type};
    if (order != NULL) {
        event.order_id = order->id;
    }
    g_string_prepend_c(data, '{');
    g_string_append_c(data, '}');
    event.data = g_string_free(data, FALSE);
    g_array_append_val(batch->events, event);
}

static GString *about_order(const struct model_order *order)
{
    GString *data = g_string_new(NULL);
    g_string_append_printf(data, "\"order_id\":\"%s\"", id_of(&order->id).bytes);
    return data;
}

static void add_money(GString *data, const char *name, int64_t amount)
{
    g_string_append_printf(data, ",\"%s\":{\"amount\":%" G_GINT64_FORMAT ",\"currency\":\"EUR\"}", name, amount);
}

static void add_time(GString *data, const char *name, int64_t unix_ms)
{
    g_string_append_printf(data, ",\"%s\":\"%s\"", name, time_of(unix_ms).bytes);
}

static void add_items(GString *data, const struct model_batch *batch, const struct model_order *order)
{
    g_string_append(data, ",\"items\":[");
    for (size_t i = 0; i < order->line_count; i++) {
        g_string_append_printf(data, "%s{\"sku\":\"%s\",\"quantity\":%" G_GINT64_FORMAT "}", i == 0 ? "" : ",",
                               batch->model->skus[order->lines[i].sku].name, order->lines[i].quantity);
    }
    g_string_append_c(data, ']');
}

void tell_created(struct model_batch *batch, const struct model_order *order)
{
    GString *data = about_order(order);
    g_string_append_printf(data, ",\"customer_id\":\"%s\"", order->customer_id);
    add_items(data, batch, order);
    add_money(data, "total", order->total);
    add_time(data, "expires_at", order->expires_at_ms);
    tell(batch, EVENT_ORDER_CREATED, order, data);
}

void tell_due_soon(struct model_batch *batch, const struct model_order *order)
{
    GString *data = about_order(order);
    g_string_append_printf(data, ",\"customer_id\":\"%s\"", order->customer_id);
    add_money(data, "total", order->total);
    add_time(data, "expires_at", order->expires_at_ms);
    tell(batch, EVENT_ORDER_PAYMENT_DUE_SOON, order, data);
}

void tell_ended(struct model_batch *batch, const struct model_order *order)
{
    GString *data = about_order(order);
    g_string_append_printf(data, ",\"cancel_reason\":\"%s\"", order->cancel_reason);
    if (order->status == ORDER_EXPIRED) {
        add_time(data, "expires_at", order->expires_at_ms);
    }
    tell(batch, order->status == ORDER_EXPIRED ? EVENT_ORDER_EXPIRED : EVENT_ORDER_CANCELLED, order, data);
}

void tell_extended(struct model_batch *batch, const struct model_order *order, int64_t previous_ms)
{
    GString *data = about_order(order);
    add_time(data, "expires_at", order->expires_at_ms);
    add_time(data, "previous_expires_at", previous_ms);
    tell(batch, EVENT_ORDER_EXTENDED, order, data);
}

void tell_payment(struct model_batch *batch, const struct model_order *order, const struct model_payment *payment)
{
    GString *data = about_order(order);
    g_string_append_printf(data, ",\"payment_reference\":\"%s\"", payment->reference);
    add_money(data, "amount", payment->amount);
    if (!payment->is_accepted) {
        g_string_append_printf(data, ",\"reason\":\"%s\"", outcome_code_name(payment->code));
    } else if (order->is_revived) {
        g_string_append(data, ",\"revived\":true");
    }
    tell(batch, payment->is_accepted ? EVENT_ORDER_PAID : EVENT_PAYMENT_REFUND_DUE, order, data);
}

static GString *about_level(const struct model_sku *sku)
{
    GString *data = g_string_new(NULL);
    g_string_append_printf(data,
                           "\"sku\":\"%s\",\"stock_quantity\":%" G_GINT64_FORMAT
                           ",\"reserved_quantity\":%" G_GINT64_FORMAT ",\"available_quantity\":%" G_GINT64_FORMAT,
                           sku->name, sku->stock_quantity, sku->reserved_quantity,
                           sku->stock_quantity - sku->reserved_quantity);
    return data;
}

void tell_adjusted(struct model_batch *batch, const struct model_sku *sku, int64_t delta,
                   const struct adjust_stock *command)
{
    GString *data = about_level(sku);
    g_autofree char *reference =
        command->reference.bytes == NULL
            ? g_strdup("null")
            : g_strdup_printf("\"%.*s\"", (int)command->reference.length, command->reference.bytes);
    g_string_append_printf(data, ",\"delta\":%" G_GINT64_FORMAT ",\"reason\":\"%s\",\"reference\":%s", delta,
                           movement_reason_name(command->reason), reference);
    tell(batch, EVENT_STOCK_ADJUSTED, NULL, data);
}

void tell_disabled(struct model_batch *batch, const struct model_endpoint *endpoint, const char *reason)
{
    GString *data = g_string_new(NULL);
    g_string_append_printf(data, "\"endpoint_id\":\"%s\",\"reason\":\"%s\"", id_of(&endpoint->id).bytes, reason);
    tell(batch, EVENT_WEBHOOK_ENDPOINT_DISABLED, NULL, data);
}

/* Those that follow from the levels, which are told of behind all others. */
void tell_thresholds(struct model_batch *batch, const struct facts *facts)
{
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        int index = model_sku_index(batch->model, variant->sku);
        const struct model_sku *before = &batch->model->skus[index];
        const struct model_sku *after = seen_sku(batch, index);
        if (!before->exists || !after->is_changed) {
            continue;
        }
        int64_t had = before->stock_quantity - before->reserved_quantity;
        int64_t has = after->stock_quantity - after->reserved_quantity;
        if ((had > 0) != (has > 0)) {
            tell(batch, has > 0 ? EVENT_STOCK_BACK : EVENT_STOCK_SOLD_OUT, NULL, about_level(after));
        }
        if (had > after->low_stock_threshold && has <= after->low_stock_threshold) {
            GString *data = about_level(after);
            g_string_append_printf(data, ",\"low_stock_threshold\":%" G_GINT64_FORMAT, after->low_stock_threshold);
            tell(batch, EVENT_STOCK_LOW, NULL, data);
        }
    }
}

/* I11: exactly one event for every state change, in the order of the changes. */
void check_events(const struct model_batch *batch, const struct facts *facts)
{
    for (size_t i = 0; i < facts->events.count; i++) {
        const struct event *event = facts->events.items[i];
        const struct model_event *expected =
            i < batch->events->len ? &g_array_index(batch->events, struct model_event, i) : NULL;
        struct uuid order_id = event->order == NULL ? (struct uuid){{0}} : event->order->id;
        if (expected == NULL || expected->type != event->type || !uuid_equal(expected->order_id, order_id)) {
            sim_violation("I11", "event %zu of the batch is %s, the model expects %s", i, event_type_name(event->type),
                          expected == NULL ? "none" : event_type_name(expected->type));
        }
        if (!text_equal_c(event->data, expected->data) || event->created_at_ms != facts->now_ms) {
            sim_violation("I11", "the event %s tells %.*s, the model expects %s", event_type_name(event->type),
                          (int)event->data.length, event->data.bytes, expected->data);
        }
    }
    if (facts->events.count < batch->events->len) {
        sim_violation("I11", "no event tells of a change: %s",
                      event_type_name(g_array_index(batch->events, struct model_event, facts->events.count).type));
    }
}

/* ---- Deadlines that are near ---- */

static gint by_place(gconstpointer a, gconstpointer b)
{
    const struct notice_place *one = a;
    const struct notice_place *other = b;
    int order = (one->expires_at_ms > other->expires_at_ms) - (one->expires_at_ms < other->expires_at_ms);
    return order != 0 ? order : memcmp(one->order_id.bytes, other->order_id.bytes, sizeof(one->order_id.bytes));
}

/* The drafts behind the place whose deadline is near, in the order of (deadline, id). */
static GArray *near_deadline(const struct model_batch *batch, const struct notice_place *from, int64_t lead_ms)
{
    GArray *near = g_array_new(FALSE, FALSE, sizeof(struct notice_place));
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->model->orders);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_order *order = value;
        struct notice_place place = {.expires_at_ms = order->expires_at_ms, .order_id = order->id};
        if (order->status == ORDER_DRAFT && order->expires_at_ms - lead_ms <= batch->now_ms &&
            by_place(from, &place) < 0) {
            g_array_append_val(near, place);
        }
    }
    g_array_sort(near, by_place);
    return near;
}

/* A hold that was never longer than the notice gets none, nor does one that has ended or was extended in this batch. */
static void expect_notice(struct model_batch *batch, const struct notice_place *place, int64_t lead_ms)
{
    const struct model_order *order = seen_order(batch, &place->order_id);
    if (order->status == ORDER_DRAFT && order->expires_at_ms > batch->now_ms &&
        order->expires_at_ms - order->created_at_ms > lead_ms && order->expires_at_ms == place->expires_at_ms) {
        tell_due_soon(batch, order);
    }
}

void expect_notices(struct model_batch *batch, const struct facts *facts, int64_t lead_ms)
{
    const struct notice_facts *notice = &facts->notice;
    if (notice->order_ids == NULL && batch->may_lack_notices) {
        return; /* another server is at it */
    }
    if (by_place(&notice->loaded, &batch->model->noticed) != 0 &&
        !(batch->clock_went_back && by_place(&notice->loaded, &batch->model->noticed) < 0)) {
        sim_violation("notice", "notices go on from %" G_GINT64_FORMAT ", and were given up to %" G_GINT64_FORMAT,
                      notice->loaded.expires_at_ms, batch->model->noticed.expires_at_ms);
    }
    if (batch->has_noticed) {
        return;
    }
    GArray *near = near_deadline(batch, &notice->loaded, lead_ms);
    for (guint i = 0; i < near->len; i++) {
        expect_notice(batch, &g_array_index(near, struct notice_place, i), lead_ms);
    }
    batch->has_noticed = true;
    batch->noticed = near->len == 0 ? notice->loaded : g_array_index(near, struct notice_place, near->len - 1);
    g_array_free(near, TRUE);
}
