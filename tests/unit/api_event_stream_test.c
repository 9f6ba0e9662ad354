/* Listeners over real sockets, on a log that is nothing but numbers. */

#include "api/event_stream.h"
#include "http_test_server.h"

#include "base/metrics.h"

#define LISTENERS_MAX 64

/* What the store shows. */
struct fake_log {
    atomic_llong oldest; /* those before were pruned */
    atomic_llong newest; /* as a read sees it: a replica may lag */
    atomic_int failures; /* so many reads fail */
    atomic_uint reads;
    atomic_size_t event_bytes;
};

static struct fake_log fake_log;

struct house {
    struct test_server *server;
    struct event_stream *stream;
    struct reader_pool *readers;
    uv_async_t completed;
    int64_t take_ms;
    atomic_llong newest_told; /* what a join is told of the primary; 0: as the log */
    struct buffer metrics;
};

static bool open_reader(struct store *store, struct reader **ret_reader, struct fault *fault)
{
    (void)fault;
    *ret_reader = (struct reader *)store;
    return true;
}

static void close_reader(struct reader *reader)
{
    (void)reader;
}

static bool read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault)
{
    (void)reader;
    (void)filter;
    fake_log.reads++;
    if (fake_log.failures > 0) {
        fake_log.failures--;
        return fault_set(fault, FAULT_UNAVAILABLE, "on order");
    }
    size_t bytes = fake_log.event_bytes;
    char *data = arena_alloc(arena, bytes);
    memset(data, 'x', bytes);
    memcpy(data, "{\"x\":\"", 6);
    memcpy(data + bytes - 2, "\"}", 2);
    int64_t newest = fake_log.newest;
    int64_t next = page->after_number + 1 > fake_log.oldest ? page->after_number + 1 : fake_log.oldest;
    struct event_row *rows = arena_array(arena, page->limit, sizeof(*rows));
    size_t count = 0;
    for (; count < page->limit && next <= newest; count++, next++) {
        rows[count] = (struct event_row){.sequence = next, .type = EVENT_ORDER_PAID, .data = {data, bytes}};
    }
    *ret_rows = rows;
    *ret_count = count;
    *ret_more = next <= newest;
    *ret_found = true;
    return true;
}

static const struct store_ops LOG_OPS = {
    .reader_open = open_reader, .reader_close = close_reader, .read_events = read_events};

static struct house *house_of(struct test_server *server)
{
    return server->test;
}

static void notify(void *context)
{
    (void)uv_async_send(&((struct house *)context)->completed);
}

static void take_reads(uv_async_t *handle)
{
    struct house *house = handle->data;
    struct read_task *task = reader_pool_take_completed(house->readers);
    while (task != NULL) {
        struct read_task *next = task->next;
        assert_true(event_stream_take_read(house->stream, task));
        task = next;
    }
}

/* GET /AFTER */
static void join(struct http_request *request, void *context)
{
    const struct house *house = house_of(context);
    int64_t newest = house->newest_told != 0 ? house->newest_told : fake_log.newest;
    event_stream_join(house->stream, request, strtoll(request->path.bytes + 1, NULL, 10), newest);
}

static void open_house(struct test_server *server)
{
    struct house *house = house_of(server);
    const struct reader_pool_options options = {.ops = &LOG_OPS,
                                                .store = (struct store *)house,
                                                .threads = 2,
                                                .queue_max = 100,
                                                .completed = notify,
                                                .context = house};
    struct fault fault;
    assert_true(reader_pool_start(&options, &house->readers, &fault));
    house->stream = event_stream_new(&server->loop, 60000, house->take_ms);
    event_stream_attach(house->stream, house->readers);
    assert_int_equal(uv_async_init(&server->loop, &house->completed, take_reads), 0);
    house->completed.data = house;
}

static void close_house(struct test_server *server)
{
    struct house *house = house_of(server);
    event_stream_drain(house->stream);
    reader_pool_stop(house->readers);
    take_reads(&house->completed);
    event_stream_free(house->stream);
    reader_pool_free(house->readers);
    uv_close((uv_handle_t *)&house->completed, NULL);
}

static void start(struct house *house, int64_t newest, size_t event_bytes)
{
    struct http_server_options options = default_options();
    options.handle = join;
    fake_log.oldest = 1;
    fake_log.newest = newest;
    fake_log.failures = 0;
    fake_log.reads = 0;
    fake_log.event_bytes = event_bytes;
    memset(house, 0, sizeof(*house));
    house->take_ms = 60000;
    house->server = server_start(options);
    house->server->test = house;
}

static void stop(struct house *house)
{
    server_call(house->server, close_house);
    server_stop(house->server);
}

