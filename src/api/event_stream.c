#include "api/event_stream.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/call.h"
#include "api/render.h"
#include "api/resources.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/stream.h"

#define PAGE_EVENTS 1000
#define RING_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define BLOCK_BYTES_MAX ((size_t)64 * 1024 * 1024) /* a page of the largest events there are */
#define READ_ARENA_CHUNK_BYTES 65536
#define CATCH_UP_READS_MAX 4
#define LOOK_MS 100 /* other processes append, too */
#define HEARTBEAT_US INT64_C(15000000)
#define UNKNOWN (-1)

const char *const EVENT_STREAM_PARAMETERS[] = {"after", NULL};

/* Consecutive events as text. */
struct event_block {
    struct http_block base; /* first */
    TAILQ_ENTRY(event_block) link;
    struct buffer text;
    int64_t first; /* sequences */
    int64_t last;
    size_t count;
    size_t *offsets; /* where each begins */
    int64_t *sequences;
};
TAILQ_HEAD(block_list, event_block);

struct listener {
    struct event_streams *streams;
    TAILQ_ENTRY(listener) link;
    struct http_request *request; /* NULL: it has ended, and only its read is waited for */
    int64_t position;             /* the last event that it was given, or does not want; UNKNOWN: from now on */
    bool is_ready;                /* has taken all that it was given */
    bool is_reading;              /* a read of its own is under way */
    bool is_greeted;
    bool has_joined;  /* was sent from the ring */
    int64_t given_us; /* when it was last given anything */
};
TAILQ_HEAD(listener_list, listener);

/* A page of the log for the ring (listener NULL) or for one listener; or the number of the newest event. */
struct stream_read {
    struct read_task task;
    struct event_streams *streams;
    struct listener *listener;
    bool asks_last;
    int64_t after;
    struct event_block *block; /* what came of it; NULL: nothing */
    int64_t last;
};

struct event_streams {
    struct api *api;
    uv_async_t wake;
    uv_timer_t timer;
    size_t handles_open;
    void (*closed)(struct api *api);
    bool is_closing;

    struct listener_list listeners;
    size_t listener_count;
    struct block_list ring;
    size_t ring_bytes;
    int64_t tip; /* the last event in the ring, or before it where it is empty; UNKNOWN: nobody listened */
    bool is_reading_tip;
    size_t catch_up_reads;

    struct counter dropped_slow;
    struct counter dropped_timeout;
    struct counter events_sent;
    struct gauge listening;
    _Atomic bool may_have_more; /* behind the tip; any thread */
};

static char HELLO_TEXT[] = "retry: 1000\n: connected\n\n";
static struct http_block hello = {.bytes = HELLO_TEXT, .length = sizeof(HELLO_TEXT) - 1, .references = 1};
static char HEARTBEAT_TEXT[] = ": still here\n\n";
static struct http_block heartbeat = {.bytes = HEARTBEAT_TEXT, .length = sizeof(HEARTBEAT_TEXT) - 1, .references = 1};

static void serve(struct event_streams *streams);

/* ---- Blocks ---- */

static void block_free(struct http_block *base)
{
    struct event_block *block = (struct event_block *)base;
    buffer_done(&block->text);
    free(block->offsets);
    free(block->sequences);
    free(block);
}

static struct event_block *make_block(const struct event_row *rows, size_t count)
{
    struct event_block *block = memory_zalloc(1, sizeof(*block));
    block->offsets = memory_zalloc(count, sizeof(*block->offsets));
    block->sequences = memory_zalloc(count, sizeof(*block->sequences));
    buffer_init(&block->text, BLOCK_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct json_writer json;
        size_t begin = block->text.length;
        buffer_append_format(&block->text, "id: %lld\nevent: %s\ndata: ", (long long)rows[i].sequence,
                             event_type_name(rows[i].type));
        json_writer_init(&json, &block->text);
        render_event(&json, &rows[i]);
        buffer_append_c(&block->text, "\n\n");
        block->offsets[i] = begin;
        block->sequences[i] = rows[i].sequence;
    }
    assert(!block->text.overflowed);
    block->count = count;
    block->first = rows[0].sequence;
    block->last = rows[count - 1].sequence;
    block->base = (struct http_block){
        .bytes = block->text.bytes, .length = block->text.length, .references = 1, .free = block_free};
    return block;
}

