#include "store/postgres/rows.h"

#include <stdlib.h>
#include <string.h>

#include "domain/limits.h"
#include "store/postgres/values.h"

static struct text id_key(const int64_t *id)
{
    return (struct text){(const char *)id, sizeof(*id)};
}

void row_loader_begin(struct row_loader *loader, struct facts *facts)
{
    loader->facts = facts;
    loader->may_miss_variants = false;
    table_init(&loader->variants_by_id, facts->arena);
    for (size_t i = 0; i < facts->variants.count; i++) {
        struct variant *variant = facts->variants.entries[i].value;
        table_put(&loader->variants_by_id, id_key(&variant->row), variant);
    }
}

static struct money value_money(const PGresult *result, int row, int amount_column, int currency_column)
{
    struct money money = {.amount = value_int64(result, row, amount_column)};
    value_bytes(result, row, currency_column, money.currency, sizeof(money.currency) - 1);
    return money;
}

/* Variants */

void take_variants(struct row_loader *loader, const PGresult *variants)
{
    struct arena *arena = loader->facts->arena;
    for (int row = 0; row < PQntuples(variants); row++) {
        if (facts_variant(loader->facts, value_view(variants, row, 2)) != NULL) {
            continue;
        }
        struct variant *variant = arena_zalloc(arena, sizeof(*variant));
        variant->row = value_int64(variants, row, 0);
        variant->product_id = value_uuid(variants, row, 1);
        variant->sku = value_text(variants, row, 2, arena);
        variant->title = value_text(variants, row, 3, arena);
        variant->price = value_money(variants, row, 4, 5);
        variant->max_per_customer = value_int64(variants, row, 6); /* NULL: 0 */
        variant->low_stock_threshold = value_is_null(variants, row, 7) ? -1 : value_int64(variants, row, 7);
        variant->version = value_int64(variants, row, 8);
        variant->stock.stock_quantity = value_int64(variants, row, 9);
        variant->stock.reserved_quantity = value_int64(variants, row, 10);
        variant->stock.version = value_int64(variants, row, 11);
        variant->stock_place = value_place(variants, row, 12);
        variant->loaded_version = variant->version;
        variant->loaded_stock = variant->stock;
        facts_put_variant(loader->facts, variant);
        table_put(&loader->variants_by_id, id_key(&variant->row), variant);
    }
}

/* Products */

static int compare_product_then_id(const void *a, const void *b)
{
    const struct variant *first = *(const struct variant *const *)a;
    const struct variant *second = *(const struct variant *const *)b;
    int by_product = uuid_compare(first->product_id, second->product_id);
    return by_product != 0 ? by_product : (first->row > second->row) - (first->row < second->row);
}

/* All variants of the working set that are in the database, those of one product together. */
static struct variant **sort_variants(struct facts *facts, size_t *ret_count)
{
    struct variant **sorted = arena_array(facts->arena, facts->variants.count, sizeof(struct variant *));
    size_t count = 0;
    for (size_t i = 0; i < facts->variants.count; i++) {
        struct variant *variant = facts->variants.entries[i].value;
        if (variant->loaded_version != 0) {
            sorted[count++] = variant;
        }
    }
    qsort(sorted, count, sizeof(struct variant *), compare_product_then_id);
    *ret_count = count;
    return sorted;
}

