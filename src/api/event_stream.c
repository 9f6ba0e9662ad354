/* A listener is in one list at a time:
 *
 *   join --> told --taken--> hungry --at the log's end---------> waiting --a page came--> hungry
 *             ^                 |--behind, in the ring----------> page's writers --taken--> hungry
 *             |                 '--further back than the ring---> catching up --a page was read--> hungry
 *             '------- silent for too long: a heartbeat -------- waiting, catching up
 *
 * The ring is the newest stretch of the log; its pages are shared. It begins, empty, at the newest event when the
 * first listener comes, and goes with the last. Who is further back catches up with pages of its own, shared with
 * whoever is at the same place (after a restart of the server that is everybody), until it has reached the ring. A
 * listener's place is a sequence and nothing else, so no seam between pages can lose or repeat an event; who is ahead
 * of what was read so far waits.
 *
 * Memory: the ring has a maximum, and who is still at its oldest page when that goes is dropped; pages for catching up
 * have one together, and nobody may keep one for long. */

#include "api/event_stream.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/event_ring.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/stream.h"

#define RING_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define RING_PAGES_MAX 65536
#define CATCH_UP_READS_MAX 2 /* at once: the readers have others to serve */
#define CATCH_UP_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define TICK_MS 100 /* other processes append, too, and do not say so */
#define FAULT_PAUSE_MS 1000
/* In one turn of the loop, which has requests to answer as well. */
#define TURN_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define TURN_LISTENERS_MAX 1000
#define DROPS_LOGGED_PER_SECOND_MAX 20

enum drop_reason { DROP_BEHIND, DROP_STALLED, DROP_REVOKED };
static const char *const DROP_REASONS[] = {
    [DROP_BEHIND] = "behind", [DROP_STALLED] = "stalled", [DROP_REVOKED] = "revoked"};
#define DROP_REASON_COUNT (sizeof(DROP_REASONS) / sizeof(DROP_REASONS[0]))

/* In the request's arena. */
struct event_listener {
    TAILQ_ENTRY(event_listener) link;
    TAILQ_ENTRY(event_listener) all_link;
    struct event_listener_list *list;
    struct event_stream *stream;
    struct http_request *request;
    int64_t sequence;           /* of the last event that it was given, or after which it began */
    size_t given;               /* events in what it is taking */
    struct event_page *offered; /* read for it, to be given in its turn; with a reference */
    int64_t silent_since_ms;    /* while it waits */
};

struct page_read {
    struct read_task task;
    struct event_stream *stream;
    int64_t after;
    bool is_pending;
    struct event_page *page; /* NULL: nothing follows */
    bool more;
};

struct event_stream {
    struct reader_pool *readers;
    int64_t heartbeat_ms;
    int64_t take_ms; /* for a page to catch up by */
    uv_loop_t *loop;
    uv_async_t wake;
    uv_timer_t ticker; /* runs while there are listeners */
    size_t handles_open;
    _Atomic bool appended; /* since the last wake-up; any thread */

    struct event_listener_list all;
    struct event_listener_list told;        /* taking the greeting or a heartbeat */
    struct event_listener_list hungry;      /* to be looked after in this turn or the next */
    struct event_listener_list waiting;     /* at the log's end, the longest silent first */
    struct event_listener_list catching_up; /* for a page to be read, the longest silent first */
    size_t listener_count;

    struct event_ring ring;
    struct page_read ring_read;
    bool may_have_more; /* than the ring */
    struct page_read catch_up_reads[CATCH_UP_READS_MAX];
    TAILQ_HEAD(, event_page) catch_up_pages; /* the oldest first */
    size_t catch_up_bytes;
    int64_t catch_up_not_before_ms;
    int64_t read_not_before_ms; /* after a fault */

    struct counter dropped[DROP_REASON_COUNT];
    struct counter events_sent;
    int64_t drops_second;
    int drops_logged;
};

