#include "api/event_page.h"

#include <assert.h>
#include <stdlib.h>

#include "api/render.h"

#define PAGE_EVENTS_MAX 500
#define EVENT_BYTES_MAX ((size_t)1024 * 1024) /* above the largest event's data, four times over */
#define READ_ARENA_CHUNK_BYTES 65536

void event_page_free(struct event_page *page)
{
    free(page->block.bytes);
    free(page);
}

static void free_block(struct http_block *block)
{
    event_page_free((struct event_page *)block);
}

/* As https://html.spec.whatwg.org/multipage/server-sent-events.html has it. Compact JSON has no line breaks. */
static void write_event(struct buffer *out, const struct event_row *row)
{
    struct json_writer json;
    buffer_append_c(out, "id: ");
    buffer_append_int64(out, row->sequence);
    buffer_append_c(out, "\nevent: ");
    buffer_append_c(out, event_type_name(row->type));
    buffer_append_c(out, "\ndata: ");
    json_writer_init(&json, out);
    render_event(&json, row);
    buffer_append_c(out, "\n\n");
}

struct event_page *event_page_new(int64_t after, const struct event_row *rows, size_t count)
{
    struct event_page *page = memory_zalloc(1, sizeof(*page) + count * sizeof(page->marks[0]));
    struct buffer text;
    buffer_init(&text, EVENT_PAGE_BYTES_MAX + EVENT_BYTES_MAX);
    for (size_t i = 0; i < count && text.length < EVENT_PAGE_BYTES_MAX; i++) {
        write_event(&text, &rows[i]);
        page->marks[page->mark_count++] = (struct event_mark){rows[i].sequence, text.length};
    }
    assert(count > 0 && !text.overflowed);
    page->after = after;
    page->last = page->marks[page->mark_count - 1].sequence;
    TAILQ_INIT(&page->writers);
    page->block = (struct http_block){
        .bytes = memory_grow(text.bytes, text.length), /* pages are kept: without what the buffer has to spare */
        .length = text.length,
        .references = 1,
        .free = free_block,
    };
    return page;
}

bool event_page_read(const struct store_ops *ops, struct reader *reader, int64_t after, struct event_page **ret_page,
                     bool *ret_more, struct fault *fault)
{
    const struct event_filter all = {.is_complete = true};
    const struct page page = {.limit = PAGE_EVENTS_MAX, .has_after = true, .after_number = after};
    struct arena *arena = arena_new(READ_ARENA_CHUNK_BYTES);
    struct event_row *rows;
    size_t count;
    bool more;
    bool found;
    bool ok = ops->read_events(reader, arena, &all, &page, &rows, &count, &more, &found, fault);
    if (ok) {
        *ret_page = count == 0 ? NULL : event_page_new(after, rows, count);
        *ret_more = more || (count > 0 && (*ret_page)->mark_count < count);
    }
    arena_free(arena);
    return ok;
}

size_t event_page_bytes(const struct event_page *page)
{
    return sizeof(*page) + page->mark_count * sizeof(page->marks[0]) + page->block.length;
}

size_t event_page_skip(const struct event_page *page, int64_t sequence, size_t *ret_offset)
{
    size_t skipped = 0;
    while (skipped < page->mark_count && page->marks[skipped].sequence <= sequence) {
        skipped++;
    }
    *ret_offset = skipped == 0 ? 0 : page->marks[skipped - 1].end;
    return skipped;
}
