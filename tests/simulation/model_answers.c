/* What a client must hear, as the model has it when the decision is made: whatever the same batch decides behind it, the
 * answer shows what was so then. */

#include <string.h>

#include "model_state.h"

struct answer_line {
    size_t line; /* 1-based */
    struct text sku;
    int64_t requested;
    int64_t available;
};

struct model_answer {
    enum outcome_code code;
    struct model_order *order; /* NULL: none is shown, and so on */
    char *reference;           /* of the payment among the order's that is shown */
    bool has_other_order;
    struct uuid other_order_id;
    GArray *lines; /* struct answer_line, their SKUs the command's */
    struct model_limit limit;
    struct model_sku *level;
    bool has_movement;
    int64_t delta;
    char *body;
    GPtrArray *members;
};

/* ---- Life ---- */

static void free_answer(gpointer answer)
{
    model_answer_free(answer);
}

static struct model_answer *answer_new(enum outcome_code code)
{
    struct model_answer *answer = g_new0(struct model_answer, 1);
    answer->code = code;
    answer->lines = g_array_new(FALSE, FALSE, sizeof(struct answer_line));
    answer->members = g_ptr_array_new_with_free_func(free_answer);
    return answer;
}

void model_answer_free(struct model_answer *answer)
{
    if (answer != NULL) {
        model_order_free(answer->order);
        g_free(answer->reference);
        g_array_unref(answer->lines);
        g_free(answer->level);
        g_free(answer->body);
        g_ptr_array_unref(answer->members);
        g_free(answer);
    }
}

/* ---- What is expected ---- */

/* A draft past its deadline shows as the expired order that it is, whether or not it was swept. */
static void show_order(struct model_batch *batch, const struct uuid *id, struct model_answer *answer)
{
    const struct model_order *order = seen_order(batch, id);
    if (order == NULL) {
        return;
    }
    answer->order = model_order_copy(order);
    if (order->status == ORDER_DRAFT && order->expires_at_ms <= batch->now_ms) {
        answer->order->status = ORDER_EXPIRED;
        answer->order->cancel_reason = MODEL_TIMED_OUT;
    }
}

static void show_as_created(struct model_batch *batch, const struct uuid *id, struct model_answer *answer)
{
    struct model_order *order = model_order_copy(seen_order(batch, id));
    order->status = ORDER_DRAFT;
    order->is_revived = false;
    order->cancel_reason = NULL;
    order->expires_at_ms = order->created_at_ms + order->hold_ms;
    order->version = 1;
    g_array_set_size(order->payments, 0);
    answer->order = order;
}

static int64_t available_of(const struct model_batch *batch, struct text sku)
{
    int index = model_sku_index(batch->model, sku);
    const struct model_sku *level = index < 0 ? NULL : seen_sku(batch, index);
    return level == NULL || !level->exists ? -1 : level->stock_quantity - level->reserved_quantity;
}

/* Every line of every SKU that is unknown, or of which all lines together ask for more than there is. */
static void show_lines(const struct model_batch *batch, const struct place_order *command, struct model_answer *answer)
{
    for (size_t i = 0; i < command->line_count; i++) {
        const struct place_order_line *line = &command->lines[i];
        int64_t available = available_of(batch, line->sku);
        int64_t together = 0;
        for (size_t j = 0; j < command->line_count; j++) {
            together += text_equal(command->lines[j].sku, line->sku) ? command->lines[j].quantity : 0;
        }
        bool is_refused = answer->code == OUTCOME_UNKNOWN_SKU ? available < 0 : together > available;
        if (is_refused) {
            const struct answer_line shown = {i + 1, line->sku, line->quantity, available < 0 ? 0 : available};
            g_array_append_val(answer->lines, shown);
        }
    }
}

struct model_answer *model_answer_place(struct model_batch *batch, const struct place_order *command,
                                        enum outcome_code code, const struct outcome *real)
{
    struct model_answer *answer = answer_new(code);
    if (code == OUTCOME_ORDER_PLACED) {
        show_order(batch, &real->order->id, answer);
    } else if (code == OUTCOME_PURCHASE_LIMIT) {
        answer->limit = batch->limit;
    } else if (code == OUTCOME_UNKNOWN_SKU || code == OUTCOME_INSUFFICIENT_STOCK) {
        show_lines(batch, command, answer);
    }
    return answer;
}

static void show_payment(struct model_batch *batch, const struct pay_order *command, struct model_answer *answer)
{
    char *reference = g_strndup(command->payment_reference.bytes, command->payment_reference.length);
    if (answer->code == OUTCOME_PAYMENT_REFERENCE_USED) {
        answer->has_other_order = true;
        answer->other_order_id = *seen_reference(batch, reference);
        g_free(reference);
    } else if (answer->code == OUTCOME_NEEDS_SWEEP || answer->code == OUTCOME_ORDER_NOT_FOUND) {
        g_free(reference);
    } else {
        answer->reference = reference;
    }
    if (answer->code != OUTCOME_NEEDS_SWEEP) {
        show_order(batch, &command->order_id, answer);
    }
}

static void show_level(struct model_batch *batch, struct text sku, struct model_answer *answer)
{
    int index = model_sku_index(batch->model, sku);
    if (index >= 0 && seen_sku(batch, index)->exists) {
        answer->level = g_memdup2(seen_sku(batch, index), sizeof(*answer->level));
    }
}

