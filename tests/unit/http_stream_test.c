#include "http/stream.h"
#include "http_test_server.h"

#define GET_STREAM "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
#define STREAMS_MAX 4
#define WIDE_BYTES ((size_t)8 << 20)

/* What a test's handler streams: each stream is given a block whenever the test says so. */
struct streams {
    struct http_request *requests[STREAMS_MAX];
    atomic_uint begun;
    atomic_uint taken;
    atomic_uint ended;
    atomic_uint timed_out;
    struct http_block *block; /* what `give` writes; the test's reference */
    atomic_uint blocks_freed;
};

static struct streams *streams_of(struct test_server *server)
{
    return server->test;
}

static void on_taken(void *context)
{
    streams_of(context)->taken++;
}

static void on_ended(void *context, enum http_stream_end why)
{
    streams_of(context)->timed_out += why == HTTP_STREAM_TIMED_OUT;
    streams_of(context)->ended++;
}

static const struct http_stream_owner OWNER = {.taken = on_taken, .ended = on_ended};

static void begin_stream(struct test_server *server, struct http_request *request)
{
    struct streams *streams = streams_of(server);
    const struct http_header marker = {"X-Handler", TEXT_LITERAL("stream")};
    if (http_stream_begin(request, 200, "text/plain", &marker, 1, &OWNER, server)) {
        streams->requests[streams->begun] = request;
        streams->begun++;
    }
}

static void handle(struct http_request *request, void *context)
{
    struct test_server *server = context;
    if (text_equal_c(request->path, "/stream")) {
        begin_stream(server, request);
    } else {
        server->held[server->held_count] = request;
        server->held_count++;
    }
}

static void begin_held(struct test_server *server)
{
    begin_stream(server, server->held[0]);
    server->held_count = 0;
}

static void reply_to_held(struct test_server *server)
{
    for (unsigned i = 0; i < server->held_count; i++) {
        http_reply(server->held[i], 200, "text/plain", NULL, 0, TEXT_LITERAL("held"));
    }
    server->held_count = 0;
}

static void give(struct test_server *server)
{
    struct streams *streams = streams_of(server);
    for (unsigned i = 0; i < streams->begun; i++) {
        http_stream_write(streams->requests[i], streams->block, 0);
    }
}

static void give_from_the_third_byte(struct test_server *server)
{
    http_stream_write(streams_of(server)->requests[0], streams_of(server)->block, 2);
}

static void let_go_of_block(struct test_server *server)
{
    http_block_release(streams_of(server)->block);
    streams_of(server)->block = NULL;
}

static void end(struct test_server *server)
{
    struct streams *streams = streams_of(server);
    for (unsigned i = 0; i < streams->begun; i++) {
        http_stream_end(streams->requests[i]);
    }
    streams->begun = 0;
}

struct counted_block {
    struct http_block block;
    struct streams *streams;
};

static void free_block(struct http_block *block)
{
    struct counted_block *counted = (struct counted_block *)block;
    counted->streams->blocks_freed++;
    free(block->bytes);
    free(counted);
}

static void make_block(struct streams *streams, const char *pattern, size_t length)
{
    struct counted_block *counted = calloc(1, sizeof(*counted));
    assert_non_null(counted);
    counted->block = (struct http_block){.length = length, .references = 1, .free = free_block};
    counted->block.bytes = malloc(length);
    assert_non_null(counted->block.bytes);
    for (size_t i = 0; i < length; i++) {
        counted->block.bytes[i] = pattern[i % strlen(pattern)];
    }
    counted->streams = streams;
    streams->block = &counted->block;
}

static struct test_server *start_server(struct streams *streams, int64_t write_timeout_ms)
{
    struct http_server_options options = default_options();
    options.handle = handle;
    options.write_timeout_ms = write_timeout_ms;
    memset(streams, 0, sizeof(*streams));
    struct test_server *server = server_start(options);
    server->test = streams;
    return server;
}

static void assert_bytes(int client, const char *expected)
{
    for (; *expected != '\0'; expected++) {
        assert_int_equal(client_read_byte(client), *expected);
    }
}