/* They live for ever. */
static char GREETING_TEXT[] = "retry: 1000\n: connected\n\n";
static char HEARTBEAT_TEXT[] = ":\n\n";
static struct http_block greeting = {GREETING_TEXT, sizeof(GREETING_TEXT) - 1, 1, NULL};
static struct http_block heartbeat = {HEARTBEAT_TEXT, sizeof(HEARTBEAT_TEXT) - 1, 1, NULL};

static int64_t now_ms(const struct event_stream *stream)
{
    return (int64_t)uv_now(stream->loop);
}

static void wake(struct event_stream *stream)
{
    (void)uv_async_send(&stream->wake);
}

/* ---- Listeners come and go ---- */

static void move(struct event_listener *listener, struct event_listener_list *list)
{
    if (listener->list != NULL) {
        TAILQ_REMOVE(listener->list, listener, link);
    }
    listener->list = list;
    TAILQ_INSERT_TAIL(list, listener, link);
}

static void let_wait(struct event_listener *listener, struct event_listener_list *list)
{
    listener->silent_since_ms = now_ms(listener->stream);
    move(listener, list);
}

/* The stream of bytes is the caller's to end. */
static void remove_listener(struct event_listener *listener)
{
    struct event_stream *stream = listener->stream;
    TAILQ_REMOVE(listener->list, listener, link);
    TAILQ_REMOVE(&stream->all, listener, all_link);
    if (listener->offered != NULL) {
        http_block_release(&listener->offered->block);
    }
    if (--stream->listener_count == 0) {
        event_ring_restart(&stream->ring, 0);
        uv_timer_stop(&stream->ticker);
    }
}

static void note_drop(const struct event_listener *listener, enum drop_reason reason)
{
    struct event_stream *stream = listener->stream;
    counter_add(&stream->dropped[reason], 1);
    int64_t second = now_ms(stream) / 1000;
    if (second != stream->drops_second) {
        stream->drops_second = second;
        stream->drops_logged = 0;
    }
    if (stream->drops_logged++ >= DROPS_LOGGED_PER_SECOND_MAX) {
        return;
    }
    struct log_line line;
    log_begin(&line, LOG_INFO, "event_listener_dropped");
    json_c_field(&line.writer, "reason", DROP_REASONS[reason]);
    json_int64_field(&line.writer, "sequence", listener->sequence);
    json_string_field(&line.writer, "request_id", listener->request->request_id);
    log_end(&line);
}

static void drop(struct event_listener *listener, enum drop_reason reason)
{
    note_drop(listener, reason);
    remove_listener(listener);
    http_stream_end(listener->request);
}

/* All who are still being written from the page. It must not go with the last of them: the caller has a reference. */
static void drop_writers(struct event_page *page)
{
    struct event_listener *listener;
    while ((listener = TAILQ_FIRST(&page->writers)) != NULL) {
        drop(listener, DROP_BEHIND);
    }
}

static void on_taken(void *context)
{
    struct event_listener *listener = context;
    counter_add(&listener->stream->events_sent, listener->given);
    listener->given = 0;
    move(listener, &listener->stream->hungry);
    wake(listener->stream);
}

static void on_ended(void *context, enum http_stream_end why)
{
    struct event_listener *listener = context;
    if (why == HTTP_STREAM_TIMED_OUT) {
        note_drop(listener, DROP_STALLED);
    }
    remove_listener(listener);
}

static void tell(struct event_listener *listener, struct http_block *block)
{
    move(listener, &listener->stream->told);
    http_stream_write(listener->request, block, 0);
}

static void on_tick(uv_timer_t *timer);

void event_stream_join(struct event_stream *stream, struct http_request *request, int64_t after, int64_t newest)
{
    static const struct http_stream_owner OWNER = {.taken = on_taken, .ended = on_ended};
    const struct http_header headers[] = {
        {"Cache-Control", TEXT_LITERAL("no-cache")},
        {"X-Accel-Buffering", TEXT_LITERAL("no")},
    };
    struct event_listener *listener = arena_zalloc(request->arena, sizeof(*listener));
    listener->stream = stream;
    listener->request = request;
    listener->sequence = after;
    if (!http_stream_begin(request, 200, "text/event-stream", headers, 2, &OWNER, listener)) {
        return;
    }
    if (stream->listener_count++ == 0) {
        event_ring_restart(&stream->ring, newest);
        uv_timer_start(&stream->ticker, on_tick, TICK_MS, TICK_MS);
    }
    TAILQ_INSERT_TAIL(&stream->all, listener, all_link);
    tell(listener, &greeting);
}

