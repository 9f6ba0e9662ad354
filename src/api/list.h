#ifndef HOLDFAST_API_LIST_H
#define HOLDFAST_API_LIST_H

/* What all lists have in common: ?limit= and ?cursor=, and {"data": [...], "next_cursor": ...}. */

#include "api/call.h"
#include "api/cursor.h"

#define LIST_PARAMETERS "limit", "cursor"

struct list {
    enum cursor_list kind;
    uint64_t filter_hash;
    struct page page;
};

/* Reads limit and cursor; errors go to the call's. */
void list_read(struct call *call, enum cursor_list kind, struct list *ret_list);

/* Inside a read. Rows are shown while there is room: a page of very large rows ends early, with a cursor. */
struct json_writer *list_begin(struct call *call);
bool list_has_room(const struct call *call);
/* `last` is the position of the last row shown; NULL where none was. */
void list_end(struct call *call, const struct list *list, bool more, const struct page *last);

#endif
