#include "conformance.h"

#include <string.h>

#include "domain/catalogue.h"
#include "domain/idempotency.h"
#include "domain/place_order.h"

static void a_product_comes_back_with_its_variants(void **state)
{
    struct harness *harness = *state;
    struct uuid id = make_limited_variant(harness, "tee-m \xF0\x9F\x91\x95", 50, 3);
    harness_reopen(harness);

    struct product *product;
    assert_ok(harness,
              harness->ops->read_product(harness->reader, harness->read_arena, &id, &product, &harness->fault));
    assert_true(text_equal_c(product->title, "Tee"));
    assert_int_equal(product->created_at_ms, HARNESS_START_MS);
    assert_int_equal(product->version, 1);
    assert_int_equal(product->variant_count, 1);
    const struct variant *variant = product->variants[0];
    assert_true(text_equal_c(variant->sku, "tee-m \xF0\x9F\x91\x95"));
    assert_true(text_equal_c(variant->title, "Tee, M"));
    assert_true(uuid_equal(variant->product_id, id));
    assert_int_equal(variant->price.amount, 1999);
    assert_string_equal(variant->price.currency, "EUR");
    assert_int_equal(variant->max_per_customer, 3);
    assert_int_equal(variant->low_stock_threshold, -1);
    assert_int_equal(variant->stock.stock_quantity, 50);
    assert_int_equal(variant->stock.reserved_quantity, 0);
    assert_audit_clean(harness);
}

static void an_order_comes_back_as_it_was_placed(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    (void)make_variant(harness, "b", 10);
    struct place_order_line lines[] = {{TEXT_LITERAL("b"), 2}, {TEXT_LITERAL("a"), 1}, {TEXT_LITERAL("b"), 3}};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c'\"; DROP TABLE orders"),
        .lines = lines,
        .line_count = 3,
        .hold_seconds = 60,
        .metadata = TEXT_LITERAL("{\"zz\":\"1\",\"a\":\"x, y: \\\"z\\\" \\\\\",\"note\":\"\xC3\xBC\",\"b\":\"\"}"),
    };
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&command, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);

    const struct order *order = read_order(harness, outcome.order->id);
    assert_int_equal(order->status, ORDER_DRAFT);
    assert_true(text_equal(order->customer_id, command.customer_id));
    assert_true(text_equal(order->metadata, command.metadata));
    assert_null(order->cancel_reason.bytes);
    assert_int_equal(order->total.amount, 6 * 1999);
    assert_string_equal(order->total.currency, "EUR");
    assert_int_equal(order->created_at_ms, HARNESS_START_MS);
    assert_int_equal(order->expires_at_ms, HARNESS_START_MS + 60000);
    assert_int_equal(order->hold_ms, 60000);
    assert_int_equal(order->version, 1);
    assert_false(order->revived);
    assert_int_equal(order->line_count, 3);
    assert_true(text_equal_c(order->lines[0].variant->sku, "b"));
    assert_true(text_equal_c(order->lines[1].variant->sku, "a"));
    assert_ptr_equal(order->lines[0].variant, order->lines[2].variant);
    assert_int_equal(order->lines[2].quantity, 3);
    assert_int_equal(order->lines[2].unit_price, 1999);
    assert_int_equal(read_variant(harness, "b")->stock.reserved_quantity, 5);
    assert_audit_clean(harness);
}

static void variants_come_back_in_the_order_they_came(void **state)
{
    struct harness *harness = *state;
    static const char *const skus[] = {"pot-s", "pot-m", "pot-l", "Pot-XL"};
    struct create_variant variants[4];
    for (size_t i = 0; i < 4; i++) {
        variants[i] = (struct create_variant){.sku = text_from_c(skus[i]),
                                              .title = TEXT_LITERAL("Pot"),
                                              .price = {100, "EUR"},
                                              .low_stock_threshold = -1};
    }
    struct create_product command = {.title = TEXT_LITERAL("Pot"), .variants = variants, .variant_count = 4};
    struct outcome outcome;
    batch_begin(harness);
    create_product_want(&command, &harness->wanted);
    batch_load(harness);
    create_product_decide(&harness->facts, &command, &outcome);
    batch_commit(harness);
    struct product *product;
    assert_ok(harness, harness->ops->read_product(harness->reader, harness->read_arena, &outcome.product->id, &product,
                                                  &harness->fault));
    assert_int_equal(product->variant_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(text_equal_c(product->variants[i]->sku, skus[i]));
    }
}

