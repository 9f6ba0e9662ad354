#ifndef HOLDFAST_TESTS_STORE_POWER_CHECK_H
#define HOLDFAST_TESTS_STORE_POWER_CHECK_H

/* What is in a shop, row by row, and whether a shop that comes back from a failure is whole. These functions say what is
 * wrong instead of failing a test: they run in processes of their own. */

#include "power_rush.h"

#define CONTENT_TABLES_MAX 32

struct shop_content {
    struct {
        char table[32];
        int64_t rows;
        uint64_t digest;
    } tables[CONTENT_TABLES_MAX];
    size_t count;
};

#define WHY_BYTES 600
struct why {
    char text[WHY_BYTES];
};

bool why_set(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3); /* false */

/* Every row that there is now, also where the rush's own reader keeps an older snapshot. The store is open. */
bool shop_content_read(const struct rush *rush, struct shop_content *ret_content, struct why *why) MUST_USE;
/* The first table that differs; NULL where none does. */
const char *shop_content_difference(const struct shop_content *a, const struct shop_content *b);
/* All invariants, and the file's own. */
bool shop_audit(struct rush *rush, struct why *why) MUST_USE;

/* What a shop may contain: either of two, which may be the same. */
struct shop_expected {
    const struct shop_content *before;
    const struct shop_content *after;
};
bool shop_is_expected(const struct shop_content *content, struct shop_expected expected, struct why *why) MUST_USE;

/* Opens the shop on a disk that lost power at that time, in a folder of this process's own: it opens, contains what is
 * expected, passes the audit, takes an order and ends holds. `twice`: then it passes the audit again, and keeps all that
 * when the power fails once more. Frees the disk. */
bool shop_check(struct disk *disk, const char *location, int64_t now_ms, struct shop_expected expected, bool twice,
                struct why *why) MUST_USE;

#endif
