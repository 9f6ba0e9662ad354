#include "model_state.h"

#include <string.h>

#include "domain/limits.h"

static char *c_string(struct text text)
{
    return g_strndup(text.bytes, text.length);
}

static bool matches(const char *c_text, struct text text)
{
    return text_equal_c(text, c_text);
}

/* ---- Rules ---- */

static bool is_live(const struct model_order *order, int64_t now_ms)
{
    return order->status == ORDER_DRAFT && now_ms < order->expires_at_ms;
}

static void move_order(struct model_batch *batch, struct model_order *order, enum order_status to,
                       int64_t reserved_sign, int64_t stock_sign)
{
    order->status = to;
    order->version++;
    order->is_changed = true;
    for (size_t i = 0; i < order->line_count; i++) {
        struct model_sku *sku = batch_sku(batch, order->lines[i].sku);
        sku->reserved_quantity += reserved_sign * order->lines[i].quantity;
        sku->stock_quantity += stock_sign * order->lines[i].quantity;
        sku->is_changed = true;
        if (sku->reserved_quantity < 0 || sku->stock_quantity < sku->reserved_quantity) {
            sim_violation(
                "I1", "order %" G_GINT64_FORMAT " leaves %s with %" G_GINT64_FORMAT " reserved of %" G_GINT64_FORMAT,
                order->number, sku->name, sku->reserved_quantity, sku->stock_quantity);
        }
    }
}

static void expire(struct model_batch *batch, struct model_order *order)
{
    move_order(batch, order, ORDER_EXPIRED, -1, 0);
    order->cancel_reason = MODEL_TIMED_OUT;
    tell_ended(batch, order);
}

static int64_t needed(const struct model_order *order, int sku)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < order->line_count; i++) {
        quantity += order->lines[i].sku == sku ? order->lines[i].quantity : 0;
    }
    return quantity;
}

/* Is there an overdue draft that would free some of this SKU? (Any SKU: -1.) */
static bool is_tied_up(const struct model_batch *batch, int64_t now_ms, int sku)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, batch->model->orders);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const struct model_order *order = seen_order(batch, &((const struct model_order *)value)->id);
        bool overdue = order->status == ORDER_DRAFT && order->expires_at_ms <= now_ms;
        if (overdue && (sku < 0 || needed(order, sku) > 0)) {
            return true;
        }
    }
    return false;
}

/* Nobody is refused for stock that a hold ties up which is over. */
static enum outcome_code short_of_stock(const struct model_batch *batch, const struct facts *facts, int sku,
                                        enum outcome_code refusal)
{
    if (facts->sweep_pending) {
        return OUTCOME_NEEDS_SWEEP;
    }
    if (!batch->may_set_aside && is_tied_up(batch, facts->now_ms, sku)) {
        sim_violation("honest refusal", "%s is refused for %s though a hold on it is overdue",
                      outcome_code_name(refusal), batch->model->skus[sku].name);
    }
    return refusal;
}

static int64_t bought(const struct model_batch *batch, struct text customer_id, int sku, int64_t now_ms)
{
    int64_t quantity = 0;
    GHashTable *tables[] = {batch->orders, batch->model->orders};
    for (size_t i = 0; i < 2; i++) {
        GHashTableIter iterator;
        gpointer value;
        g_hash_table_iter_init(&iterator, tables[i]);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
            const struct model_order *order = value;
            bool is_copied = i == 1 && g_hash_table_contains(batch->orders, &order->id);
            if (!is_copied && matches(order->customer_id, customer_id) &&
                (order->status == ORDER_PAID || is_live(order, now_ms))) {
                quantity += needed(order, sku);
            }
        }
    }
    return quantity;
}