void event_stream_recheck(struct event_stream *stream,
                          bool (*may_listen)(const struct http_request *request, void *context), void *context)
{
    struct event_listener *next;
    for (struct event_listener *listener = TAILQ_FIRST(&stream->all); listener != NULL; listener = next) {
        next = TAILQ_NEXT(listener, all_link);
        if (!may_listen(listener->request, context)) {
            drop(listener, DROP_REVOKED);
        }
    }
}

void event_stream_drain(struct event_stream *stream)
{
    struct event_listener *listener;
    while ((listener = TAILQ_FIRST(&stream->all)) != NULL) {
        remove_listener(listener);
        http_stream_end(listener->request);
    }
}

/* ---- Giving ---- */

static size_t give(struct event_listener *listener, struct event_page *page)
{
    size_t offset;
    listener->given = page->mark_count - event_page_skip(page, listener->sequence, &offset);
    listener->sequence = page->last;
    move(listener, &page->writers);
    http_stream_write(listener->request, &page->block, offset);
    return page->block.length - offset;
}

/* Returns how many bytes it was given. */
static size_t serve(struct event_stream *stream, struct event_listener *listener)
{
    struct event_page *offered = listener->offered;
    if (offered != NULL) {
        listener->offered = NULL;
        size_t bytes = give(listener, offered);
        http_block_release(&offered->block);
        return bytes;
    }
    if (listener->sequence < stream->ring.after) {
        let_wait(listener, &stream->catching_up);
        return 0;
    }
    struct event_page *page = event_ring_find(&stream->ring, listener->sequence);
    if (page == NULL) {
        let_wait(listener, &stream->waiting);
        return 0;
    }
    return give(listener, page);
}

static void serve_hungry(struct event_stream *stream)
{
    size_t bytes = 0;
    for (size_t i = 0; i < TURN_LISTENERS_MAX && bytes < TURN_BYTES_MAX; i++) {
        struct event_listener *listener = TAILQ_FIRST(&stream->hungry);
        if (listener == NULL) {
            return;
        }
        bytes += serve(stream, listener);
    }
    wake(stream); /* the others in the next turn */
}

/* ---- Reading ---- */

static bool run_page_read(struct read_task *task, const struct store_ops *ops, struct reader *reader,
                          struct fault *fault)
{
    struct page_read *read = task->context;
    return event_page_read(ops, reader, read->after, &read->page, &read->more, fault);
}

static void submit_read(struct page_read *read, int64_t after)
{
    read->task = (struct read_task){.run = run_page_read, .context = read};
    read->after = after;
    read->page = NULL;
    read->is_pending = reader_pool_submit(read->stream->readers, &read->task); /* or the next tick tries again */
}

static void read_on(struct event_stream *stream)
{
    if (stream->may_have_more && !stream->ring_read.is_pending && !TAILQ_EMPTY(&stream->waiting) &&
        now_ms(stream) >= stream->read_not_before_ms) {
        submit_read(&stream->ring_read, stream->ring.last);
        stream->may_have_more = !stream->ring_read.is_pending;
    }
}

static void take_ring_page(struct event_stream *stream, struct event_page *page)
{
    if (stream->listener_count == 0 || page->after != stream->ring.last) { /* the ring began anew meanwhile */
        http_block_release(&page->block);
        return;
    }
    stream->may_have_more = stream->may_have_more || stream->ring_read.more;
    event_ring_push(&stream->ring, page);
    struct event_listener *next;
    for (struct event_listener *listener = TAILQ_FIRST(&stream->waiting); listener != NULL; listener = next) {
        next = TAILQ_NEXT(listener, link);
        if (listener->sequence < page->last) {
            move(listener, &stream->hungry);
        }
    }
    while (event_ring_is_over(&stream->ring)) {
        struct event_page *oldest = event_ring_shift(&stream->ring);
        drop_writers(oldest);
        http_block_release(&oldest->block);
    }
}