struct model_answer *model_answer_new(struct model_batch *batch, const struct command *command, enum outcome_code code)
{
    if (command->kind == COMMAND_PLACE_ORDER) {
        return model_answer_place(batch, &command->input.place_order, code, &command->outcome);
    }
    struct model_answer *answer = answer_new(code);
    switch (command->kind) {
    case COMMAND_PAY_ORDER:
        show_payment(batch, &command->input.pay_order, answer);
        break;
    case COMMAND_CANCEL_ORDER:
        show_order(batch, &command->input.cancel_order.order_id, answer);
        break;
    case COMMAND_EXTEND_HOLD:
        show_order(batch, &command->input.extend_hold.order_id, answer);
        break;
    case COMMAND_UPDATE_VARIANT:
        show_level(batch, command->input.update_variant.sku, answer);
        break;
    case COMMAND_ADJUST_STOCK:
        show_level(batch, command->input.adjust_stock.sku, answer);
        answer->has_movement = code == OUTCOME_STOCK_ADJUSTED;
        answer->delta = batch->last_delta;
        break;
    default:
        break;
    }
    return answer;
}

struct model_answer *model_answer_replay(struct model_batch *batch, const struct model_key *key, bool is_same)
{
    struct model_answer *answer = answer_new(is_same ? OUTCOME_REPLAYED : OUTCOME_IDEMPOTENCY_KEY_REUSED);
    if (is_same && key->has_order) {
        show_as_created(batch, &key->order_id, answer);
    } else if (is_same) {
        answer->body = g_strdup(key->body);
    }
    return answer;
}

struct model_answer *model_answer_of_many(enum outcome_code code)
{
    return answer_new(code);
}

void model_answer_add_member(struct model_answer *answer, struct model_answer *member)
{
    g_ptr_array_add(answer->members, member);
}

/* ---- What was heard ---- */

static const char *payment_differs(const struct model_answer *expected, const struct payment *real)
{
    if (expected->reference == NULL || expected->order == NULL) {
        return real == NULL ? NULL : "payment";
    }
    for (guint i = 0; i < expected->order->payments->len; i++) {
        const struct model_payment *payment = &g_array_index(expected->order->payments, struct model_payment, i);
        if (strcmp(payment->reference, expected->reference) == 0) {
            return real != NULL && model_payment_is(payment, real) ? NULL : "payment";
        }
    }
    return "payment";
}

static const char *lines_differ(const struct model_answer *expected, const struct outcome *real)
{
    bool is_same = real->line_count == expected->lines->len;
    for (guint i = 0; is_same && i < expected->lines->len; i++) {
        const struct answer_line *line = &g_array_index(expected->lines, struct answer_line, i);
        is_same = real->lines[i].line == line->line && text_equal(real->lines[i].sku, line->sku) &&
                  real->lines[i].requested == line->requested && real->lines[i].available == line->available;
    }
    return is_same ? NULL : "lines";
}

static const char *limit_differs(const struct model_limit *expected, const struct outcome_limit *real)
{
    bool is_same = expected->is_open ||
                   (real->limit == expected->limit && real->already == expected->already &&
                    real->requested == expected->requested && (expected->limit == 0) == (real->sku.bytes == NULL));
    return is_same ? NULL : "limit";
}

static const char *level_differs(const struct model_answer *expected, const struct outcome *real)
{
    const struct model_sku *level = expected->level;
    if (level == NULL || real->variant == NULL) {
        return (level == NULL) == (real->variant == NULL) ? NULL : "variant";
    }
    bool is_same =
        text_equal_c(real->variant->sku, level->name) && real->variant->stock.stock_quantity == level->stock_quantity &&
        real->variant->stock.reserved_quantity == level->reserved_quantity &&
        real->variant->price.amount == level->price && real->variant->max_per_customer == level->max_per_customer;
    bool is_moved = !expected->has_movement ? real->movement == NULL
                                            : real->movement != NULL && real->movement->delta == expected->delta &&
                                                  real->movement->stock_quantity == level->stock_quantity;
    return !is_same ? "variant" : is_moved ? NULL : "movement";
}

static const char *order_differs(const struct model *model, const struct model_answer *expected,
                                 const struct outcome *real)
{
    if (expected->order == NULL || real->order == NULL) {
        return (expected->order == NULL) == (real->order == NULL) ? NULL : "order";
    }
    return model_order_differs(model, expected->order, real->order);
}

static const char *differs(const struct model *model, const struct model_answer *expected, const struct outcome *real)
{
    const char *const findings[] = {
        real->code == expected->code ? NULL : "code",
        order_differs(model, expected, real),
        payment_differs(expected, real->payment),
        lines_differ(expected, real),
        limit_differs(&expected->limit, &real->limit),
        level_differs(expected, real),
        !expected->has_other_order || uuid_equal(expected->other_order_id, real->other_order_id) ? NULL : "other order",
        expected->body == NULL || text_equal_c(real->record->body, expected->body) ? NULL : "body",
        real->member_count == expected->members->len ? NULL : "number of orders",
    };
    for (size_t i = 0; i < sizeof(findings) / sizeof(*findings); i++) {
        if (findings[i] != NULL) {
            return findings[i];
        }
    }
    return NULL;
}

void model_answer_check(const struct model *model, const struct model_answer *expected, const struct outcome *real)
{
    const char *what = differs(model, expected, real);
    if (what != NULL) {
        sim_violation("answer", "a client hears %s (expected: %s), and not with the %s that the model has",
                      outcome_code_name(real->code), outcome_code_name(expected->code), what);
    }
    for (guint i = 0; i < expected->members->len; i++) {
        model_answer_check(model, g_ptr_array_index(expected->members, i), &real->members[i]);
    }
}
