/* Thousands of random commands on one working set; after each the invariants are counted afresh from the rows. A run
 * is its seed: the failing one is printed, and HOLDFAST_TEST_SEED=<seed> runs it again. */

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "domain/catalogue.h"
#include "domain/expire_order.h"
#include "support/shop.h"

#define RUNS 20
#define STEPS 2000
#define VARIANTS 4
#define CUSTOMERS 3

static const char *const SKUS[VARIANTS] = {"tee-s", "tee-m", "tee-l", "mug"};
static const char *const CUSTOMER_IDS[CUSTOMERS] = {"c-1", "c-2", "c-3"};
static const int64_t LIMIT_OF_MUGS = 4;

struct simulation {
    struct shop *shop;
    int64_t moved[VARIANTS]; /* sums of the movements of earlier batches */
    size_t order_events;     /* of earlier batches; stock events are not counted */
    size_t references_given;
};

static int64_t pick(struct simulation *simulation, int64_t low, int64_t high)
{
    return low + (int64_t)(shop_random(simulation->shop) % (uint64_t)(high - low + 1));
}

static struct order *pick_order(struct simulation *simulation)
{
    const struct table *orders = &simulation->shop->facts.orders;
    return orders->count == 0 ? NULL : orders->entries[pick(simulation, 0, (int64_t)orders->count - 1)].value;
}

/* ---- The invariants ---- */

static bool is_event_of_orders(enum event_type type)
{
    return type <= EVENT_PAYMENT_REFUND_DUE;
}

static void check_order(const struct order *order)
{
    size_t accepted = 0;
    for (size_t i = 0; i < order->payment_count; i++) {
        accepted += order->payments[i].status == PAYMENT_ACCEPTED;
        if (order->payments[i].status == PAYMENT_ACCEPTED) {
            assert_true(money_equal(order->payments[i].amount, order->total));
        }
    }
    assert_int_equal(accepted, order->status == ORDER_PAID); /* I5 */
    assert_true(!order->revived || order->status == ORDER_PAID);
    assert_true((order->status == ORDER_EXPIRED) == text_equal_c(order->cancel_reason, "payment_timeout"));
}

static void check_levels(const struct simulation *simulation)
{
    const struct facts *facts = &simulation->shop->facts;
    for (size_t v = 0; v < VARIANTS; v++) {
        const struct variant *variant = facts_variant(facts, text_from_c(SKUS[v]));
        int64_t reserved = 0;
        for (size_t i = 0; i < facts->orders.count; i++) {
            const struct order *order = facts->orders.entries[i].value;
            for (size_t j = 0; order->status == ORDER_DRAFT && j < order->line_count; j++) {
                reserved += order->lines[j].variant == variant ? order->lines[j].quantity : 0;
            }
        }
        int64_t moved = simulation->moved[v];
        for (size_t i = 0; i < facts->movements.count; i++) {
            moved += facts->movements.items[i]->variant == variant ? facts->movements.items[i]->delta : 0;
        }
        assert_true(variant->stock.reserved_quantity >= 0); /* I1 */
        assert_true(variant->stock.reserved_quantity <= variant->stock.stock_quantity);
        assert_int_equal(variant->stock.reserved_quantity, reserved); /* I2 */
        assert_int_equal(variant->stock.stock_quantity, moved);       /* I3 */
    }
}

/* An order's version counts its moves, and each has its event, as has each payment that is to be refunded. */
static void check_events(const struct simulation *simulation)
{
    const struct facts *facts = &simulation->shop->facts;
    size_t expected = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        expected += (size_t)order->version;
        for (size_t j = 0; j < order->payment_count; j++) {
            expected += order->payments[j].status == PAYMENT_REFUND_DUE;
        }
    }
    size_t events = simulation->order_events;
    for (size_t i = 0; i < facts->events.count; i++) {
        events += is_event_of_orders(facts->events.items[i]->type);
    }
    assert_int_equal(events, expected); /* I11 */
}