/* The number of its first event behind `position`. */
static size_t first_behind(const struct event_block *block, int64_t position)
{
    size_t low = 0;
    for (size_t high = block->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (block->sequences[middle] > position) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void trim_ring(struct event_streams *streams, size_t bytes_max)
{
    while (streams->ring_bytes > bytes_max && !TAILQ_EMPTY(&streams->ring)) {
        struct event_block *block = TAILQ_FIRST(&streams->ring);
        TAILQ_REMOVE(&streams->ring, block, link);
        streams->ring_bytes -= block->base.length;
        http_block_release(&block->base);
    }
}

/* ---- Listeners ---- */

static void free_if_done(struct listener *listener)
{
    if (listener->request == NULL && !listener->is_reading) {
        free(listener);
    }
}

/* It is gone for its client; nobody listens any more: nothing is kept. */
static void leave(struct listener *listener)
{
    struct event_streams *streams = listener->streams;
    TAILQ_REMOVE(&streams->listeners, listener, link);
    streams->listener_count--;
    gauge_set(&streams->listening, (int64_t)streams->listener_count);
    listener->request = NULL;
    free_if_done(listener);
    if (streams->listener_count == 0) {
        trim_ring(streams, 0);
        streams->tip = UNKNOWN;
        (void)uv_timer_stop(&streams->timer);
    }
}

static void end(struct listener *listener)
{
    struct http_request *request = listener->request;
    leave(listener);
    http_stream_end(request);
}

static void on_taken(void *context)
{
    struct listener *listener = context;
    listener->is_ready = true;
    (void)uv_async_send(&listener->streams->wake);
}

static void on_ended(void *context, enum http_stream_end why)
{
    struct listener *listener = context;
    if (why == HTTP_STREAM_TIMED_OUT) {
        counter_add(&listener->streams->dropped_timeout, 1);
    }
    leave(listener);
}

static void give(struct listener *listener, struct http_block *block, size_t offset)
{
    listener->is_ready = false;
    listener->given_us = clock_monotonic_us();
    http_stream_write(listener->request, block, offset);
}

static void give_events(struct listener *listener, struct event_block *block)
{
    size_t first = first_behind(block, listener->position);
    assert(first < block->count);
    counter_add(&listener->streams->events_sent, block->count - first);
    listener->position = block->last;
    give(listener, &block->base, block->offsets[first]);
}

/* ---- Reads ---- */

/* On a pool thread. From the primary: what was answered before is there. */
static bool run_read(struct read_task *task, const struct store_ops *ops, struct reader *reader, struct fault *fault)
{
    struct stream_read *read = task->context;
    if (read->asks_last) {
        return ops->read_last_sequence(reader, &read->last, fault);
    }
    const struct event_filter filter = {.is_complete = true};
    const struct page page = {.limit = PAGE_EVENTS, .has_after = true, .after_number = read->after};
    struct arena *arena = arena_new(READ_ARENA_CHUNK_BYTES);
    struct event_row *rows;
    size_t count;
    bool more;
    bool found;
    bool ok = ops->read_events(reader, arena, &filter, &page, &rows, &count, &more, &found, fault);
    if (ok && count > 0) {
        read->block = make_block(rows, count);
    }
    arena_free(arena);
    return ok;
}

static bool submit(struct event_streams *streams, struct listener *listener, bool asks_last, int64_t after)
{
    struct stream_read *read = memory_zalloc(1, sizeof(*read));
    read->task = (struct read_task){.run = run_read, .context = read};
    read->streams = streams;
    read->listener = listener;
    read->asks_last = asks_last;
    read->after = after;
    if (!reader_pool_submit(streams->api->readers, &read->task)) {
        free(read); /* the queue is full: the timer tries again */
        return false;
    }
    streams->api->calls_pending++;
    return true;
}

static void take_tip(struct event_streams *streams, struct stream_read *read)
{
    streams->is_reading_tip = false;
    if (read->block == NULL || streams->tip != read->after) { /* or everybody has gone meanwhile */
        http_block_release(read->block == NULL ? NULL : &read->block->base);
        return;
    }
    TAILQ_INSERT_TAIL(&streams->ring, read->block, link);
    streams->ring_bytes += read->block->base.length;
    streams->tip = read->block->last;
    atomic_store(&streams->may_have_more, true);
    trim_ring(streams, RING_BYTES_MAX);
}

static void take_own(struct listener *listener, struct stream_read *read)
{
    struct event_streams *streams = listener->streams;
    streams->catch_up_reads--;
    listener->is_reading = false;
    if (listener->request == NULL || !read->task.ok) {
        http_block_release(read->block == NULL ? NULL : &read->block->base);
        free_if_done(listener);
        return;
    }
    if (read->asks_last) {
        listener->position = listener->position == UNKNOWN ? read->last : listener->position;
        if (streams->tip == UNKNOWN) {
            streams->tip = read->last;
        }
        return;
    }
    if (read->block != NULL) {
        give_events(listener, read->block);
        http_block_release(&read->block->base); /* the stream has one of its own */
    } else if (!TAILQ_EMPTY(&streams->ring)) {
        listener->position = TAILQ_FIRST(&streams->ring)->first - 1; /* what was between has been pruned */
    }
}

bool event_streams_take(struct event_streams *streams, struct read_task *task)
{
    if (task->run != run_read) {
        return false;
    }
    struct stream_read *read = task->context;
    streams->api->calls_pending--;
    if (read->listener == NULL) {
        take_tip(streams, read);
    } else {
        take_own(read->listener, read);
    }
    free(read);
    serve(streams);
    return true;
}

/* ---- Who gets what ---- */

static void drop_slow(struct listener *listener)
{
    counter_add(&listener->streams->dropped_slow, 1);
    log_message(LOG_DEBUG, "event_listener_dropped", "it is further behind than what is kept");
    end(listener);
}

static void read_for(struct listener *listener, bool asks_last)
{
    struct event_streams *streams = listener->streams;
    if (!listener->is_reading && streams->catch_up_reads < CATCH_UP_READS_MAX &&
        submit(streams, listener, asks_last, listener->position)) {
        listener->is_reading = true;
        streams->catch_up_reads++;
    }
}

/* The next block that has something for it; NULL: it has all there is in the ring, or is behind it. */
static struct event_block *next_block(const struct event_streams *streams, int64_t position)
{
    struct event_block *block = TAILQ_FIRST(&streams->ring);
    if (block == NULL || position < block->first - 1) {
        return NULL;
    }
    while (block != NULL && block->last <= position) {
        block = TAILQ_NEXT(block, link);
    }
    return block;
}

/* True: it waits at the tip. */
static bool serve_one(struct listener *listener)
{
    struct event_streams *streams = listener->streams;
    if (listener->position == UNKNOWN || streams->tip == UNKNOWN) {
        read_for(listener, true);
        return false;
    }
    if (!listener->is_greeted) { /* from here on it misses nothing, and is told so */
        listener->is_greeted = true;
        give(listener, &hello, 0);
        return false;
    }
    if (listener->position >= streams->tip) {
        return true;
    }
    struct event_block *block = next_block(streams, listener->position);
    if (block != NULL) {
        listener->has_joined = true;
        give_events(listener, block);
    } else if (listener->has_joined) {
        drop_slow(listener);
    } else {
        read_for(listener, false);
    }
    return false;
}

static void serve(struct event_streams *streams)
{
    bool is_awaited = false;
    struct listener *listener = TAILQ_FIRST(&streams->listeners);
    while (listener != NULL) {
        struct listener *next = TAILQ_NEXT(listener, link);
        if (listener->is_ready && !listener->is_reading && serve_one(listener)) {
            is_awaited = true;
        }
        listener = next;
    }
    if (is_awaited && !streams->is_reading_tip && atomic_exchange(&streams->may_have_more, false)) {
        streams->is_reading_tip = submit(streams, NULL, false, streams->tip);
        if (!streams->is_reading_tip) {
            atomic_store(&streams->may_have_more, true);
        }
    }
}

static void on_wake(uv_async_t *handle)
{
    serve(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct event_streams *streams = timer->data;
    int64_t now_us = clock_monotonic_us();
    struct listener *listener;
    TAILQ_FOREACH(listener, &streams->listeners, link)
    {
        if (listener->is_ready && listener->is_greeted && now_us - listener->given_us >= HEARTBEAT_US) {
            give(listener, &heartbeat, 0);
        }
    }
    atomic_store(&streams->may_have_more, true);
    serve(streams);
}

void event_streams_notify(struct event_streams *streams)
{
    if (gauge_read(&streams->listening) > 0 && !atomic_exchange(&streams->may_have_more, true)) {
        (void)uv_async_send(&streams->wake);
    }
}

/* ---- Life ---- */

static bool is_sequence(struct text text, int64_t *ret_sequence)
{
    return text_to_int64(text, ret_sequence) && *ret_sequence >= 0;
}

void event_stream_handle(struct call *call)
{
    static const struct http_stream_owner OWNER = {.taken = on_taken, .ended = on_ended};
    const struct http_header headers[] = {{.name = "Cache-Control", .value = TEXT_LITERAL("no-cache")},
                                          {.name = "X-Accel-Buffering", .value = TEXT_LITERAL("no")}};
    struct event_streams *streams = call->api->streams;
    int64_t after = UNKNOWN;
    (void)query_int64(&call->query, "after", 0, INT64_MAX, &call->errors, &after);
    struct text last = http_request_header(call->request, "Last-Event-ID");
    if (last.bytes != NULL && last.length > 0 && !is_sequence(last, &after)) {
        query_error(&call->errors, "Last-Event-ID", "Is the sequence of the last event that was seen.");
    }
    if (call_refuse_errors(call)) {
        return;
    }
    if (streams->is_closing || call->api->draining) {
        call_refuse(call, PROBLEM_DRAINING, TEXT_ABSENT);
        return;
    }
    call->is_stream = true;
    struct listener *listener = memory_zalloc(1, sizeof(*listener));
    *listener = (struct listener){.streams = streams, .request = call->request, .position = after};
    if (!http_stream_begin(call->request, 200, "text/event-stream", headers, sizeof(headers) / sizeof(*headers), &OWNER,
                           listener)) {
        free(listener);
        return;
    }
    TAILQ_INSERT_TAIL(&streams->listeners, listener, link);
    streams->listener_count++;
    gauge_set(&streams->listening, (int64_t)streams->listener_count);
    if (streams->listener_count == 1) {
        (void)uv_timer_start(&streams->timer, on_timer, LOOK_MS, LOOK_MS);
    }
}

struct event_streams *event_streams_new(struct api *api)
{
    struct event_streams *streams = memory_zalloc(1, sizeof(*streams));
    streams->api = api;
    streams->tip = UNKNOWN;
    TAILQ_INIT(&streams->listeners);
    TAILQ_INIT(&streams->ring);
    int status = uv_async_init(api->options.loop, &streams->wake, on_wake);
    assert(status == 0);
    status = uv_timer_init(api->options.loop, &streams->timer);
    assert(status == 0);
    (void)status;
    streams->handles_open = 2;
    streams->wake.data = streams;
    streams->timer.data = streams;
    return streams;
}

void event_streams_end_all(struct event_streams *streams)
{
    struct listener *listener = TAILQ_FIRST(&streams->listeners);
    while (listener != NULL) {
        struct listener *next = TAILQ_NEXT(listener, link);
        end(listener);
        listener = next;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct event_streams *streams = handle->data;
    if (--streams->handles_open == 0) {
        struct api *api = streams->api;
        void (*closed)(struct api *) = streams->closed;
        free(streams);
        closed(api);
    }
}

void event_streams_close(struct event_streams *streams, void (*closed)(struct api *api))
{
    streams->is_closing = true;
    streams->closed = closed;
    trim_ring(streams, 0);
    uv_close((uv_handle_t *)&streams->wake, on_closed);
    uv_close((uv_handle_t *)&streams->timer, on_closed);
}

void event_streams_check_keys(struct event_streams *streams)
{
    struct api *api = streams->api;
    struct listener *listener = TAILQ_FIRST(&streams->listeners);
    while (listener != NULL) {
        struct listener *next = TAILQ_NEXT(listener, link);
        if (auth_check(api->keys, api->digest, listener->request, KEY_SCOPE_READ) != AUTH_ALLOWED) {
            end(listener);
        }
        listener = next;
    }
}

void event_streams_write_metrics(const struct event_streams *streams, struct buffer *out)
{
    metrics_write_head(out, "holdfast_event_stream_listeners", "gauge", "Clients that listen to the event stream.");
    metrics_write_gauge(out, "holdfast_event_stream_listeners", NULL, &streams->listening);
    metrics_write_head(out, "holdfast_event_stream_events_sent_total", "counter",
                       "Events that were sent, once for each listener.");
    metrics_write_counter(out, "holdfast_event_stream_events_sent_total", NULL, &streams->events_sent);
    metrics_write_head(out, "holdfast_event_stream_dropped_total", "counter",
                       "Listeners that were cut off: too far behind, or took nothing for too long.");
    metrics_write_counter(out, "holdfast_event_stream_dropped_total", "reason=\"behind\"", &streams->dropped_slow);
    metrics_write_counter(out, "holdfast_event_stream_dropped_total", "reason=\"timeout\"", &streams->dropped_timeout);
}