static void a_rolled_back_batch_leaves_nothing(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct place_order_line line = {TEXT_LITERAL("a"), 1};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    struct outcome outcome;
    batch_begin(harness);
    place_order_want(&command, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &command, &outcome);
    assert_ok(harness, harness->ops->batch_save(harness->store, &harness->facts, &harness->fault));
    assert_null(read_order(harness, outcome.order->id)); /* readers see what is committed */
    harness->ops->batch_rollback(harness->store);

    assert_null(read_order(harness, outcome.order->id));
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);
    assert_audit_clean(harness);
}

static void paying_converts_the_hold(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 4);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_ORDER_PAID);

    const struct order *order = read_order(harness, id);
    assert_int_equal(order->status, ORDER_PAID);
    assert_int_equal(order->version, 2);
    assert_int_equal(order->payment_count, 1);
    assert_true(text_equal_c(order->payments[0].reference, "pi_1"));
    assert_int_equal(order->payments[0].status, PAYMENT_ACCEPTED);
    assert_int_equal(order->payments[0].amount.amount, 4 * 1999);
    assert_null(order->payments[0].reason.bytes);
    assert_int_equal(read_variant(harness, "a")->stock.stock_quantity, 6);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);
    int64_t due_ms;
    assert_ok(harness, harness->ops->next_due(harness->store, &due_ms, &harness->fault));
    assert_true(due_ms == INT64_MAX);
    assert_audit_clean(harness);
}

static void money_that_cannot_be_accepted_is_recorded(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    assert_int_equal(pay_amount(harness, id, "pi_1", 5).code, OUTCOME_AMOUNT_MISMATCH);
    assert_int_equal(pay(harness, id, "pi_2").code, OUTCOME_ORDER_PAID);
    assert_int_equal(pay(harness, id, "pi_3").code, OUTCOME_ALREADY_PAID);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_AMOUNT_MISMATCH); /* judged once */
    struct uuid other = place_id(harness, "c", "a", 1);
    struct outcome used = pay(harness, other, "pi_3");
    assert_int_equal(used.code, OUTCOME_PAYMENT_REFERENCE_USED);
    assert_true(uuid_equal(used.other_order_id, id));

    const struct order *order = read_order(harness, id);
    assert_int_equal(order->payment_count, 3);
    assert_true(text_equal_c(order->payments[0].reason, "amount_mismatch"));
    assert_int_equal(order->payments[0].amount.amount, 5);
    assert_int_equal(order->payments[1].status, PAYMENT_ACCEPTED);
    assert_int_equal(order->payments[2].status, PAYMENT_REFUND_DUE);
    assert_audit_clean(harness);
}

static void cancelling_releases_the_hold(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 4);
    assert_int_equal(cancel(harness, id, "too dear").code, OUTCOME_ORDER_CANCELLED);
    assert_true(text_equal_c(read_order(harness, id)->cancel_reason, "too dear"));
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_PAID_AFTER_CANCEL);
    assert_audit_clean(harness);
}