static int open_stream(struct test_server *server, const char *request, struct reply *ret_head)
{
    int client = client_connect(server);
    client_send(client, request);
    client_read_head(client, ret_head);
    assert_int_equal(ret_head->status, 200);
    assert_true(reply_has(ret_head, "X-Handler: stream"));
    assert_true(reply_has(ret_head, "Connection: close"));
    assert_null(strcasestr(ret_head->head, "Content-Length"));
    return client;
}

static void each_block_is_a_chunk(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, GET_STREAM, &head);
    assert_true(reply_has(&head, "Transfer-Encoding: chunked"));
    wait_for(&streams.taken, 1); /* the head */
    make_block(&streams, "hello", 5);
    server_call(server, give);
    assert_bytes(client, "5\r\nhello\r\n");
    wait_for(&streams.taken, 2);
    server_call(server, give_from_the_third_byte);
    assert_bytes(client, "3\r\nllo\r\n");
    wait_for(&streams.taken, 3);
    server_call(server, end);
    assert_bytes(client, "0\r\n\r\n");
    assert_true(client_is_at_end(client));
    wait_for(&server->answered_count, 1);
    assert_int_equal(streams.ended, 0); /* the owner knows */
    server_call(server, let_go_of_block);
    assert_int_equal(streams.blocks_freed, 1);
    close(client);
    server_stop(server);
}

static void http_1_0_reads_until_the_end(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &head);
    assert_null(strcasestr(head.head, "Transfer-Encoding"));
    wait_for(&streams.taken, 1);
    make_block(&streams, "hello", 5);
    server_call(server, give);
    server_call(server, let_go_of_block); /* its memory stays until it is written */
    assert_bytes(client, "hello");
    wait_for(&streams.taken, 2);
    server_call(server, end);
    assert_true(client_is_at_end(client));
    assert_int_equal(streams.blocks_freed, 1);
    close(client);
    server_stop(server);
}

static void a_head_request_has_no_stream(void **state)
{
    (void)state;
    struct streams streams;
    struct test_server *server = start_server(&streams, 60000);
    int client = client_connect(server);
    for (unsigned i = 1; i <= 2; i++) { /* on a connection that is kept */
        struct reply head;
        client_send(client, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        client_read_head(client, &head);
        assert_int_equal(head.status, 200);
        assert_null(strcasestr(head.head, "Content-Length"));
        wait_for(&server->answered_count, i);
    }
    assert_int_equal(streams.begun, 0);
    close(client);
    server_stop(server);
}

static void a_stream_waits_for_the_replies_before_it_and_drops_what_is_behind_it(void **state)
{
    (void)state;
    struct streams streams;
    struct test_server *server = start_server(&streams, 60000);
    int client = client_connect(server);
    client_send(client, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n" GET_STREAM "GET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&streams.begun, 1);
    make_block(&streams, "x", 1);
    server_call(server, give);
    usleep(10000);
    assert_int_equal(server->held_count, 1);
    assert_int_equal(streams.taken, 0);
    server_call(server, reply_to_held);
    assert_string_equal(client_read_reply(client).body, "held");
    struct reply head;
    client_read_head(client, &head);
    assert_bytes(client, "1\r\nx\r\n");
    wait_for(&streams.taken, 1);
    server_call(server, end);
    assert_bytes(client, "0\r\n\r\n");
    assert_true(client_is_at_end(client));
    server_call(server, let_go_of_block);
    close(client);
    server_stop(server);
}

static void what_was_taken_in_behind_a_late_stream_goes_unanswered(void **state)
{
    (void)state;
    struct streams streams;
    struct test_server *server = start_server(&streams, 60000);
    int client = client_connect(server);
    client_send(client, "GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\nGET /par");
    wait_for(&server->held_count, 2);
    struct http_request *behind = server->held[1];
    server_call(server, begin_held);
    struct reply head;
    client_read_head(client, &head);
    assert_true(reply_has(&head, "X-Handler: stream"));
    server->held[0] = behind;
    server->held_count = 1;
    server_call(server, reply_to_held);
    wait_for(&server->answered_count, 1);
    wait_for(&streams.taken, 1);
    server_call(server, end);
    assert_bytes(client, "0\r\n\r\n");
    assert_true(client_is_at_end(client));
    close(client);
    server_stop(server);
}

static void a_client_that_goes_is_noticed(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, GET_STREAM, &head);
    close(client);
    wait_for(&streams.ended, 1);
    wait_for(&server->answered_count, 1);
    assert_int_equal(streams.timed_out, 0);
    streams.begun = 0;

    client = client_connect(server); /* and one that goes before its stream has begun */
    client_send(client, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&server->held_count, 1);
    shutdown(client, SHUT_WR);
    usleep(10000);
    server_call(server, begin_held);
    client_read_head(client, &head);
    wait_for(&streams.ended, 2);
    close(client);
    server_stop(server);
}