/* What the order would be; its outcome is the return value. */
static enum outcome_code judge_place(struct model_batch *batch, const struct facts *facts,
                                     const struct place_order *command, enum outcome_code real,
                                     struct model_order *ret_order)
{
    *ret_order = (struct model_order){.line_count = command->line_count};
    g_assert(command->line_count <= MODEL_LINES_MAX);
    for (size_t i = 0; i < command->line_count; i++) {
        int sku = model_sku_index(batch->model, command->lines[i].sku);
        if (sku < 0 || !seen_sku(batch, sku)->exists) {
            return OUTCOME_UNKNOWN_SKU;
        }
        ret_order->lines[i] = (struct model_line){
            .sku = sku, .quantity = command->lines[i].quantity, .unit_price = seen_sku(batch, sku)->price};
        ret_order->total += ret_order->lines[i].quantity * ret_order->lines[i].unit_price;
    }
    for (size_t i = 0; i < command->line_count; i++) {
        int sku = ret_order->lines[i].sku;
        int64_t limit = seen_sku(batch, sku)->max_per_customer;
        batch->limit = (struct model_limit){.limit = limit, .requested = needed(ret_order, sku)};
        if (limit > 0 && batch->model->skus[sku].max_per_customer == 0) {
            /* Not limited when the batch began: the order may count as placed before the limit was set. */
            batch->limit.is_open = true;
            if (real == OUTCOME_PURCHASE_LIMIT) {
                return real;
            }
        } else if (limit > 0) {
            batch->limit.already = bought(batch, command->customer_id, sku, facts->now_ms);
            if (batch->limit.already + batch->limit.requested > limit) {
                return OUTCOME_PURCHASE_LIMIT;
            }
        }
    }
    for (size_t i = 0; i < command->line_count; i++) {
        int sku = ret_order->lines[i].sku;
        const struct model_sku *level = seen_sku(batch, sku);
        if (needed(ret_order, sku) > level->stock_quantity - level->reserved_quantity) {
            return short_of_stock(batch, facts, sku, OUTCOME_INSUFFICIENT_STOCK);
        }
    }
    return OUTCOME_ORDER_PLACED;
}

static enum outcome_code place(struct model_batch *batch, const struct facts *facts, const struct place_order *command,
                               const struct outcome *real)
{
    struct model_order wish;
    enum outcome_code code = judge_place(batch, facts, command, real->code, &wish);
    if (code != OUTCOME_ORDER_PLACED || real->order == NULL) {
        return code;
    }
    struct model_order *order = g_new(struct model_order, 1);
    *order = wish;
    order->id = real->order->id;
    order->customer_id = c_string(command->customer_id);
    order->metadata = command->metadata.bytes == NULL ? NULL : c_string(command->metadata);
    order->created_at_ms = facts->now_ms;
    order->hold_ms = command->hold_seconds * 1000;
    order->expires_at_ms = facts->now_ms + command->hold_seconds * 1000;
    batch_add_order(batch, order);
    move_order(batch, order, ORDER_DRAFT, 1, 0);
    tell_created(batch, order);
    return code;
}

static void record(struct model_batch *batch, struct model_order *order, const char *reference, int64_t amount,
                   enum outcome_code code)
{
    struct model_payment payment = {
        .reference = g_strdup(reference),
        .is_accepted = code == OUTCOME_ORDER_PAID,
        .code = code,
        .amount = amount,
        .created_at_ms = batch->now_ms,
    };
    g_array_append_val(order->payments, payment);
    order->is_changed = true;
    batch_add_reference(batch, reference, &order->id);
    tell_payment(batch, order, &payment);
}

static bool has_stock(const struct model_batch *batch, const struct model_order *order)
{
    for (size_t i = 0; i < order->line_count; i++) {
        const struct model_sku *level = seen_sku(batch, order->lines[i].sku);
        if (needed(order, order->lines[i].sku) > level->stock_quantity - level->reserved_quantity) {
            return false;
        }
    }
    return true;
}

static enum outcome_code judge_payment(struct model_batch *batch, const struct facts *facts, struct model_order *order)
{
    if (order->status == ORDER_PAID) {
        return OUTCOME_ALREADY_PAID;
    }
    if (order->status == ORDER_CANCELLED) {
        return OUTCOME_PAID_AFTER_CANCEL;
    }
    if (is_live(order, facts->now_ms)) {
        move_order(batch, order, ORDER_PAID, -1, -1);
        return OUTCOME_ORDER_PAID;
    }
    if (order->status == ORDER_DRAFT) {
        expire(batch, order);
    }
    if (has_stock(batch, order)) {
        move_order(batch, order, ORDER_PAID, 0, -1);
        order->is_revived = true;
        order->cancel_reason = NULL;
        return OUTCOME_ORDER_PAID;
    }
    for (size_t i = 0; i < order->line_count; i++) {
        if (short_of_stock(batch, facts, order->lines[i].sku, OUTCOME_PAID_AFTER_EXPIRY) == OUTCOME_NEEDS_SWEEP) {
            return OUTCOME_NEEDS_SWEEP;
        }
    }
    return OUTCOME_PAID_AFTER_EXPIRY;
}

