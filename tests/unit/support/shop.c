#include "shop.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "domain/limits.h"

static void fill_random(void *context, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ((unsigned char *)bytes)[i] = (unsigned char)shop_random(context);
    }
}

struct shop *shop_open(void)
{
    struct shop *shop = memory_zalloc(1, sizeof(*shop));
    shop->arena = arena_new(64 * 1024);
    shop->random_state = 1;
    uuid_source_init(&shop->ids, fill_random, shop);
    facts_init(&shop->facts, shop->arena, SHOP_NOW_MS, &shop->ids,
               (struct policy){.hold_seconds_max = HOLD_SECONDS_MAX_DEFAULT});
    return shop;
}

void shop_close(struct shop *shop)
{
    arena_free(shop->arena);
    free(shop);
}

int shop_setup(void **state)
{
    *state = shop_open();
    return 0;
}

int shop_teardown(void **state)
{
    shop_close(*state);
    return 0;
}

uint64_t shop_random(struct shop *shop)
{
    uint64_t mixed = shop->random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

struct text shop_text(struct shop *shop, const char *format, ...)
{
    char bytes[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(bytes, sizeof(bytes), format, arguments);
    va_end(arguments);
    assert(length >= 0 && (size_t)length < sizeof(bytes));
    return arena_text(shop->arena, (struct text){bytes, (size_t)length});
}

/* ---- Rows ---- */

struct product *shop_product(struct shop *shop, const char *title)
{
    struct product *product = arena_zalloc(shop->arena, sizeof(*product));
    product->id = uuid_source_next(&shop->ids, SHOP_NOW_MS);
    product->title = text_from_c(title);
    product->created_at_ms = SHOP_NOW_MS;
    product->version = product->loaded_version = 1;
    facts_put_product(&shop->facts, product);
    return product;
}

struct variant *shop_variant(struct shop *shop, const char *sku, int64_t stock_quantity)
{
    struct variant *variant = arena_zalloc(shop->arena, sizeof(*variant));
    variant->sku = text_from_c(sku);
    variant->title = TEXT_LITERAL("Plain");
    variant->price = (struct money){SHOP_PRICE, "EUR"};
    variant->low_stock_threshold = -1;
    variant->version = variant->loaded_version = 1;
    variant->stock = (struct stock_level){.stock_quantity = stock_quantity, .version = 1};
    variant->loaded_stock = variant->stock;
    facts_put_variant(&shop->facts, variant);
    return variant;
}

static void add_first_payment(struct shop *shop, struct order *order)
{
    order->payments = arena_zalloc(shop->arena, sizeof(*order->payments));
    order->payments[0] = (struct payment){
        .reference = TEXT_LITERAL("pi_first"),
        .status = PAYMENT_ACCEPTED,
        .amount = order->total,
        .created_at_ms = SHOP_NOW_MS,
    };
    order->payment_count = order->loaded_payment_count = 1;
    facts_put_payment_owner(&shop->facts, order->payments[0].reference, order->id);
}

struct order *shop_order(struct shop *shop, struct variant *variant, int64_t quantity, enum order_status status)
{
    struct order *order = arena_zalloc(shop->arena, sizeof(*order));
    order->id = uuid_source_next(&shop->ids, SHOP_NOW_MS);
    order->status = order->loaded_status = status;
    order->customer_id = TEXT_LITERAL("c-1");
    order->total = (struct money){variant->price.amount * quantity, "EUR"};
    order->created_at_ms = SHOP_NOW_MS;
    order->hold_ms = SHOP_HOLD_MS;
    order->expires_at_ms = SHOP_NOW_MS + SHOP_HOLD_MS;
    order->version = order->loaded_version = 1;
    order->lines = arena_zalloc(shop->arena, sizeof(*order->lines));
    order->lines[0] = (struct order_line){variant, quantity, variant->price.amount};
    order->line_count = 1;
    switch (status) {
    case ORDER_DRAFT:
        stock_reserve(&variant->stock, quantity);
        variant->loaded_stock = variant->stock;
        break;
    case ORDER_PAID:
        add_first_payment(shop, order);
        break;
    case ORDER_CANCELLED:
        order->cancel_reason = TEXT_LITERAL("changed my mind");
        break;
    case ORDER_EXPIRED:
        order->created_at_ms = SHOP_NOW_MS - SHOP_HOLD_MS;
        order->expires_at_ms = SHOP_NOW_MS;
        order->cancel_reason = CANCEL_REASON_PAYMENT_TIMEOUT;
        break;
    }
    order->loaded_expires_at_ms = order->expires_at_ms;
    facts_put_order(&shop->facts, order);
    return order;
}

struct order *shop_overdue_draft(struct shop *shop, struct variant *variant, int64_t quantity)
{
    struct order *order = shop_order(shop, variant, quantity, ORDER_DRAFT);
    order->created_at_ms = SHOP_NOW_MS - SHOP_HOLD_MS;
    order->expires_at_ms = order->loaded_expires_at_ms = SHOP_NOW_MS;
    return order;
}

/* Units in the customer's paid orders and live holds. */
static int64_t purchased(const struct facts *facts, struct text customer_id, struct text sku)
{
    int64_t quantity = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        if (!text_equal(order->customer_id, customer_id) ||
            (order->status != ORDER_PAID && !order_is_live(order, facts->now_ms))) {
            continue;
        }
        for (size_t j = 0; j < order->line_count; j++) {
            quantity += text_equal(order->lines[j].variant->sku, sku) ? order->lines[j].quantity : 0;
        }
    }
    return quantity;
}

void shop_count_purchases(struct shop *shop, const char *customer_id, struct variant *variant)
{
    struct purchase *purchase = arena_zalloc(shop->arena, sizeof(*purchase));
    purchase->customer_id = text_from_c(customer_id);
    purchase->sku = variant->sku;
    purchase->quantity = purchased(&shop->facts, purchase->customer_id, purchase->sku);
    facts_put_purchase(&shop->facts, purchase);
}

void shop_next_batch(struct shop *shop, int64_t later_ms)
{
    struct facts *facts = &shop->facts;
    facts->now_ms += later_ms;
    facts->sweep_pending = false;
    for (size_t i = 0; i < facts->variants.count; i++) {
        struct variant *variant = facts->variants.entries[i].value;
        variant->loaded_version = variant->version;
        variant->loaded_stock = variant->stock;
    }
    for (size_t i = 0; i < facts->products.count; i++) {
        struct product *product = facts->products.entries[i].value;
        product->loaded_version = product->version;
    }
    for (size_t i = 0; i < facts->orders.count; i++) {
        struct order *order = facts->orders.entries[i].value;
        order->loaded_version = order->version;
        order->loaded_status = order->status;
        order->loaded_expires_at_ms = order->expires_at_ms;
        order->loaded_payment_count = order->payment_count;
    }
    for (size_t i = 0; i < facts->idempotency.count; i++) {
        ((struct idempotency_record *)facts->idempotency.entries[i].value)->is_new = false;
    }
    for (size_t i = 0; i < facts->purchases.count; i++) {
        struct purchase *purchase = facts->purchases.entries[i].value;
        purchase->quantity = purchased(facts, purchase->customer_id, purchase->sku);
    }
    facts->movements.count = 0;
    facts->events.count = 0;
    facts->change_count = 0;
}

/* ---- Commands ---- */

struct outcome shop_place(struct shop *shop, const char *customer_id, const struct place_order_line *lines,
                          size_t line_count)
{
    struct place_order command = {
        .customer_id = text_from_c(customer_id),
        .lines = lines,
        .line_count = line_count,
        .hold_seconds = SHOP_HOLD_MS / 1000,
    };
    struct outcome outcome;
    place_order_decide(&shop->facts, &command, &outcome);
    return outcome;
}

struct outcome shop_place_one(struct shop *shop, const char *customer_id, const char *sku, int64_t quantity)
{
    struct place_order_line line = {text_from_c(sku), quantity};
    return shop_place(shop, customer_id, &line, 1);
}

struct outcome shop_pay(struct shop *shop, const struct order *order, const char *reference)
{
    struct pay_order command = {.order_id = order->id, .payment_reference = text_from_c(reference)};
    struct outcome outcome;
    pay_order_decide(&shop->facts, &command, &outcome);
    return outcome;
}

struct outcome shop_pay_amount(struct shop *shop, const struct order *order, const char *reference, struct money amount)
{
    struct pay_order command = {
        .order_id = order->id,
        .payment_reference = text_from_c(reference),
        .has_amount = true,
        .amount = amount,
    };
    struct outcome outcome;
    pay_order_decide(&shop->facts, &command, &outcome);
    return outcome;
}

struct outcome shop_cancel(struct shop *shop, const struct order *order, const char *reason)
{
    struct cancel_order command = {.order_id = order->id, .reason = text_from_c(reason)};
    struct outcome outcome;
    cancel_order_decide(&shop->facts, &command, &outcome);
    return outcome;
}

struct outcome shop_extend(struct shop *shop, const struct order *order, int64_t seconds)
{
    struct extend_hold command = {.order_id = order->id, .seconds = seconds};
    struct outcome outcome;
    extend_hold_decide(&shop->facts, &command, &outcome);
    return outcome;
}

struct outcome shop_adjust(struct shop *shop, const char *sku, int64_t delta)
{
    struct adjust_stock command = {.sku = text_from_c(sku), .delta = delta, .reason = MOVEMENT_RESTOCK};
    struct outcome outcome;
    adjust_stock_decide(&shop->facts, &command, &outcome);
    return outcome;
}

/* ---- Events ---- */

const char *shop_event_types(struct shop *shop)
{
    struct buffer types;
    buffer_init(&types, 64 * 1024);
    for (size_t i = 0; i < shop->facts.events.count; i++) {
        buffer_append_format(&types, "%s%s", i == 0 ? "" : " ", event_type_name(shop->facts.events.items[i]->type));
    }
    struct text copy = arena_text(shop->arena, buffer_text(&types));
    buffer_done(&types);
    return copy.bytes == NULL ? "" : copy.bytes;
}

const char *shop_event_data(struct shop *shop, size_t i, const struct order *order)
{
    assert(i < shop->facts.events.count);
    const char *data = shop->facts.events.items[i]->data.bytes;
    if (order == NULL) {
        return data;
    }
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(order->id, id);
    const char *at = strstr(data, id);
    assert(at != NULL);
    struct text copy = arena_printf(shop->arena, "%.*sORDER%s", (int)(at - data), data, at + UUID_TEXT_LENGTH);
    return copy.bytes;
}
