#include "domain/hold.h"

#include <assert.h>

static void move(struct facts *facts, struct order *order, enum order_status to)
{
    assert(order_may_move(order->status, to));
    order->status = to;
    order->version++;
    facts->change_count++;
}

/* Keeps the customer's count for max_per_customer true within the batch; only limited variants are counted. Of a
 * variant that became limited in this very batch nothing was loaded: its count starts here. */
static void count_purchases(struct facts *facts, const struct order *order, int64_t sign)
{
    for (size_t i = 0; i < order->line_count; i++) {
        const struct variant *variant = order->lines[i].variant;
        struct purchase *purchase = facts_purchase(facts, order->customer_id, variant->sku);
        if (purchase == NULL && variant->max_per_customer > 0 && sign > 0) {
            purchase = arena_zalloc(facts->arena, sizeof(*purchase));
            purchase->customer_id = order->customer_id;
            purchase->sku = variant->sku;
            facts_put_purchase(facts, purchase);
        }
        if (purchase != NULL) {
            purchase->quantity += sign * order->lines[i].quantity;
        }
    }
}

static void record_sale(struct facts *facts, struct order *order)
{
    for (size_t i = 0; i < order->line_count; i++) {
        struct order_line *line = &order->lines[i];
        stock_convert(&line->variant->stock, line->quantity);
        facts_add_movement(facts, line->variant, -line->quantity, MOVEMENT_SALE, TEXT_ABSENT, order);
    }
}

/* What all the order's lines of one line's variant ask for together. */
static int64_t needed_together(const struct order *order, size_t line)
{
    int64_t needed = 0;
    for (size_t i = 0; i < order->line_count; i++) {
        needed += order->lines[i].variant == order->lines[line].variant ? order->lines[i].quantity : 0;
    }
    return needed;
}

bool hold_has_stock(const struct order *order)
{
    for (size_t i = 0; i < order->line_count; i++) {
        if (needed_together(order, i) > stock_available(&order->lines[i].variant->stock)) {
            return false;
        }
    }
    return true;
}

bool hold_is_held(const struct order *order)
{
    for (size_t i = 0; i < order->line_count; i++) {
        if (needed_together(order, i) > order->lines[i].variant->stock.reserved_quantity) {
            return false;
        }
    }
    return true;
}

void hold_reserve(struct facts *facts, struct order *order)
{
    assert(order->status == ORDER_DRAFT && order->loaded_version == 0);
    for (size_t i = 0; i < order->line_count; i++) {
        stock_reserve(&order->lines[i].variant->stock, order->lines[i].quantity);
    }
    count_purchases(facts, order, 1);
    facts->change_count++;
}

void hold_convert(struct facts *facts, struct order *order)
{
    assert(order_is_live(order, facts->now_ms));
    move(facts, order, ORDER_PAID);
    record_sale(facts, order);
}

void hold_revive(struct facts *facts, struct order *order)
{
    assert(order->status == ORDER_EXPIRED);
    move(facts, order, ORDER_PAID);
    order->revived = true;
    order->cancel_reason = TEXT_ABSENT;
    for (size_t i = 0; i < order->line_count; i++) {
        stock_reserve(&order->lines[i].variant->stock, order->lines[i].quantity);
    }
    record_sale(facts, order);
    count_purchases(facts, order, 1);
}

void hold_release(struct facts *facts, struct order *order, enum order_status to, struct text reason)
{
    assert(to == ORDER_CANCELLED || to == ORDER_EXPIRED);
    bool was_live = order_is_live(order, facts->now_ms);
    move(facts, order, to);
    order->cancel_reason = reason;
    for (size_t i = 0; i < order->line_count; i++) {
        stock_release(&order->lines[i].variant->stock, order->lines[i].quantity);
    }
    if (was_live) { /* an overdue hold had stopped counting at its deadline */
        count_purchases(facts, order, -1);
    }
}