static void write_metrics(struct test_server *server)
{
    struct house *house = house_of(server);
    buffer_init(&house->metrics, 65536);
    event_stream_write_metrics(house->stream, &house->metrics);
    buffer_append_char(&house->metrics, '\0');
}

static void assert_metric(struct house *house, const char *line)
{
    for (int i = 0;; i++) { /* a listener takes before the server learns of it */
        server_call(house->server, write_metrics);
        bool is_there = strstr(house->metrics.bytes, line) != NULL;
        buffer_done(&house->metrics);
        if (is_there) {
            return;
        }
        assert_true(i < CLIENT_WAIT_MS);
        usleep(1000);
    }
}

static void append(struct house *house, int64_t newest)
{
    fake_log.newest = newest;
    event_stream_appended(house->stream);
}

/* --- a listener, by HTTP/1.0 so that there are no chunks between --- */

struct listener {
    int client;
    char bytes[65536];
    size_t length;
    size_t at;
};

static int next_byte(struct listener *listener)
{
    if (listener->at == listener->length) {
        struct pollfd readable = {.fd = listener->client, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, CLIENT_WAIT_MS), 1);
        ssize_t count = recv(listener->client, listener->bytes, sizeof(listener->bytes), 0);
        if (count <= 0) {
            return -1;
        }
        listener->length = (size_t)count;
        listener->at = 0;
    }
    return (unsigned char)listener->bytes[listener->at++];
}

/* The number of the next event; -1 where the stream has ended. */
static int64_t next_event(struct listener *listener)
{
    char line[32];
    size_t length = 0;
    for (;;) {
        int byte = next_byte(listener);
        if (byte < 0) {
            return -1;
        }
        if (byte != '\n') {
            if (length < sizeof(line) - 1) {
                line[length++] = (char)byte;
            }
            continue;
        }
        line[length] = '\0';
        if (strncmp(line, "id: ", 4) == 0) {
            return strtoll(line + 4, NULL, 10);
        }
        length = 0;
    }
}

static struct listener *listen_after(struct house *house, int64_t after)
{
    char request[64];
    struct reply head;
    struct listener *listener = calloc(1, sizeof(*listener));
    assert_non_null(listener);
    listener->client = client_connect(house->server);
    snprintf(request, sizeof(request), "GET /%lld HTTP/1.0\r\n\r\n", (long long)after);
    client_send(listener->client, request);
    client_read_head(listener->client, &head);
    assert_int_equal(head.status, 200);
    return listener;
}

static void assert_events(struct listener *listener, int64_t first, int64_t last)
{
    for (int64_t sequence = first; sequence <= last; sequence++) {
        assert_int_equal(next_event(listener), sequence);
    }
}

static void leave(struct listener *listener)
{
    close(listener->client);
    free(listener);
}

/* --- what is promised --- */

static uint32_t random_state;

/* Numerical Recipes' generator: the same on each run. */
static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

static void everybody_gets_each_event_once_wherever_they_began(void **state)
{
    (void)state;
    struct house house;
    struct listener *listeners[LISTENERS_MAX];
    int64_t last[LISTENERS_MAX];
    int64_t newest = 3000;
    start(&house, newest, 100);
    server_call(house.server, open_house);
    random_state = 1;
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < LISTENERS_MAX; i++) {
            bool is_new = round == 0 || random_below(20) == 0;
            if (is_new && round > 0) {
                leave(listeners[i]);
            }
            if (is_new) {
                last[i] = random_below(2) == 0 ? newest : (int64_t)random_below((uint32_t)newest);
                listeners[i] = listen_after(&house, last[i]);
            }
        }
        newest += 1 + random_below(random_below(4) == 0 ? 2000 : 5);
        append(&house, newest);
        for (size_t i = 0; i < LISTENERS_MAX; i++) {
            int64_t until = random_below(3) == 0 ? newest : last[i];
            assert_events(listeners[i], last[i] + 1, until);
            last[i] = until;
        }
    }
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        assert_events(listeners[i], last[i] + 1, newest);
        leave(listeners[i]);
    }
    assert_metric(&house, "dropped_total{reason=\"behind\"} 0\n");
    assert_metric(&house, "listeners 0\n");
    stop(&house);
}

static void what_other_processes_append_is_found(void **state)
{
    (void)state;
    struct house house;
    start(&house, 10, 100);
    server_call(house.server, open_house);
    struct listener *listener = listen_after(&house, 10);
    fake_log.newest = 12; /* and nobody says so */
    assert_events(listener, 11, 12);
    fake_log.newest = 13;
    assert_events(listener, 13, 13);
    leave(listener);
    assert_metric(&house, "listeners 0\n");
    unsigned reads = fake_log.reads;
    usleep(300000);
    assert_true(fake_log.reads <= reads + 1); /* nobody listens: nobody looks */
    stop(&house);
}