static const struct model_payment *find_payment(const struct model_order *order, const char *reference)
{
    for (guint i = 0; i < order->payments->len; i++) {
        const struct model_payment *payment = &g_array_index(order->payments, struct model_payment, i);
        if (strcmp(payment->reference, reference) == 0) {
            return payment;
        }
    }
    return NULL;
}

static enum outcome_code pay(struct model_batch *batch, const struct facts *facts, const struct pay_order *command)
{
    struct model_order *order = batch_order(batch, &command->order_id);
    if (order == NULL) {
        return OUTCOME_ORDER_NOT_FOUND;
    }
    g_autofree char *reference = c_string(command->payment_reference);
    const struct model_payment *known = find_payment(order, reference);
    if (known != NULL) {
        return known->code;
    }
    if (seen_reference(batch, reference) != NULL) {
        return OUTCOME_PAYMENT_REFERENCE_USED;
    }
    int64_t amount = command->has_amount ? command->amount.amount : order->total;
    enum outcome_code code = amount != order->total ? OUTCOME_AMOUNT_MISMATCH : judge_payment(batch, facts, order);
    if (code != OUTCOME_NEEDS_SWEEP) {
        record(batch, order, reference, amount, code);
    }
    return code;
}

static enum outcome_code cancel(struct model_batch *batch, const struct facts *facts,
                                const struct cancel_order *command)
{
    struct model_order *order = batch_order(batch, &command->order_id);
    if (order == NULL) {
        return OUTCOME_ORDER_NOT_FOUND;
    }
    if (is_live(order, facts->now_ms)) {
        g_autofree char *reason = c_string(command->reason);
        move_order(batch, order, ORDER_CANCELLED, -1, 0);
        order->cancel_reason = g_intern_string(reason);
        tell_ended(batch, order);
    }
    return order->status == ORDER_CANCELLED ? OUTCOME_ORDER_CANCELLED
           : order->status == ORDER_PAID    ? OUTCOME_ORDER_ALREADY_PAID
                                            : OUTCOME_CANCEL_AFTER_EXPIRY;
}

static enum outcome_code extend(struct model_batch *batch, const struct facts *facts, const struct extend_hold *command)
{
    struct model_order *order = batch_order(batch, &command->order_id);
    if (order == NULL) {
        return OUTCOME_ORDER_NOT_FOUND;
    }
    int64_t expires_at_ms = order->expires_at_ms + command->seconds * 1000;
    if (!is_live(order, facts->now_ms)) {
        return OUTCOME_ORDER_NOT_DRAFT;
    }
    if (expires_at_ms > order->created_at_ms + facts->policy.hold_seconds_max * 1000) {
        return OUTCOME_HOLD_LIMIT;
    }
    int64_t previous_ms = order->expires_at_ms;
    order->expires_at_ms = expires_at_ms;
    order->version++;
    order->is_changed = true;
    tell_extended(batch, order, previous_ms);
    return OUTCOME_ORDER_EXTENDED;
}

static enum outcome_code adjust(struct model_batch *batch, const struct facts *facts,
                                const struct adjust_stock *command)
{
    int index = model_sku_index(batch->model, command->sku);
    if (index < 0 || !seen_sku(batch, index)->exists) {
        return OUTCOME_VARIANT_NOT_FOUND;
    }
    struct model_sku *sku = batch_sku(batch, index);
    int64_t quantity = command->is_set ? command->set_to : sku->stock_quantity + command->delta;
    if (command->is_set && command->expected != sku->stock_quantity) {
        return OUTCOME_STOCK_CHANGED;
    }
    if (quantity > STOCK_QUANTITY_MAX) {
        return OUTCOME_STOCK_TOO_LARGE;
    }
    if (quantity < 0) {
        return OUTCOME_STOCK_IS_RESERVED;
    }
    if (quantity < sku->reserved_quantity) {
        return short_of_stock(batch, facts, index, OUTCOME_STOCK_IS_RESERVED);
    }
    batch->last_delta = quantity - sku->stock_quantity;
    sku->supplied += batch->last_delta;
    sku->stock_quantity = quantity;
    sku->is_changed = true;
    tell_adjusted(batch, sku, batch->last_delta, command);
    return OUTCOME_STOCK_ADJUSTED;
}