/* Whoever waits at a place that is not being read at. */
static const struct event_listener *next_to_catch_up(const struct event_stream *stream)
{
    const struct event_listener *listener;
    TAILQ_FOREACH(listener, &stream->catching_up, link)
    {
        bool is_read = false;
        for (size_t i = 0; i < CATCH_UP_READS_MAX; i++) {
            const struct page_read *read = &stream->catch_up_reads[i];
            is_read = is_read || (read->is_pending && read->after == listener->sequence);
        }
        if (!is_read) {
            return listener;
        }
    }
    return NULL;
}

static void read_to_catch_up(struct event_stream *stream)
{
    int64_t now = now_ms(stream);
    for (size_t i = 0; i < CATCH_UP_READS_MAX; i++) {
        struct page_read *read = &stream->catch_up_reads[i];
        if (read->is_pending || stream->catch_up_bytes >= CATCH_UP_BYTES_MAX || now < stream->read_not_before_ms ||
            now < stream->catch_up_not_before_ms) {
            continue;
        }
        const struct event_listener *listener = next_to_catch_up(stream);
        if (listener == NULL) {
            return;
        }
        submit_read(read, listener->sequence);
    }
}

static void free_catch_up_page(struct http_block *block)
{
    struct event_page *page = (struct event_page *)block;
    struct event_stream *stream = page->stream;
    TAILQ_REMOVE(&stream->catch_up_pages, page, link);
    stream->catch_up_bytes -= event_page_bytes(page);
    event_page_free(page);
}

static void take_catch_up_page(struct event_stream *stream, struct event_page *page)
{
    page->stream = stream;
    page->block.free = free_catch_up_page;
    page->made_ms = now_ms(stream);
    TAILQ_INSERT_TAIL(&stream->catch_up_pages, page, link);
    stream->catch_up_bytes += event_page_bytes(page);
    struct event_listener *next;
    for (struct event_listener *listener = TAILQ_FIRST(&stream->catching_up); listener != NULL; listener = next) {
        next = TAILQ_NEXT(listener, link);
        if (listener->sequence >= page->after && listener->sequence < page->last) {
            page->block.references++;
            listener->offered = page;
            move(listener, &stream->hungry);
        }
    }
    http_block_release(&page->block); /* it goes at once where everybody has left meanwhile */
}

bool event_stream_take_read(struct event_stream *stream, struct read_task *task)
{
    if (task->run != run_page_read) {
        return false;
    }
    struct page_read *read = task->context;
    read->is_pending = false;
    if (!task->ok) {
        stream->may_have_more = true;
        stream->read_not_before_ms = now_ms(stream) + FAULT_PAUSE_MS;
        log_message(LOG_WARN, "event_stream_read_failed", "%s: %s; listeners wait", fault_kind_name(task->fault.kind),
                    task->fault.detail);
    } else if (read->page == NULL && read != &stream->ring_read) {
        stream->catch_up_not_before_ms = now_ms(stream) + TICK_MS; /* all that followed has been pruned */
    } else if (read->page != NULL && read == &stream->ring_read) {
        take_ring_page(stream, read->page);
    } else if (read->page != NULL) {
        take_catch_up_page(stream, read->page);
    }
    read->page = NULL;
    wake(stream);
    return true;
}

/* ---- Time passes ---- */

static void on_wake(uv_async_t *handle)
{
    struct event_stream *stream = handle->data;
    stream->may_have_more = atomic_exchange(&stream->appended, false) || stream->may_have_more;
    serve_hungry(stream);
    read_on(stream);
    read_to_catch_up(stream);
}

