/* What is about to be saved, against what the model expects: a decision may give the right answer and still change the
 * wrong thing. */

#include "model_state.h"

#include <string.h>

static bool is_text(struct text text, const char *expected)
{
    return expected == NULL ? text.bytes == NULL : text.bytes != NULL && text_equal_c(text, expected);
}

static bool same_lines(const struct model *model, const struct model_order *expected, const struct order *real)
{
    bool is_same = real->line_count == expected->line_count;
    for (size_t i = 0; is_same && i < real->line_count; i++) {
        is_same = model_sku_index(model, real->lines[i].variant->sku) == expected->lines[i].sku &&
                  real->lines[i].quantity == expected->lines[i].quantity &&
                  real->lines[i].unit_price == expected->lines[i].unit_price;
    }
    return is_same;
}

bool model_payment_is(const struct model_payment *expected, const struct payment *real)
{
    return is_text(real->reference, expected->reference) &&
           (real->status == PAYMENT_ACCEPTED) == expected->is_accepted && real->amount.amount == expected->amount &&
           strcmp(real->amount.currency, "EUR") == 0 && real->created_at_ms == expected->created_at_ms &&
           is_text(real->reason, expected->is_accepted ? NULL : outcome_code_name(expected->code));
}

static bool same_payments(const struct model_order *expected, const struct order *real)
{
    bool is_same = real->payment_count == expected->payments->len;
    for (guint i = 0; is_same && i < expected->payments->len; i++) {
        is_same = model_payment_is(&g_array_index(expected->payments, struct model_payment, i), &real->payments[i]);
    }
    return is_same;
}

const char *model_order_differs(const struct model *model, const struct model_order *expected, const struct order *real)
{
    return !uuid_equal(real->id, expected->id)                                                 ? "id"
           : real->status != expected->status                                                  ? "status"
           : real->revived != expected->is_revived                                             ? "revived"
           : !is_text(real->customer_id, expected->customer_id)                                ? "customer"
           : !is_text(real->cancel_reason, expected->cancel_reason)                            ? "reason of its end"
           : !is_text(real->metadata, expected->metadata)                                      ? "metadata"
           : !same_lines(model, expected, real)                                                ? "lines"
           : real->total.amount != expected->total || strcmp(real->total.currency, "EUR") != 0 ? "total"
           : real->created_at_ms != expected->created_at_ms                                    ? "time of creation"
           : real->expires_at_ms != expected->expires_at_ms                                    ? "deadline"
           : real->hold_ms != expected->hold_ms                                                ? "first hold"
           : real->version != expected->version                                                ? "version"
           : !same_payments(expected, real)                                                    ? "payments"
                                                                                               : NULL;
}

static void check_order(struct model_batch *batch, const struct order *order)
{
    const struct model_order *expected = seen_order(batch, &order->id);
    if (expected == NULL) {
        sim_violation("saved", "an order is saved that nobody placed");
    }
    const char *what = model_order_differs(batch->model, expected, order);
    if (what != NULL) {
        sim_violation("saved",
                      "order %" G_GINT64_FORMAT ", its %s: it is saved as %s until %" G_GINT64_FORMAT
                      " with %zu payments; the model has it %s until %" G_GINT64_FORMAT " with %u",
                      expected->number, what, order_status_name(order->status), order->expires_at_ms,
                      order->payment_count, order_status_name(expected->status), expected->expires_at_ms,
                      expected->payments->len);
    }
}

static void check_level(struct model_batch *batch, const struct variant *variant)
{
    int index = model_sku_index(batch->model, variant->sku);
    const struct model_sku *expected = seen_sku(batch, index);
    if (variant->stock.stock_quantity != expected->stock_quantity ||
        variant->stock.reserved_quantity != expected->reserved_quantity || variant->price.amount != expected->price ||
        variant->max_per_customer != expected->max_per_customer) {
        sim_violation("saved",
                      "%s is saved with %" G_GINT64_FORMAT " reserved of %" G_GINT64_FORMAT " at %" G_GINT64_FORMAT
                      "; the model has %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " at %" G_GINT64_FORMAT,
                      expected->name, variant->stock.reserved_quantity, variant->stock.stock_quantity,
                      variant->price.amount, expected->reserved_quantity, expected->stock_quantity, expected->price);
    }
}

void model_expects_facts(struct model_batch *batch, const struct facts *facts)
{
    batch->facts = facts;
    for (size_t i = 0; i < facts->orders.count; i++) {
        check_order(batch, facts->orders.entries[i].value);
    }
    for (size_t i = 0; i < facts->variants.count; i++) {
        check_level(batch, facts->variants.entries[i].value);
    }
    tell_thresholds(batch, facts);
    check_events(batch, facts);
    check_endpoints(batch, facts);
    check_deliveries(batch, facts);
}
