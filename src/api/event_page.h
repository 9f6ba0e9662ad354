#ifndef HOLDFAST_API_EVENT_PAGE_H
#define HOLDFAST_API_EVENT_PAGE_H

/* Some events in a row, rendered once for all who listen: Server-Sent Events, as they go over the wire. */

#include <sys/queue.h>

#include "http/stream.h"
#include "store/store.h"

/* A page ends behind the event that passes this. Small, so that many listeners can be given a page in one turn. */
#define EVENT_PAGE_BYTES_MAX ((size_t)256 * 1024)

struct event_listener;
struct event_stream;
TAILQ_HEAD(event_listener_list, event_listener);

struct event_mark {
    int64_t sequence;
    size_t end; /* in the block: where the next event begins */
};

struct event_page {
    struct http_block block; /* first: a page is freed as its block */
    int64_t after;           /* it has the events that follow this sequence, */
    int64_t last;            /* up to this one */

    /* The stream's own. */
    struct event_listener_list writers; /* who is being written from it */
    TAILQ_ENTRY(event_page) link;
    struct event_stream *stream;
    int64_t made_ms;

    size_t mark_count;
    struct event_mark marks[]; /* one an event */
};

/* Renders the rows, at least one, while there is room. Any thread. */
struct event_page *event_page_new(int64_t after, const struct event_row *rows, size_t count);
/* On a reader's thread: what follows in the log. NULL where nothing does. *ret_more: there is more behind the page. */
MUST_USE bool event_page_read(const struct store_ops *ops, struct reader *reader, int64_t after,
                              struct event_page **ret_page, bool *ret_more, struct fault *fault);
void event_page_free(struct event_page *page); /* whoever keeps account of pages, from the block's own `free` */
size_t event_page_bytes(const struct event_page *page); /* of memory */
/* How many of its events are not behind the sequence; *ret_offset: where those that are begin. */
size_t event_page_skip(const struct event_page *page, int64_t sequence, size_t *ret_offset);

#endif