static void due_timeouts_come_earliest_first(void **state)
{
    struct harness *harness = *state;
    struct uuid due[4];
    struct uuid id[3];
    size_t count;
    bool more;
    int64_t due_ms;
    (void)make_variant(harness, "a", 10);
    for (size_t i = 0; i < 3; i++) {
        id[i] = place_id(harness, "c", "a", 1);
        harness_now_ms += 1;
    }
    assert_int_equal(extend(harness, id[0], 60).code, OUTCOME_ORDER_EXTENDED);
    assert_ok(harness, harness->ops->next_due(harness->store, &due_ms, &harness->fault));
    assert_int_equal(due_ms, HARNESS_START_MS + 900001);

    harness_now_ms = HARNESS_START_MS + 900000;
    batch_begin(harness);
    assert_ok(harness, harness->ops->batch_due(harness->store, harness_now_ms, 4, due, &count, &more, &harness->fault));
    assert_int_equal(count, 0);
    assert_ok(harness,
              harness->ops->batch_due(harness->store, harness_now_ms + 1, 4, due, &count, &more, &harness->fault));
    assert_int_equal(count, 1); /* at the deadline itself it is due */
    assert_ok(harness,
              harness->ops->batch_due(harness->store, harness_now_ms + 99999, 2, due, &count, &more, &harness->fault));
    assert_int_equal(count, 2);
    assert_true(more);
    assert_true(uuid_equal(due[0], id[1]) && uuid_equal(due[1], id[2]));
    assert_ok(harness,
              harness->ops->batch_due(harness->store, harness_now_ms + 99999, 3, due, &count, &more, &harness->fault));
    assert_false(more);
    assert_true(uuid_equal(due[2], id[0]));
    harness->ops->batch_rollback(harness->store);
}

static void timeouts_release_holds_once(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 4);
    harness_now_ms += 900000;
    assert_int_equal(expire_due(harness, 10), 1);
    assert_int_equal(expire_due(harness, 10), 0);
    const struct order *order = read_order(harness, id);
    assert_int_equal(order->status, ORDER_EXPIRED);
    assert_true(text_equal_c(order->cancel_reason, "payment_timeout"));
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);
    assert_int_equal(pay(harness, id, "late").code, OUTCOME_ORDER_PAID);
    assert_true(read_order(harness, id)->revived);
    assert_null(read_order(harness, id)->cancel_reason.bytes);
    assert_audit_clean(harness);
}

static void an_overdue_draft_is_paid_in_one_batch(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 4);
    harness_now_ms += 900001;
    assert_int_equal(pay(harness, id, "late").code, OUTCOME_ORDER_PAID); /* draft, expired, paid: none in between */
    assert_int_equal(expire_due(harness, 10), 0);
    assert_int_equal(read_order(harness, id)->version, 3);
    assert_audit_clean(harness);
}

/* A store may find out at the commit what is wrong with what was saved. */
static bool save_and_commit(struct harness *harness, struct facts *facts)
{
    return harness->ops->batch_save(harness->store, facts, &harness->fault) &&
           harness->ops->batch_commit(harness->store, &harness->fault);
}

/* A row that exists already: a mistake, or on a shared database the twin of a faster server. */
static void assert_refused_as_existing(struct harness *harness)
{
    assert_false(save_and_commit(harness, &harness->facts));
    assert_true(harness->fault.kind == FAULT_CONSTRAINT || harness->fault.kind == FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
}

/* Loads in one batch, changes the database in another, and saves the first one's plans in a third. */
static void assert_conflict(struct harness *harness, struct facts *stale)
{
    struct facts fresh = harness->facts;
    int64_t now_ms;
    assert_ok(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault));
    assert_fault(harness, save_and_commit(harness, stale), FAULT_CONFLICT);
    harness->ops->batch_rollback(harness->store);
    harness->facts = fresh;
    assert_audit_clean(harness);
}