static void a_client_that_talks_on_is_cut_off(void **state)
{
    (void)state;
    static char noise[65536];
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, GET_STREAM, &head);
    client_send_bytes(client, noise, 1000);
    usleep(10000);
    assert_int_equal(streams.ended, 0);
    client_send_bytes(client, noise, sizeof(noise));
    wait_for(&streams.ended, 1);
    close(client);
    server_stop(server);
}

static void a_client_that_takes_nothing_times_out_while_others_go_on(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 200);
    int slow = open_stream(server, GET_STREAM, &head);
    int other = open_stream(server, GET_STREAM, &head);
    wait_for(&streams.taken, 2);
    make_block(&streams, "abcdefgh", WIDE_BYTES);
    server_call(server, give);
    server_call(server, let_go_of_block);
    for (size_t total = 0; total < WIDE_BYTES + strlen("800000\r\n\r\n");) {
        static char bytes[65536];
        ssize_t count = recv(other, bytes, sizeof(bytes), 0);
        assert_true(count > 0);
        total += (size_t)count;
    }
    wait_for(&streams.taken, 3);
    wait_for(&streams.timed_out, 1);
    assert_int_equal(streams.ended, 1);
    assert_int_equal(streams.blocks_freed, 1);
    close(slow);
    close(other);
    wait_for(&streams.ended, 2);
    server_stop(server);
}

static void ending_a_stream_does_not_wait_for_its_client(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, GET_STREAM, &head);
    wait_for(&streams.taken, 1);
    make_block(&streams, "a", WIDE_BYTES);
    server_call(server, give);
    server_call(server, let_go_of_block);
    server_call(server, end);
    wait_for(&server->answered_count, 1);
    assert_int_equal(streams.blocks_freed, 1);
    server_command(server, COMMAND_DRAIN);
    for (int i = 0; !server->drained; i++) {
        assert_true(i < 1000);
        usleep(1000);
    }
    close(client);
    server_stop(server);
}

static void a_server_that_is_freed_ends_its_streams(void **state)
{
    (void)state;
    struct streams streams;
    struct reply head;
    struct test_server *server = start_server(&streams, 60000);
    int client = open_stream(server, GET_STREAM, &head);
    server_stop(server);
    assert_int_equal(streams.ended, 1);
    assert_true(client_read_byte(client) < 0);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_block_is_a_chunk),
        cmocka_unit_test(http_1_0_reads_until_the_end),
        cmocka_unit_test(a_head_request_has_no_stream),
        cmocka_unit_test(a_stream_waits_for_the_replies_before_it_and_drops_what_is_behind_it),
        cmocka_unit_test(what_was_taken_in_behind_a_late_stream_goes_unanswered),
        cmocka_unit_test(a_client_that_goes_is_noticed),
        cmocka_unit_test(a_client_that_talks_on_is_cut_off),
        cmocka_unit_test(a_client_that_takes_nothing_times_out_while_others_go_on),
        cmocka_unit_test(ending_a_stream_does_not_wait_for_its_client),
        cmocka_unit_test(a_server_that_is_freed_ends_its_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
