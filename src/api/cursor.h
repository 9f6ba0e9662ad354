#ifndef HOLDFAST_API_CURSOR_H
#define HOLDFAST_API_CURSOR_H

/* Opaque positions in lists: base64url of the list's kind, a hash of what it was filtered by, and where it stopped.
 * A cursor of another list or of other filters is refused rather than continued somewhere else. They are not signed: a
 * forged one only chooses where in a list, that its sender may read anyway, to go on. */

#include "store/store.h"

enum cursor_list {
    CURSOR_ORDERS = 1,
    CURSOR_PRODUCTS,
    CURSOR_MOVEMENTS,
    CURSOR_RESERVATIONS,
    CURSOR_EVENTS,
    CURSOR_JOBS,
    CURSOR_ENDPOINTS,
    CURSOR_DELIVERIES
};

/* The position to go on behind: of `page` only after_id, after_number and after_line are used. */
struct text cursor_encode(enum cursor_list list, uint64_t filter_hash, const struct page *position,
                          struct arena *arena);
/* Sets has_after and the position in *page. False where it is garbled or foreign. */
MUST_USE bool cursor_decode(struct text cursor, enum cursor_list list, uint64_t filter_hash, struct page *page);

#endif
