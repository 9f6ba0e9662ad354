#include "domain/place_order.h"

#include <assert.h>
#include <string.h>

#include "domain/hold.h"
#include "domain/idempotency.h"
#include "domain/limits.h"

void place_order_want(const struct place_order *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->line_count; i++) {
        wanted_add_sku(wanted, command->lines[i].sku);
        wanted_add_purchase(wanted, command->customer_id, command->lines[i].sku);
    }
}

/* Lines of one SKU count together: what all lines with line i's variant ask for. */
static int64_t requested_together(const struct place_order *command, struct variant *const *variants, size_t i)
{
    int64_t requested = 0;
    for (size_t j = 0; j < command->line_count; j++) {
        requested += variants[j] == variants[i] ? command->lines[j].quantity : 0;
    }
    return requested;
}

static void add_line(struct facts *facts, const struct place_order *command, size_t i, int64_t available,
                     struct outcome *outcome)
{
    if (outcome->lines == NULL) {
        outcome->lines = arena_array(facts->arena, command->line_count, sizeof(*outcome->lines));
    }
    outcome->lines[outcome->line_count++] = (struct outcome_line){
        .line = i + 1,
        .sku = command->lines[i].sku,
        .requested = command->lines[i].quantity,
        .available = available,
    };
}

static bool refuse_unknown_sku(struct facts *facts, const struct place_order *command, struct variant **variants,
                               struct outcome *outcome)
{
    for (size_t i = 0; i < command->line_count; i++) {
        variants[i] = facts_variant(facts, command->lines[i].sku);
        if (variants[i] == NULL) {
            add_line(facts, command, i, 0, outcome);
        }
    }
    outcome->code = OUTCOME_UNKNOWN_SKU;
    return outcome->line_count > 0;
}

static bool refuse_mixed_currencies(const struct place_order *command, struct variant *const *variants,
                                    struct outcome *outcome)
{
    outcome->code = OUTCOME_MIXED_CURRENCIES;
    for (size_t i = 1; i < command->line_count; i++) {
        assert(variants[i] != NULL && variants[0] != NULL);
        if (strcmp(variants[i]->price.currency, variants[0]->price.currency) != 0) {
            return true;
        }
    }
    return false;
}

static bool refuse_total(const struct place_order *command, struct variant *const *variants, struct money *total,
                         struct outcome *outcome)
{
    assert(variants[0] != NULL);
    *total = (struct money){.amount = 0};
    memcpy(total->currency, variants[0]->price.currency, sizeof(total->currency));
    outcome->code = OUTCOME_TOTAL_TOO_LARGE;
    for (size_t i = 0; i < command->line_count; i++) {
        int64_t amount;
        if (__builtin_mul_overflow(variants[i]->price.amount, command->lines[i].quantity, &amount) ||
            __builtin_add_overflow(total->amount, amount, &total->amount)) {
            return true;
        }
    }
    return false;
}

static bool refuse_purchase_limit(struct facts *facts, const struct place_order *command,
                                  struct variant *const *variants, struct outcome *outcome)
{
    for (size_t i = 0; i < command->line_count; i++) {
        int64_t limit = variants[i]->max_per_customer;
        if (limit == 0) {
            continue;
        }
        const struct purchase *purchase = facts_purchase(facts, command->customer_id, command->lines[i].sku);
        int64_t already = purchase == NULL ? 0 : purchase->quantity;
        int64_t requested = requested_together(command, variants, i);
        if (already + requested > limit) {
            outcome->code = OUTCOME_PURCHASE_LIMIT;
            outcome->limit = (struct outcome_limit){command->lines[i].sku, limit, already, requested};
            return true;
        }
    }
    return false;
}

static bool refuse_stock(struct facts *facts, const struct place_order *command, struct variant *const *variants,
                         struct outcome *outcome)
{
    outcome->code = OUTCOME_INSUFFICIENT_STOCK;
    for (size_t i = 0; i < command->line_count; i++) {
        int64_t available = stock_available(&variants[i]->stock);
        if (requested_together(command, variants, i) > available) {
            add_line(facts, command, i, available, outcome);
        }
    }
    if (outcome->line_count > 0 && facts->sweep_pending) {
        outcome->code = OUTCOME_NEEDS_SWEEP;
    }
    return outcome->line_count > 0;
}