static enum outcome_code patch(struct model_batch *batch, const struct update_variant *command)
{
    int index = model_sku_index(batch->model, command->sku);
    if (index < 0 || !seen_sku(batch, index)->exists) {
        return OUTCOME_VARIANT_NOT_FOUND;
    }
    struct model_sku *sku = batch_sku(batch, index);
    int64_t price = command->has_price ? command->price.amount : sku->price;
    int64_t limit = command->has_max_per_customer ? command->max_per_customer : sku->max_per_customer;
    sku->is_patched = sku->is_patched || price != sku->price || limit != sku->max_per_customer;
    sku->price = price;
    sku->max_per_customer = limit;
    return OUTCOME_VARIANT_UPDATED;
}

static enum outcome_code create(struct model_batch *batch, const struct create_product *command)
{
    for (size_t i = 0; i < command->variant_count; i++) {
        if (seen_sku(batch, model_sku_index(batch->model, command->variants[i].sku))->exists) {
            return OUTCOME_SKU_EXISTS;
        }
    }
    for (size_t i = 0; i < command->variant_count; i++) {
        const struct create_variant *wish = &command->variants[i];
        struct model_sku *sku = batch_sku(batch, model_sku_index(batch->model, wish->sku));
        sku->exists = true;
        sku->stock_quantity = wish->stock_quantity;
        sku->supplied = wish->stock_quantity;
        sku->price = wish->price.amount;
        sku->max_per_customer = wish->max_per_customer;
        sku->low_stock_threshold = wish->low_stock_threshold;
        sku->is_changed = true;
        sku->is_patched = true;
    }
    return OUTCOME_PRODUCT_CREATED;
}

/* ---- Answers ---- */

static void check_code(const char *what, enum outcome_code expected, enum outcome_code real)
{
    if (expected != real) {
        sim_violation("answer", "%s: the model says %s, the engine %s", what, outcome_code_name(expected),
                      outcome_code_name(real));
    }
}

static bool is_keyed(const struct idempotency *idempotency)
{
    return idempotency->key.bytes != NULL;
}

/* What is answered where the key was seen before; NULL: it was not. */
static struct model_answer *answer_again(struct model_batch *batch, const struct idempotency *idempotency,
                                         const struct outcome *outcome)
{
    if (!is_keyed(idempotency)) {
        return NULL;
    }
    g_autofree char *name = c_string(idempotency->key);
    const struct model_key *key = seen_key(batch, name);
    if (key == NULL) {
        return NULL;
    }
    bool is_same = memcmp(key->fingerprint, idempotency->fingerprint, FINGERPRINT_BYTES) == 0;
    check_code(name, is_same ? OUTCOME_REPLAYED : OUTCOME_IDEMPOTENCY_KEY_REUSED, outcome->code);
    if (is_same && key->has_order ? outcome->order == NULL || !uuid_equal(outcome->order->id, key->order_id)
                                  : is_same && outcome->record->status != key->status) {
        sim_violation("I8", "the key %s is answered with something else than before", name);
    }
    if (is_same && key->has_order && outcome->order->status != ORDER_DRAFT) {
        sim_violation("I8", "the key %s does not get the answer that it got first", name);
    }
    return model_answer_replay(batch, key, is_same);
}

static void keep_key(struct model_batch *batch, const struct idempotency *idempotency, const struct outcome *outcome,
                     const struct kept_answer *answer)
{
    if (!is_keyed(idempotency) || (!outcome_is_success(outcome->code) && !outcome->changed)) {
        return;
    }
    struct model_key *key = g_new0(struct model_key, 1);
    key->key = c_string(idempotency->key);
    memcpy(key->fingerprint, idempotency->fingerprint, FINGERPRINT_BYTES);
    key->has_order = outcome->code == OUTCOME_ORDER_PLACED;
    if (key->has_order) {
        key->order_id = outcome->order->id;
    }
    key->status = answer->status;
    key->body = c_string(answer->body);
    batch_add_key(batch, key);
}