static void saving_on_stale_facts_is_a_conflict(void **state)
{
    struct harness *harness = *state;
    struct uuid product_id = make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    struct arena *kept = arena_new(64 * 1024);
    struct facts stale;
    struct wanted wanted;
    batch_begin(harness);
    facts_init(&stale, kept, harness_now_ms, &harness->ids, (struct policy){.hold_seconds_max = 3600});
    wanted_init(&wanted, kept);
    wanted_add_order(&wanted, &id);
    wanted_add_product(&wanted, &product_id);
    assert_ok(harness, harness->ops->batch_load(harness->store, &wanted, &stale, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_ORDER_PAID);

    struct order *order = facts_order(&stale, &id);
    order->status = ORDER_CANCELLED;
    order->version++;
    assert_conflict(harness, &stale);
    *order = (struct order){.row = order->row,
                            .id = order->id,
                            .version = 1,
                            .loaded_version = 1,
                            .loaded_expires_at_ms = order->expires_at_ms,
                            .expires_at_ms = order->expires_at_ms};

    struct variant *variant = facts_variant(&stale, TEXT_LITERAL("a"));
    variant->stock.version++;
    assert_conflict(harness, &stale);
    variant->stock.version--;
    variant->loaded_version = 7;
    assert_conflict(harness, &stale);
    variant->loaded_version = variant->version;
    struct product *product = facts_product(&stale, &product_id);
    product->loaded_version = 7;
    assert_conflict(harness, &stale);
    arena_free(kept);
}

static void the_database_refuses_to_oversell(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    batch_begin(harness);
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    batch_load(harness);
    struct variant *variant = facts_variant(&harness->facts, TEXT_LITERAL("a"));
    variant->stock.reserved_quantity = 11;
    variant->stock.version++;
    assert_fault(harness, save_and_commit(harness, &harness->facts), FAULT_CONSTRAINT);
    harness->ops->batch_rollback(harness->store);
    assert_int_equal(read_variant(harness, "a")->stock.reserved_quantity, 0);
}

static void the_database_refuses_what_exists(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid id = place_id(harness, "c", "a", 1);
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_ORDER_PAID);

    batch_begin(harness); /* nothing loaded: a rule that forgot to ask */
    struct variant twin = {.sku = TEXT_LITERAL("a"), .title = TEXT_LITERAL("A"), .price = {1, "EUR"}, .version = 1};
    twin.stock.version = 1;
    struct product product = {.title = TEXT_LITERAL("A"), .version = 1};
    product.id = uuid_source_next(&harness->ids, harness_now_ms);
    twin.product_id = product.id;
    facts_put_product(&harness->facts, &product);
    facts_put_variant(&harness->facts, &twin);
    assert_refused_as_existing(harness);

    struct uuid other = place_id(harness, "c", "a", 1);
    batch_begin(harness);
    wanted_add_order(&harness->wanted, &other);
    batch_load(harness);
    struct payment again = {.reference = TEXT_LITERAL("pi_1"), .amount = {1999, "EUR"}};
    (void)facts_add_payment(&harness->facts, facts_order(&harness->facts, &other), &again);
    assert_refused_as_existing(harness);
    assert_audit_clean(harness);
}

static struct idempotency_record *load_key(struct harness *harness, const char *key)
{
    batch_begin(harness);
    wanted_add_idempotency_key(&harness->wanted, text_from_c(key));
    batch_load(harness);
    struct idempotency_record *record = facts_idempotency(&harness->facts, text_from_c(key));
    harness->ops->batch_rollback(harness->store);
    return record;
}

static void an_order_key_leads_to_its_order(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct place_order_line line = {TEXT_LITERAL("a"), 1};
    struct place_order command = {
        .customer_id = TEXT_LITERAL("c"), .lines = &line, .line_count = 1, .hold_seconds = 60};
    struct idempotency idempotency = {.key = TEXT_LITERAL("key-1")};
    struct outcome outcome;
    memset(idempotency.fingerprint, 0xAB, sizeof(idempotency.fingerprint));
    batch_begin(harness);
    place_order_want(&command, &harness->wanted);
    batch_load(harness);
    place_order_decide(&harness->facts, &command, &outcome);
    assert_non_null(idempotency_keep(&harness->facts, &idempotency, &outcome));
    batch_commit(harness);
    struct uuid id = outcome.order->id;
    assert_int_equal(pay(harness, id, "pi_1").code, OUTCOME_ORDER_PAID);

    assert_null(load_key(harness, "key-2"));
    const struct idempotency_record *record = load_key(harness, "key-1");
    assert_true(uuid_equal(record->order->id, id));
    assert_int_equal(record->order->status, ORDER_PAID);
    assert_memory_equal(record->fingerprint, idempotency.fingerprint, sizeof(idempotency.fingerprint));
    assert_false(record->is_new);
    assert_audit_clean(harness);
}