static void a_log_that_shows_less_than_it_told_delays_and_skips_nothing(void **state)
{
    (void)state;
    struct house house;
    start(&house, 50, 100);
    server_call(house.server, open_house);
    house.newest_told = 100;
    struct listener *at_the_end = listen_after(&house, 100);
    struct listener *behind = listen_after(&house, 10);
    assert_events(behind, 11, 50);
    append(&house, 80);
    assert_events(behind, 51, 80);
    append(&house, 120);
    assert_events(at_the_end, 101, 120);
    assert_events(behind, 81, 120);
    struct listener *ahead = listen_after(&house, 130); /* it knows more than was read here */
    append(&house, 131);
    assert_events(ahead, 131, 131);
    assert_events(at_the_end, 121, 131);
    leave(at_the_end);
    leave(behind);
    leave(ahead);
    stop(&house);
}

static void a_store_that_does_not_answer_is_waited_for(void **state)
{
    (void)state;
    struct house house;
    start(&house, 50, 100);
    server_call(house.server, open_house);
    struct listener *at_the_end = listen_after(&house, 50);
    fake_log.failures = 1;
    append(&house, 60);
    assert_events(at_the_end, 51, 60);
    fake_log.failures = 1;
    struct listener *behind = listen_after(&house, 10);
    assert_events(behind, 11, 60);
    leave(at_the_end);
    leave(behind);
    stop(&house);
}

static void where_events_are_gone_the_oldest_come_first(void **state)
{
    (void)state;
    struct house house;
    start(&house, 100, 100);
    fake_log.oldest = 60;
    server_call(house.server, open_house);
    struct listener *listener = listen_after(&house, 10);
    assert_events(listener, 60, 100);
    leave(listener);
    stop(&house);
}

static void who_catches_up_together_reads_together(void **state)
{
    (void)state;
    struct house house;
    struct listener *listeners[LISTENERS_MAX];
    start(&house, 5000, 100);
    server_call(house.server, open_house);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        listeners[i] = listen_after(&house, 0);
    }
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        assert_events(listeners[i], 1, 5000);
        leave(listeners[i]);
    }
    assert_true(fake_log.reads < LISTENERS_MAX * 10 / 2); /* ten pages for each, were they alone */
    stop(&house);
}

static void who_falls_too_far_behind_is_dropped_and_the_others_go_on(void **state)
{
    (void)state;
    struct house house;
    start(&house, 10, 65536);
    server_call(house.server, open_house);
    struct listener *slow = listen_after(&house, 10);
    struct listener *quick = listen_after(&house, 10);
    append(&house, 1000); /* 62 MiB, twice what is kept */
    assert_events(quick, 11, 1000);
    assert_metric(&house, "dropped_total{reason=\"behind\"} 1\n");
    assert_metric(&house, "listeners 1\n");
    int64_t last = 10;
    for (int64_t sequence; (sequence = next_event(slow)) >= 0; last = sequence) {
        assert_int_equal(sequence, last + 1);
    }
    assert_true(last < 1000);
    append(&house, 1001);
    assert_events(quick, 1001, 1001);
    struct listener *again = listen_after(&house, last - 1); /* the last one may have come in part */
    assert_events(again, last, 1001);
    leave(slow);
    leave(quick);
    leave(again);
    stop(&house);
}

static void who_keeps_a_page_of_the_past_for_too_long_is_dropped(void **state)
{
    (void)state;
    struct house house;
    struct listener *slow[LISTENERS_MAX];
    start(&house, 1000, 65536);
    house.take_ms = 500;
    server_call(house.server, open_house);
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        slow[i] = listen_after(&house, (int64_t)i * 2); /* 64 pages of 256 KiB are all that there is room for */
    }
    struct listener *quick = listen_after(&house, 0);
    assert_events(quick, 1, 1000);
    assert_metric(&house, "listeners 1\n");
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        leave(slow[i]);
    }
    leave(quick);
    stop(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_each_event_once_wherever_they_began),
        cmocka_unit_test(what_other_processes_append_is_found),
        cmocka_unit_test(a_log_that_shows_less_than_it_told_delays_and_skips_nothing),
        cmocka_unit_test(a_store_that_does_not_answer_is_waited_for),
        cmocka_unit_test(where_events_are_gone_the_oldest_come_first),
        cmocka_unit_test(who_catches_up_together_reads_together),
        cmocka_unit_test(who_falls_too_far_behind_is_dropped_and_the_others_go_on),
        cmocka_unit_test(who_keeps_a_page_of_the_past_for_too_long_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