static struct model_answer *check_batch(struct model_batch *batch, const struct facts *facts,
                                        const struct place_orders *command, const struct outcome *outcome)
{
    if (outcome->code == OUTCOME_NEEDS_SWEEP) {
        if (!facts->sweep_pending) {
            sim_violation("answer", "a batch of orders waits for a sweep, and none is pending");
        }
        return NULL;
    }
    check_code("a batch of orders", OUTCOME_ORDERS_PLACED, outcome->code);
    struct model_answer *answer = model_answer_of_many(OUTCOME_ORDERS_PLACED);
    for (size_t i = 0; i < command->member_count; i++) {
        const struct place_orders_member *member = &command->members[i];
        const struct outcome *real = &outcome->members[i];
        struct model_answer *part = answer_again(batch, &member->idempotency, real);
        if (part == NULL) {
            enum outcome_code code = place(batch, facts, &member->order, real);
            check_code("an order of a batch", code, real->code);
            part = model_answer_place(batch, &member->order, code, real);
            keep_key(batch, &member->idempotency, real, &(struct kept_answer){.body = TEXT_ABSENT});
        }
        model_answer_add_member(answer, part);
    }
    return answer;
}

/* What the kind's rule says; false: it is none of the model's. */
static bool predict(struct model_batch *batch, const struct facts *facts, const struct command *command,
                    enum outcome_code *ret_code)
{
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        *ret_code = place(batch, facts, &command->input.place_order, &command->outcome);
        return true;
    case COMMAND_PAY_ORDER:
        *ret_code = pay(batch, facts, &command->input.pay_order);
        return true;
    case COMMAND_CANCEL_ORDER:
        *ret_code = cancel(batch, facts, &command->input.cancel_order);
        return true;
    case COMMAND_EXTEND_HOLD:
        *ret_code = extend(batch, facts, &command->input.extend_hold);
        return true;
    case COMMAND_ADJUST_STOCK:
        *ret_code = adjust(batch, facts, &command->input.adjust_stock);
        return true;
    case COMMAND_UPDATE_VARIANT:
        *ret_code = patch(batch, &command->input.update_variant);
        return true;
    case COMMAND_CREATE_PRODUCT:
        *ret_code = create(batch, &command->input.create_product);
        return true;
    default:
        return false;
    }
}

struct model_answer *model_expects_outcome(struct model_batch *batch, const struct facts *facts,
                                           const struct command *command)
{
    enum outcome_code code;
    batch->now_ms = facts->now_ms;
    if (command->outcome.code == OUTCOME_STORE_UNAVAILABLE && facts_have_locked(facts)) {
        return NULL; /* what it needs is in somebody else's hands */
    }
    struct model_answer *answer = answer_again(batch, &command->idempotency, &command->outcome);
    if (answer != NULL) {
        return answer;
    }
    if (command->kind == COMMAND_PLACE_ORDERS) {
        answer = check_batch(batch, facts, &command->input.place_orders, &command->outcome);
    } else if (predict(batch, facts, command, &code) || predict_webhooks(batch, command, &code)) {
        check_code(command_kind_name(command->kind), code, command->outcome.code);
        answer = model_answer_new(batch, command, code);
    } else {
        check_jobs(batch, facts, command);
    }
    keep_key(batch, &command->idempotency, &command->outcome, &command->answer);
    return answer;
}

void model_expects_expiry(struct model_batch *batch, const struct facts *facts, const struct uuid *order_id,
                          bool has_expired)
{
    struct model_order *order = batch_order(batch, order_id);
    bool is_due = order != NULL && order->status == ORDER_DRAFT && order->expires_at_ms <= facts->now_ms;
    if (is_due != has_expired) {
        sim_violation("answer", "order %" G_GINT64_FORMAT " (%s, due in %" G_GINT64_FORMAT " ms) %s",
                      order == NULL ? 0 : order->number, order == NULL ? "none" : order_status_name(order->status),
                      order == NULL ? 0 : order->expires_at_ms - facts->now_ms,
                      has_expired ? "expired" : "did not expire");
    }
    if (has_expired) {
        expire(batch, order);
    }
}