static void a_kept_answer_comes_back(void **state)
{
    struct harness *harness = *state;
    struct idempotency_record record = {.key = TEXT_LITERAL("key-1"),
                                        .created_at_ms = HARNESS_START_MS,
                                        .status = 201,
                                        .body = TEXT_LITERAL("{\"a\":1}"),
                                        .location = TEXT_LITERAL("/v1/products/x"),
                                        .version = 3,
                                        .is_new = true};
    batch_begin(harness);
    facts_put_idempotency(&harness->facts, &record);
    batch_commit(harness);
    const struct idempotency_record *kept = load_key(harness, "key-1");
    assert_null(kept->order);
    assert_int_equal(kept->status, 201);
    assert_true(text_equal(kept->body, record.body));
    assert_true(text_equal(kept->location, record.location));
    assert_int_equal(kept->version, 3);
    assert_int_equal(kept->created_at_ms, HARNESS_START_MS);
}

static void old_keys_go_and_others_stay(void **state)
{
    struct harness *harness = *state;
    struct idempotency_record old = {
        .key = TEXT_LITERAL("old"), .created_at_ms = HARNESS_START_MS, .status = 201, .is_new = true};
    struct idempotency_record kept = {
        .key = TEXT_LITERAL("kept"), .created_at_ms = HARNESS_START_MS + 1, .status = 201, .is_new = true};
    batch_begin(harness);
    facts_put_idempotency(&harness->facts, &old);
    facts_put_idempotency(&harness->facts, &kept);
    batch_commit(harness);
    harness_now_ms += INT64_C(24) * 60 * 60 * 1000 + 1;
    for (bool more = true; more;) {
        assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault));
    }
    assert_null(load_key(harness, "old"));
    assert_non_null(load_key(harness, "kept"));
}

static int64_t purchased(struct harness *harness, const char *customer_id, const char *sku)
{
    batch_begin(harness);
    wanted_add_sku(&harness->wanted, text_from_c(sku));
    wanted_add_purchase(&harness->wanted, text_from_c(customer_id), text_from_c(sku));
    batch_load(harness);
    const struct purchase *purchase = facts_purchase(&harness->facts, text_from_c(customer_id), text_from_c(sku));
    harness->ops->batch_rollback(harness->store);
    return purchase == NULL ? -1 : purchase->quantity;
}

static void purchases_are_paid_orders_and_live_holds(void **state)
{
    struct harness *harness = *state;
    (void)make_limited_variant(harness, "a", 100, 50);
    (void)make_variant(harness, "free", 100);
    assert_int_equal(purchased(harness, "c", "a"), 0);
    assert_int_equal(pay(harness, place_id(harness, "c", "a", 1), "pi_1").code, OUTCOME_ORDER_PAID);
    assert_int_equal(cancel(harness, place_id(harness, "c", "a", 2), NULL).code, OUTCOME_ORDER_CANCELLED);
    (void)place_id(harness, "c", "a", 4); /* will be overdue */
    harness_now_ms += 900000;
    (void)place_id(harness, "c", "a", 8);
    (void)place_id(harness, "other", "a", 16);
    (void)place_id(harness, "c", "free", 3);
    assert_int_equal(purchased(harness, "c", "a"), 1 + 8);
    assert_int_equal(purchased(harness, "other", "a"), 16);
    assert_int_equal(purchased(harness, "c", "free"), -1); /* no limit: not counted */
}

static void what_is_loaded_is_loaded_once(void **state)
{
    struct harness *harness = *state;
    (void)make_variant(harness, "a", 10);
    struct uuid first = place_id(harness, "c", "a", 1);
    struct uuid second = place_id(harness, "c", "a", 1);
    batch_begin(harness);
    wanted_add_order(&harness->wanted, &first);
    batch_load(harness);
    struct order *order = facts_order(&harness->facts, &first);
    struct variant *variant = order->lines[0].variant;
    variant->stock.reserved_quantity = 0; /* as a decision would have changed it */
    wanted_add_order(&harness->wanted, &second);
    wanted_add_sku(&harness->wanted, TEXT_LITERAL("a"));
    wanted_add_product(&harness->wanted, &variant->product_id);
    batch_load(harness);
    assert_ptr_equal(facts_order(&harness->facts, &first), order);
    assert_ptr_equal(facts_order(&harness->facts, &second)->lines[0].variant, variant);
    assert_ptr_equal(facts_product(&harness->facts, &variant->product_id)->variants[0], variant);
    assert_int_equal(variant->stock.reserved_quantity, 0);
    assert_int_equal(harness->facts.variants.count, 1);
    harness->ops->batch_rollback(harness->store);
}

