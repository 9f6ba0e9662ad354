#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_SHOP_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_SHOP_H

/* A small shop for tests of the rules: a working set with a clock that stands still and ids that come out the same each
 * time. Builders put rows there as if a store had loaded them; the commands below decide on them. */

#include "domain/adjust_stock.h"
#include "domain/cancel_order.h"
#include "domain/extend_hold.h"
#include "domain/facts.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"

#define SHOP_NOW_MS INT64_C(1795340460123) /* 2026-11-22T09:41:00.123Z */
#define SHOP_HOLD_MS INT64_C(900000)
#define SHOP_PRICE 1999 /* EUR cents, of every variant until changed */

struct shop {
    struct arena *arena;
    struct facts facts;
    struct uuid_source ids;
    uint64_t random_state;
};

struct shop *shop_open(void);
void shop_close(struct shop *shop);
/* The same as fixtures of cmocka: *state is the shop. */
int shop_setup(void **state);
int shop_teardown(void **state);
#define IN_SHOP(test) cmocka_unit_test_setup_teardown(test, shop_setup, shop_teardown)
/* As if the batch had been saved and the next one loaded `later_ms` later: what was decided is now what was loaded,
 * the lists of new rows are empty, and each customer's purchases are counted afresh. */
void shop_next_batch(struct shop *shop, int64_t later_ms);
uint64_t shop_random(struct shop *shop); /* splitmix64: the same numbers from the same random_state */

struct text shop_text(struct shop *shop, const char *format, ...) PRINTF_LIKE(2, 3);
struct product *shop_product(struct shop *shop, const char *title);
struct variant *shop_variant(struct shop *shop, const char *sku, int64_t stock_quantity);
/* An order of one line by customer "c-1", made now; its stock is counted as its status says. A paid one has the
 * accepted payment "pi_first". The deadline of an expired one is now. */
struct order *shop_order(struct shop *shop, struct variant *variant, int64_t quantity, enum order_status status);
/* A draft whose deadline is now: it has passed, and no sweep has reached it. */
struct order *shop_overdue_draft(struct shop *shop, struct variant *variant, int64_t quantity);
/* Counts the customer's purchases of a limited variant, as a store does when it loads a wanted purchase. */
void shop_count_purchases(struct shop *shop, const char *customer_id, struct variant *variant);

struct outcome shop_place(struct shop *shop, const char *customer_id, const struct place_order_line *lines,
                          size_t line_count);
struct outcome shop_place_one(struct shop *shop, const char *customer_id, const char *sku, int64_t quantity);
struct outcome shop_pay(struct shop *shop, const struct order *order, const char *reference);
struct outcome shop_pay_amount(struct shop *shop, const struct order *order, const char *reference,
                               struct money amount);
struct outcome shop_cancel(struct shop *shop, const struct order *order, const char *reason);
struct outcome shop_extend(struct shop *shop, const struct order *order, int64_t seconds);
struct outcome shop_adjust(struct shop *shop, const char *sku, int64_t delta);

/* "order.created stock.sold_out": the types of this batch's events, in order. */
const char *shop_event_types(struct shop *shop);
/* The data of event `i`, with the order's id written as ORDER. */
const char *shop_event_data(struct shop *shop, size_t i, const struct order *order);

#endif