static struct order *make_order(struct facts *facts, const struct place_order *command, struct variant *const *variants,
                                struct money total)
{
    struct order *order = arena_zalloc(facts->arena, sizeof(*order));
    order->id = uuid_source_next(facts->ids, facts->now_ms);
    order->status = ORDER_DRAFT;
    order->customer_id = arena_text(facts->arena, command->customer_id);
    order->metadata = arena_text(facts->arena, command->metadata);
    order->total = total;
    order->created_at_ms = facts->now_ms;
    order->hold_ms = command->hold_seconds * 1000;
    order->expires_at_ms = facts->now_ms + order->hold_ms;
    order->version = 1;
    order->line_count = command->line_count;
    order->lines = arena_array(facts->arena, order->line_count, sizeof(*order->lines));
    for (size_t i = 0; i < order->line_count; i++) {
        order->lines[i] = (struct order_line){
            .variant = variants[i],
            .quantity = command->lines[i].quantity,
            .unit_price = variants[i]->price.amount,
        };
    }
    return order;
}

void place_order_decide(struct facts *facts, const struct place_order *command, struct outcome *ret_outcome)
{
    assert(command->line_count >= 1 && command->line_count <= ORDER_LINES_MAX);
    struct variant *variants[ORDER_LINES_MAX] = {NULL};
    struct money total;
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (refuse_unknown_sku(facts, command, variants, ret_outcome) ||
        refuse_mixed_currencies(command, variants, ret_outcome) ||
        refuse_total(command, variants, &total, ret_outcome) ||
        refuse_purchase_limit(facts, command, variants, ret_outcome) ||
        refuse_stock(facts, command, variants, ret_outcome)) {
        return;
    }

    /* The point of no return. */
    struct order *order = make_order(facts, command, variants, total);
    facts_put_order(facts, order);
    hold_reserve(facts, order);
    event_order_created(facts, order);
    ret_outcome->code = OUTCOME_ORDER_PLACED;
    ret_outcome->changed = true;
    ret_outcome->order = order_snapshot(facts->arena, order);
}

void place_orders_want(const struct place_orders *command, struct wanted *wanted)
{
    for (size_t i = 0; i < command->member_count; i++) {
        const struct place_orders_member *member = &command->members[i];
        if (member->refused != NULL) {
            continue;
        }
        place_order_want(&member->order, wanted);
        if (member->idempotency.key.bytes != NULL) {
            wanted_add_idempotency_key(wanted, member->idempotency.key);
        }
    }
}

/* Might any member be refused for stock? Members cannot be undone once decided, so this looks at all of them first and
 * errs on the side of yes. */
static bool may_run_short(struct facts *facts, const struct place_orders *command)
{
    struct table needed;
    table_init(&needed, facts->arena);
    for (size_t i = 0; i < command->member_count; i++) {
        const struct place_orders_member *member = &command->members[i];
        for (size_t j = 0; member->refused == NULL && j < member->order.line_count; j++) {
            const struct place_order_line *line = &member->order.lines[j];
            const struct variant *variant = facts_variant(facts, line->sku);
            if (variant == NULL) {
                continue;
            }
            int64_t *quantity = table_find(&needed, line->sku);
            if (quantity == NULL) {
                quantity = arena_zalloc(facts->arena, sizeof(*quantity));
                table_put(&needed, line->sku, quantity);
            }
            *quantity += line->quantity;
            if (*quantity > stock_available(&variant->stock)) {
                return true;
            }
        }
    }
    return false;
}

void place_orders_decide(struct facts *facts, const struct place_orders *command, struct outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    if (facts->sweep_pending && may_run_short(facts, command)) {
        ret_outcome->code = OUTCOME_NEEDS_SWEEP;
        return;
    }
    ret_outcome->code = OUTCOME_ORDERS_PLACED;
    ret_outcome->member_count = command->member_count;
    ret_outcome->members = arena_array(facts->arena, command->member_count, sizeof(*ret_outcome->members));
    for (size_t i = 0; i < command->member_count; i++) {
        const struct place_orders_member *member = &command->members[i];
        struct outcome *outcome = &ret_outcome->members[i];
        if (member->refused != NULL) {
            continue;
        }
        if (idempotency_decide(facts, &member->idempotency, outcome)) {
            outcome->replayed = outcome->code == OUTCOME_REPLAYED;
            continue;
        }
        place_order_decide(facts, &member->order, outcome);
        idempotency_keep(facts, &member->idempotency, outcome);
        ret_outcome->changed = ret_outcome->changed || outcome->changed;
    }
}
