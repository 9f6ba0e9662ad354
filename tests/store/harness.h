#ifndef HOLDFAST_TESTS_STORE_HARNESS_H
#define HOLDFAST_TESTS_STORE_HARNESS_H

/* A store under test and a small shop on it: each command is a batch of its own through the real rules. A fault that a
 * test does not ask for fails it. The clock stands still unless a test moves it. */

#include "../unit/cmocka_all.h"

#include "base/buffer.h"
#include "domain/facts.h"
#include "domain/outcome.h"
#include "store/store.h"

/* What the conformance suite needs to know of a store. */
struct store_under_test {
    const struct store_ops *ops;
    /* Gives the location of a database that does not exist yet, and takes everything away again. */
    void (*prepare)(char *ret_location, size_t size);
    void (*discard)(const char *location);
};

struct harness {
    const struct store_under_test *under_test;
    const struct store_ops *ops;
    struct store *store;
    struct reader *reader;
    char location[512];
    struct arena *arena;      /* of the batch; cleared as the next one begins */
    struct arena *read_arena; /* lives as long as the test */
    struct wanted wanted;
    struct facts facts;
    struct uuid_source ids;
    struct fault fault;
    uint64_t random_state;
};

#define HARNESS_START_MS INT64_C(1795340460123) /* 2026-11-22T09:41:00.123Z */
extern int64_t harness_now_ms;
int64_t harness_clock(void);

struct harness *harness_open(const struct store_under_test *under_test);
void harness_close(struct harness *harness);
void harness_reopen(struct harness *harness); /* closes the store as a clean stop does, and opens it again */
void harness_set_clock_back(struct harness *harness, int64_t ms); /* and the store sees it, and keeps house */
uint64_t harness_random(struct harness *harness, uint64_t below);
struct text harness_text(struct harness *harness, const char *format, ...) PRINTF_LIKE(2, 3); /* lives with the test */

void assert_fault(const struct harness *harness, bool ok, enum fault_kind kind);
/* cmocka's assert_true for a call that may fault; says what the fault was. */
void assert_ok_at(const struct harness *harness, bool ok, const char *file, int line);
#define assert_ok(harness, ok) assert_ok_at((harness), (ok), __FILE__, __LINE__)

/* A batch by hand: begin, name what is wanted, load, decide, then save and commit, or roll back. */
void batch_begin(struct harness *harness);
void batch_load(struct harness *harness);
void batch_commit(struct harness *harness);

/* One command, one batch. Texts of results live until the next batch. */
struct uuid make_variant(struct harness *harness, const char *sku,
                         int64_t stock_quantity); /* of a product of its own */
struct uuid make_limited_variant(struct harness *harness, const char *sku, int64_t stock_quantity,
                                 int64_t max_per_customer);
struct outcome place(struct harness *harness, const char *customer_id, const char *sku, int64_t quantity);
struct uuid place_id(struct harness *harness, const char *customer_id, const char *sku, int64_t quantity);
struct outcome pay(struct harness *harness, struct uuid order_id, const char *reference);
struct outcome pay_amount(struct harness *harness, struct uuid order_id, const char *reference, int64_t amount);
struct outcome cancel(struct harness *harness, struct uuid order_id, const char *reason);
struct outcome extend(struct harness *harness, struct uuid order_id, int64_t seconds);
struct outcome adjust(struct harness *harness, const char *sku, int64_t delta);
size_t expire_due(struct harness *harness, size_t max);
/* A random command on a few variants, customers and orders: a shop's day in miniature. */
void random_day(struct harness *harness, size_t commands);

/* Reading; NULL where there is none. */
struct order *read_order(struct harness *harness, struct uuid id);
struct variant *read_variant(struct harness *harness, const char *sku);

/* Runs the audit: the violations, one a line ("I2: sku ..."), and how many holds are overdue. */
const char *run_audit(struct harness *harness, size_t *ret_overdue);
/* The same where drafts that are later than that are violations, and how many rows all of them speak of. */
const char *run_strict_audit(struct harness *harness, int64_t late_ms_max, int64_t *ret_rows);
void assert_audit_clean(struct harness *harness);
/* For audits to find something broken: of "a" a draft and a sale, of "b" a cancelled order, one whose payment is due for
 * refund, and an adjustment. */
void one_order_of_each_kind(struct harness *harness);
int64_t count_from_audit(struct harness *harness, const char *what);

#endif