/* The first place whose product is not below `id`. */
static size_t find_variants(struct variant *const *sorted, size_t count, const struct uuid *id)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (uuid_compare(sorted[middle]->product_id, *id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void take_products(struct row_loader *loader, const PGresult *products)
{
    struct arena *arena = loader->facts->arena;
    size_t variant_count = 0;
    struct variant **sorted = PQntuples(products) == 0 ? NULL : sort_variants(loader->facts, &variant_count);
    for (int row = 0; row < PQntuples(products); row++) {
        struct uuid id = value_uuid(products, row, 0);
        if (facts_product(loader->facts, &id) != NULL) {
            continue;
        }
        struct product *product = arena_zalloc(arena, sizeof(*product));
        product->id = id;
        product->title = value_text(products, row, 1, arena);
        product->created_at_ms = value_unix_ms(products, row, 2);
        product->version = value_int64(products, row, 3);
        product->loaded_version = product->version;
        size_t first = find_variants(sorted, variant_count, &id);
        product->variants = &sorted[first];
        while (first + product->variant_count < variant_count &&
               uuid_equal(sorted[first + product->variant_count]->product_id, id)) {
            product->variant_count++;
        }
        facts_put_product(loader->facts, product);
    }
}

/* Orders */

static bool take_order(struct arena *arena, const PGresult *orders, int row, struct order *order, struct fault *fault)
{
    order->id = value_uuid(orders, row, 0);
    order->customer_id = value_text(orders, row, 1, arena);
    if (!order_status_parse(value_view(orders, row, 2), &order->status)) {
        return fault_set(fault, FAULT_INTERNAL, "an order has an unknown status");
    }
    order->total = value_money(orders, row, 4, 3);
    order->created_at_ms = value_unix_ms(orders, row, 5);
    order->expires_at_ms = value_unix_ms(orders, row, 6);
    order->hold_ms = value_int64(orders, row, 7);
    order->version = value_int64(orders, row, 8);
    order->revived = value_bool(orders, row, 9);
    order->cancel_reason = value_text(orders, row, 10, arena);
    order->metadata = value_text(orders, row, 11, arena);
    order->loaded_version = order->version;
    order->loaded_status = order->status;
    order->loaded_expires_at_ms = order->expires_at_ms;
    return true;
}

/* How many rows from `first` on are the same order's, by their first column. */
static int count_of_order(const PGresult *result, int first)
{
    int end = first;
    while (end < PQntuples(result) &&
           memcmp(PQgetvalue(result, end, 0), PQgetvalue(result, first, 0), sizeof(struct uuid)) == 0) {
        end++;
    }
    return end - first;
}

bool take_lines(struct row_loader *loader, const PGresult *items, struct fault *fault)
{
    int count;
    for (int first = 0; first < PQntuples(items); first += count) {
        struct uuid id = value_uuid(items, first, 0);
        struct order *order = facts_order(loader->facts, &id);
        count = count_of_order(items, first);
        if (order == NULL || order->lines != NULL) {
            continue; /* locked by somebody else, or known before */
        }
        order->lines = arena_array(loader->facts->arena, (size_t)count, sizeof(*order->lines));
        for (int i = 0; i < count; i++) {
            int64_t variant_id = value_int64(items, first + i, 1);
            struct order_line *line = &order->lines[order->line_count++];
            line->variant = table_find(&loader->variants_by_id, id_key(&variant_id));
            line->quantity = value_int64(items, first + i, 2);
            line->unit_price = value_int64(items, first + i, 3);
            if (line->variant == NULL && !loader->may_miss_variants) {
                return fault_set(fault, FAULT_INTERNAL, "an order names variant %lld, which is not there",
                                 (long long)variant_id);
            }
        }
    }
    return true;
}

void take_payments(struct row_loader *loader, const PGresult *payments)
{
    struct arena *arena = loader->facts->arena;
    int count;
    for (int first = 0; first < PQntuples(payments); first += count) {
        struct uuid id = value_uuid(payments, first, 0);
        struct order *order = facts_order(loader->facts, &id);
        count = count_of_order(payments, first);
        if (order == NULL || order->payments != NULL) {
            continue;
        }
        order->payments = arena_array(arena, (size_t)count, sizeof(*order->payments));
        for (int row = first; row < first + count; row++) {
            struct payment *payment = &order->payments[order->payment_count++];
            payment->reference = value_text(payments, row, 1, arena);
            payment->status =
                text_equal_c(value_view(payments, row, 2), "accepted") ? PAYMENT_ACCEPTED : PAYMENT_REFUND_DUE;
            payment->amount = value_money(payments, row, 3, 4);
            payment->reason = value_text(payments, row, 5, arena);
            payment->created_at_ms = value_unix_ms(payments, row, 6);
        }
        order->loaded_payment_count = order->payment_count;
    }
}

bool take_orders(struct row_loader *loader, const PGresult *orders, struct fault *fault)
{
    struct arena *arena = loader->facts->arena;
    for (int row = 0; row < PQntuples(orders); row++) {
        struct uuid id = value_uuid(orders, row, 0);
        if (facts_order(loader->facts, &id) != NULL) {
            continue;
        }
        struct order *order = arena_zalloc(arena, sizeof(*order));
        if (!take_order(arena, orders, row, order, fault)) {
            return false;
        }
        facts_put_order(loader->facts, order);
    }
    return true;
}