static void check_limit(const struct simulation *simulation)
{
    const struct facts *facts = &simulation->shop->facts;
    uint64_t mugs[CUSTOMERS] = {0};
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        if (order->revived || (order->status != ORDER_PAID && !order_is_live(order, facts->now_ms))) {
            continue;
        }
        for (size_t c = 0; c < CUSTOMERS; c++) {
            for (size_t j = 0; text_equal_c(order->customer_id, CUSTOMER_IDS[c]) && j < order->line_count; j++) {
                mugs[c] += text_equal_c(order->lines[j].variant->sku, "mug") ? (uint64_t)order->lines[j].quantity : 0;
            }
        }
    }
    for (size_t c = 0; c < CUSTOMERS; c++) {
        assert_in_range(mugs[c], 0, LIMIT_OF_MUGS);
    }
}

static void check(const struct simulation *simulation)
{
    const struct facts *facts = &simulation->shop->facts;
    size_t payments = 0;
    for (size_t i = 0; i < facts->orders.count; i++) {
        check_order(facts->orders.entries[i].value);
        payments += ((const struct order *)facts->orders.entries[i].value)->payment_count;
    }
    assert_int_equal(payments, facts->payment_owners.count); /* I7: each reference once */
    check_levels(simulation);
    check_events(simulation);
    check_limit(simulation);
}

/* ---- The commands ---- */

static struct outcome place(struct simulation *simulation)
{
    struct place_order_line lines[3];
    size_t count = (size_t)pick(simulation, 1, 3);
    for (size_t i = 0; i < count; i++) {
        lines[i].sku = text_from_c(pick(simulation, 0, 40) == 0 ? "nope" : SKUS[pick(simulation, 0, VARIANTS - 1)]);
        lines[i].quantity = pick(simulation, 1, 4);
    }
    return shop_place(simulation->shop, CUSTOMER_IDS[pick(simulation, 0, CUSTOMERS - 1)], lines, count);
}

static struct outcome pay(struct simulation *simulation, const struct order *order)
{
    bool again = simulation->references_given > 0 && pick(simulation, 0, 4) == 0;
    int64_t number = again ? pick(simulation, 0, (int64_t)simulation->references_given - 1)
                           : (int64_t)simulation->references_given++;
    struct text reference = shop_text(simulation->shop, "pi_%lld", (long long)number);
    if (pick(simulation, 0, 9) == 0) {
        return shop_pay_amount(simulation->shop, order, reference.bytes, (struct money){1, "EUR"});
    }
    return shop_pay(simulation->shop, order, reference.bytes);
}

static struct outcome adjust(struct simulation *simulation)
{
    struct shop *shop = simulation->shop;
    struct adjust_stock command = {
        .sku = text_from_c(SKUS[pick(simulation, 0, VARIANTS - 1)]),
        .is_set = pick(simulation, 0, 1) == 0,
        .delta = pick(simulation, -8, 12),
        .set_to = pick(simulation, 0, 20),
        .reason = MOVEMENT_CORRECTION,
    };
    command.expected = facts_variant(&shop->facts, command.sku)->stock.stock_quantity + pick(simulation, 0, 1);
    struct outcome outcome;
    adjust_stock_decide(&shop->facts, &command, &outcome);
    return outcome;
}

static void end_batch(struct simulation *simulation)
{
    struct facts *facts = &simulation->shop->facts;
    event_stock_thresholds(facts);
    for (size_t i = 0; i < facts->movements.count; i++) {
        for (size_t v = 0; v < VARIANTS; v++) {
            bool same = text_equal_c(facts->movements.items[i]->variant->sku, SKUS[v]);
            simulation->moved[v] += same ? facts->movements.items[i]->delta : 0;
        }
    }
    for (size_t i = 0; i < facts->events.count; i++) {
        simulation->order_events += is_event_of_orders(facts->events.items[i]->type);
    }
    shop_next_batch(simulation->shop, pick(simulation, 0, 3) == 0 ? pick(simulation, 1, SHOP_HOLD_MS) : 1);
    facts->sweep_pending = pick(simulation, 0, 1) == 0;
}