static void send_heartbeats(struct event_stream *stream, struct event_listener_list *list)
{
    struct event_listener *listener;
    while ((listener = TAILQ_FIRST(list)) != NULL &&
           now_ms(stream) - listener->silent_since_ms >= stream->heartbeat_ms) {
        tell(listener, &heartbeat);
    }
}

/* The memory that is there for catching up must not be kept by those who hardly read. */
static void drop_slow_to_catch_up(struct event_stream *stream)
{
    struct event_page *page = TAILQ_FIRST(&stream->catch_up_pages);
    while (page != NULL && now_ms(stream) - page->made_ms >= stream->take_ms) {
        page->block.references++;
        drop_writers(page);
        struct event_page *next = TAILQ_NEXT(page, link);
        http_block_release(&page->block);
        page = next;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct event_stream *stream = timer->data;
    send_heartbeats(stream, &stream->waiting);
    send_heartbeats(stream, &stream->catching_up);
    drop_slow_to_catch_up(stream);
    stream->may_have_more = true;
    wake(stream);
}

void event_stream_appended(struct event_stream *stream)
{
    atomic_store(&stream->appended, true);
    wake(stream);
}

/* ---- Life ---- */

struct event_stream *event_stream_new(uv_loop_t *loop, int64_t heartbeat_ms, int64_t take_ms)
{
    struct event_stream *stream = memory_zalloc(1, sizeof(*stream));
    stream->loop = loop;
    stream->heartbeat_ms = heartbeat_ms;
    stream->take_ms = take_ms;
    int status = uv_async_init(loop, &stream->wake, on_wake);
    status |= uv_timer_init(loop, &stream->ticker);
    assert(status == 0);
    stream->wake.data = stream->ticker.data = stream;
    stream->handles_open = 2;
    TAILQ_INIT(&stream->all);
    TAILQ_INIT(&stream->told);
    TAILQ_INIT(&stream->hungry);
    TAILQ_INIT(&stream->waiting);
    TAILQ_INIT(&stream->catching_up);
    TAILQ_INIT(&stream->catch_up_pages);
    event_ring_init(&stream->ring, RING_BYTES_MAX, RING_PAGES_MAX);
    stream->ring_read.stream = stream;
    for (size_t i = 0; i < CATCH_UP_READS_MAX; i++) {
        stream->catch_up_reads[i].stream = stream;
    }
    return stream;
}

void event_stream_attach(struct event_stream *stream, struct reader_pool *readers)
{
    stream->readers = readers;
}

void event_stream_write_metrics(const struct event_stream *stream, struct buffer *out)
{
    static const char LISTENERS[] = "holdfast_event_stream_listeners";
    static const char DROPPED[] = "holdfast_event_stream_dropped_total";
    static const char SENT[] = "holdfast_event_stream_events_sent_total";
    const struct gauge listeners = {.value = (int64_t)stream->listener_count};
    metrics_write_head(out, LISTENERS, "gauge", "Clients that follow the event log.");
    metrics_write_gauge(out, LISTENERS, NULL, &listeners);
    metrics_write_head(out, DROPPED, "counter", "Event streams that the server has ended, by reason.");
    for (size_t i = 0; i < DROP_REASON_COUNT; i++) {
        char labels[32];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", DROP_REASONS[i]);
        metrics_write_counter(out, DROPPED, labels, &stream->dropped[i]);
    }
    metrics_write_head(out, SENT, "counter", "Events that listeners took, each counted once for each listener.");
    metrics_write_counter(out, SENT, NULL, &stream->events_sent);
}

static void on_closed(uv_handle_t *handle)
{
    struct event_stream *stream = handle->data;
    if (--stream->handles_open == 0) {
        event_ring_done(&stream->ring);
        free(stream);
    }
}

void event_stream_free(struct event_stream *stream)
{
    assert(stream->listener_count == 0);
    uv_close((uv_handle_t *)&stream->wake, on_closed);
    uv_close((uv_handle_t *)&stream->ticker, on_closed);
}