static void now_never_goes_back(void **state)
{
    struct harness *harness = *state;
    int64_t now_ms;
    (void)make_variant(harness, "a", 10);
    (void)place_id(harness, "c", "a", 1);
    harness_now_ms -= 5000;
    assert_ok(harness, harness->ops->batch_begin(harness->store, &now_ms, &harness->fault));
    harness->ops->batch_rollback(harness->store);
    assert_true(now_ms >= HARNESS_START_MS);
}

static void live_holds_are_counted(void **state)
{
    struct harness *harness = *state;
    struct store_stats stats;
    (void)make_variant(harness, "a", 10);
    struct uuid first = place_id(harness, "c", "a", 1);
    (void)place_id(harness, "c", "a", 1);
    (void)place_id(harness, "c", "a", 1);
    assert_int_equal(pay(harness, first, "pi_1").code, OUTCOME_ORDER_PAID);
    harness->ops->stats(harness->store, &stats);
    assert_int_equal(stats.live_holds, 2);
    harness_reopen(harness);
    harness->ops->stats(harness->store, &stats);
    assert_int_equal(stats.live_holds, 2);
    assert_true(stats.database_bytes > 0);
}

static void a_shop_survives_its_day(void **state)
{
    struct harness *harness = *state;
    size_t overdue;
    bool more;
    random_day(harness, 1500);
    assert_string_equal(run_audit(harness, &overdue), "");
    assert_true(count_from_audit(harness, "orders paid") > 10 && count_from_audit(harness, "orders expired") > 10);
    while (expire_due(harness, 100) > 0) {}
    assert_ok(harness, harness->ops->maintain(harness->store, true, &more, &harness->fault));
    harness_reopen(harness);
    assert_string_equal(run_audit(harness, &overdue), "");
    assert_int_equal(overdue, 0);
}

const struct CMUnitTest CONFORMANCE_BATCH_TESTS[] = {
    ON_FRESH_STORE(a_product_comes_back_with_its_variants),
    ON_FRESH_STORE(an_order_comes_back_as_it_was_placed),
    ON_FRESH_STORE(variants_come_back_in_the_order_they_came),
    ON_FRESH_STORE(a_rolled_back_batch_leaves_nothing),
    ON_FRESH_STORE(paying_converts_the_hold),
    ON_FRESH_STORE(money_that_cannot_be_accepted_is_recorded),
    ON_FRESH_STORE(cancelling_releases_the_hold),
    ON_FRESH_STORE(due_timeouts_come_earliest_first),
    ON_FRESH_STORE(timeouts_release_holds_once),
    ON_FRESH_STORE(an_overdue_draft_is_paid_in_one_batch),
    ON_FRESH_STORE(saving_on_stale_facts_is_a_conflict),
    ON_FRESH_STORE(the_database_refuses_to_oversell),
    ON_FRESH_STORE(the_database_refuses_what_exists),
    ON_FRESH_STORE(an_order_key_leads_to_its_order),
    ON_FRESH_STORE(a_kept_answer_comes_back),
    ON_FRESH_STORE(old_keys_go_and_others_stay),
    ON_FRESH_STORE(purchases_are_paid_orders_and_live_holds),
    ON_FRESH_STORE(what_is_loaded_is_loaded_once),
    ON_FRESH_STORE(now_never_goes_back),
    ON_FRESH_STORE(live_holds_are_counted),
    ON_FRESH_STORE(a_shop_survives_its_day),
};
const size_t CONFORMANCE_BATCH_TEST_COUNT = sizeof(CONFORMANCE_BATCH_TESTS) / sizeof(CONFORMANCE_BATCH_TESTS[0]);