/* Some of the overdue, as a sweep takes them. */
static void sweep(struct simulation *simulation)
{
    struct facts *facts = &simulation->shop->facts;
    for (size_t i = 0; i < facts->orders.count; i++) {
        struct order *order = facts->orders.entries[i].value;
        if (order->status == ORDER_DRAFT && !order_is_live(order, facts->now_ms) && pick(simulation, 0, 1) == 0) {
            assert_true(expire_order_decide(facts, order));
        }
    }
}

static void step(struct simulation *simulation)
{
    struct shop *shop = simulation->shop;
    struct order *order = pick_order(simulation);
    size_t changes_before = shop->facts.change_count;
    size_t events_before = shop->facts.events.count;
    struct outcome outcome = {.changed = true};
    switch (pick(simulation, 0, 9)) {
    case 0:
        end_batch(simulation);
        return;
    case 1:
        sweep(simulation);
        return;
    case 2:
        outcome = adjust(simulation);
        break;
    case 3:
    case 4:
    case 5:
        outcome = place(simulation);
        break;
    case 6:
        if (order != NULL) {
            outcome = shop_cancel(shop, order, "no");
        }
        break;
    case 7:
        if (order != NULL) {
            outcome = shop_extend(shop, order, pick(simulation, 1, 4000));
        }
        break;
    default:
        if (order != NULL) {
            outcome = pay(simulation, order);
        }
        break;
    }
    /* I9: a refusal changed nothing, but for the expiry of an overdue order that it met on its way. */
    if (!outcome.changed && shop->facts.change_count != changes_before) {
        assert_int_equal(outcome.code, OUTCOME_NEEDS_SWEEP);
        assert_int_equal(shop->facts.events.count, events_before + 1);
        assert_int_equal(shop->facts.events.items[events_before]->type, EVENT_ORDER_EXPIRED);
    }
}

static void begin(struct simulation *simulation, uint64_t seed)
{
    struct shop *shop = shop_open();
    *simulation = (struct simulation){.shop = shop};
    shop->random_state = seed;
    struct create_variant variants[VARIANTS];
    for (size_t v = 0; v < VARIANTS; v++) {
        variants[v] = (struct create_variant){
            .sku = text_from_c(SKUS[v]),
            .title = TEXT_LITERAL("Plain"),
            .price = {SHOP_PRICE, "EUR"},
            .stock_quantity = pick(simulation, 0, 20),
            .max_per_customer = v == VARIANTS - 1 ? LIMIT_OF_MUGS : 0,
            .low_stock_threshold = pick(simulation, -1, 3),
        };
    }
    struct create_product command = {TEXT_LITERAL("Things"), variants, VARIANTS};
    struct outcome outcome;
    create_product_decide(&shop->facts, &command, &outcome);
    for (size_t c = 0; c < CUSTOMERS; c++) {
        shop_count_purchases(shop, CUSTOMER_IDS[c], facts_variant(&shop->facts, TEXT_LITERAL("mug")));
    }
}

static void run(uint64_t seed)
{
    struct simulation simulation;
    print_message("# HOLDFAST_TEST_SEED=%llu\n", (unsigned long long)seed);
    begin(&simulation, seed);
    for (int i = 0; i < STEPS; i++) {
        step(&simulation);
        check(&simulation);
    }
    assert_true(simulation.shop->facts.orders.count > STEPS / 20); /* a run that did nothing proves nothing */
    shop_close(simulation.shop);
}

static void random_commands_keep_every_invariant(void **state)
{
    (void)state;
    const char *seed = getenv("HOLDFAST_TEST_SEED");
    if (seed != NULL) {
        run(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= RUNS; i++) {
        run(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_commands_keep_every_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
