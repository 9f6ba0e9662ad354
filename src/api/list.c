#include "api/list.h"

#include <string.h>

#include "domain/limits.h"

/* Past this a page ends before its limit: a client gets it in one piece, and the server's memory stays small. */
#define LIST_BYTES_MAX ((size_t)1024 * 1024)

/* What a page was chosen by: the path's parameter and all of the query that is no position. */
static uint64_t filter_hash(const struct call *call)
{
    uint64_t hash = text_hash(call->parameter, 0);
    const char *const *names = call->query.names;
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        bool is_position =
            strcmp(names[i], "limit") == 0 || strcmp(names[i], "cursor") == 0 || strcmp(names[i], "after") == 0;
        if (!is_position && call->query.values[i].bytes != NULL) {
            hash = (hash ^ (text_hash(call->query.values[i], 0) + i)) * 0x100000001b3u;
        }
    }
    return hash;
}

void list_read(struct call *call, enum cursor_list kind, struct list *ret_list)
{
    call->is_list = true;
    struct list list = {.kind = kind, .filter_hash = filter_hash(call)};
    int64_t limit = PAGE_LIMIT_DEFAULT;
    (void)query_int64(&call->query, "limit", 1, PAGE_LIMIT_MAX, &call->errors, &limit);
    list.page.limit = (size_t)limit;
    struct text cursor = query_get(&call->query, "cursor");
    if (cursor.bytes != NULL && !cursor_decode(cursor, kind, list.filter_hash, &list.page)) {
        query_error(&call->errors, "cursor", "Is not a cursor of this list with these filters.");
    }
    *ret_list = list;
}

struct json_writer *list_begin(struct call *call)
{
    struct json_writer *json = call_begin_body(call, 200);
    json_object_begin(json);
    json_key(json, "data");
    json_array_begin(json);
    return json;
}

bool list_has_room(const struct call *call)
{
    return call->body.length < LIST_BYTES_MAX;
}

void list_end(struct call *call, const struct list *list, bool more, const struct page *last)
{
    struct json_writer *json = &call->writer;
    json_array_end(json);
    json_string_field(json, "next_cursor",
                      more && last != NULL ? cursor_encode(list->kind, list->filter_hash, last, call->request->arena)
                                           : TEXT_ABSENT);
    json_object_end(json);
}
