/* What the server does once it holds as many requests as it may: large bodies go, small requests are served on. */

#include "http_test_server.h"

#define BUDGET_BYTES ((size_t)100000)
#define SMALL "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
#define HOLD "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
#define CHUNKED "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static char filler[65536];

/* A request with a body of so many bytes, of which the handler keeps the answer. */
static int client_holding(const struct test_server *server)
{
    int client = client_connect(server);
    client_send(client, HOLD);
    client_send_bytes(client, filler, 60000);
    return client;
}

static size_t buffered_bytes;

static void read_stats(struct test_server *server)
{
    buffered_bytes = http_server_stats(server->server).buffered_bytes;
}

static size_t buffered_by(struct test_server *server)
{
    server_call(server, read_stats);
    return buffered_bytes;
}

static void assert_refused(int client)
{
    struct reply reply = client_read_reply(client);
    assert_int_equal(reply.status, 503);
    assert_true(reply_has(&reply, "Retry-After: 1"));
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(client_is_at_end(client));
    close(client);
}

static void assert_served(int client, const char *expected)
{
    struct reply reply = client_read_reply(client);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, expected);
}

/* A server that may hold one large request, and not two. */
static int fill(void **state)
{
    struct http_server_options options = default_options();
    options.buffered_bytes_max = BUDGET_BYTES;
    memset(filler, 'x', sizeof(filler));
    *state = server_start(options);
    return 0;
}

static int stop(void **state)
{
    server_stop(*state);
    return 0;
}

static void a_large_body_is_refused_until_there_is_room(void **state)
{
    struct test_server *server = *state;
    int first = client_holding(server);
    int second = client_holding(server);
    wait_for(&server->held_count, 2);
    assert_in_range(buffered_by(server), BUDGET_BYTES, 3 * BUDGET_BYTES);

    int client = client_connect(server);
    client_send(client, HOLD);
    assert_refused(client);
    client = client_connect(server);
    client_send(client, CHUNKED "5000\r\n");
    client_send_bytes(client, filler, 0x5000);
    client_send(client, "\r\n");
    client_send(client, "1\r\nx\r\n");
    assert_refused(client);

    server_command(server, COMMAND_RELEASE);
    wait_for(&server->answered_count, 4);
    client = client_holding(server);
    wait_for(&server->held_count, 1);
    server_command(server, COMMAND_RELEASE);
    wait_for(&server->answered_count, 5);
    assert_int_equal(buffered_by(server), 0);
    close(client);
    close(first);
    close(second);
}

static void a_body_that_was_begun_before_is_refused_when_it_grows(void **state)
{
    struct test_server *server = *state;
    int growing = client_connect(server);
    client_send(growing, HOLD);
    client_send_bytes(growing, filler, 1000);
    int first = client_holding(server);
    int second = client_holding(server);
    wait_for(&server->held_count, 2);
    client_send_bytes(growing, filler, 1000);
    assert_refused(growing);
    server_command(server, COMMAND_RELEASE);
    wait_for(&server->answered_count, 3);
    assert_int_equal(buffered_by(server), 0);
    close(first);
    close(second);
}

static void small_requests_are_served_on_one_at_a_time(void **state)
{
    struct test_server *server = *state;
    int first = client_holding(server);
    int second = client_holding(server);
    wait_for(&server->held_count, 2);
    int client = client_connect(server);
    for (int i = 0; i < 50; i++) {
        client_send(client, SMALL);
    }
    client_send(client, CHUNKED "5\r\nhello\r\n0\r\n\r\n");
    client_send(client, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        assert_served(client, "POST /small? hello");
    }
    assert_served(client, "POST /c? hello");
    wait_for(&server->held_count, 3);
    usleep(50000);
    assert_int_equal(server->held_count, 3); /* the next waits in its socket, or where it was read */
    server_command(server, COMMAND_RELEASE);
    assert_served(client, "GET /hold? ");
    wait_for(&server->held_count, 1);
    server_command(server, COMMAND_RELEASE);
    assert_served(client, "GET /hold? ");
    close(client);
    close(first);
    close(second);
}

static void wait_for_buffered(struct test_server *server, size_t least, size_t most)
{
    size_t bytes = buffered_by(server);
    for (int waited = 0; bytes < least || bytes > most; waited++) {
        assert_true(waited < CLIENT_WAIT_MS);
        usleep(1000);
        bytes = buffered_by(server);
    }
}

static void heads_count(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    for (int i = 0; i < 7; i++) {
        client_send(client, "DELETE /hold HTTP/1.1\r\nHost: a\r\nX: ");
        client_send_bytes(client, filler, 15000);
        client_send(client, "\r\n\r\n");
    }
    wait_for_buffered(server, BUDGET_BYTES, 2 * BUDGET_BYTES);
    int other = client_connect(server);
    client_send(other, HOLD);
    assert_refused(other);
    server_command(server, COMMAND_RELEASE);
    assert_served(client, "DELETE /hold? ");
    close(client);
}

static void large_heads_are_refused_until_there_is_room(void **state)
{
    struct test_server *server = *state;
    int first = client_holding(server);
    int second = client_holding(server);
    wait_for(&server->held_count, 2);
    static const char *const ENDS[] = {"\r\n\r\n", ""}; /* a whole head, and one that is being sent */
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        int client = client_connect(server);
        client_send(client, "GET /small HTTP/1.1\r\nHost: a\r\nX: ");
        client_send_bytes(client, filler, 5000);
        client_send(client, ENDS[i]);
        assert_refused(client);
    }
    int client = client_connect(server);
    client_send(client, "GET /small HTTP/1.1\r\nHost: a\r\nX: ");
    client_send_bytes(client, filler, 4000);
    client_send(client, "\r\n\r\n");
    assert_served(client, "GET /small? ");
    close(client);
    close(first);
    close(second);
}

/* What may have a large answer is begun a few at a time, room or none. */
static void a_connection_has_few_large_answers_on_their_way(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    for (int i = 0; i < 7; i++) {
        client_send(client, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    wait_for(&server->held_count, HTTP_HEAVY_MAX);
    usleep(50000);
    assert_int_equal(server->held_count, HTTP_HEAVY_MAX);
    server_command(server, COMMAND_RELEASE);
    wait_for(&server->held_count, 7 - HTTP_HEAVY_MAX);
    server_command(server, COMMAND_RELEASE);
    for (int i = 0; i < 7; i++) {
        assert_served(client, "GET /hold? ");
    }
    close(client);
}

static void answers_count_until_they_are_written(void **state)
{
    struct test_server *server = *state;
    const size_t bytes = 20000000; /* more than sockets hold */
    int client = client_connect(server);
    client_send(client, "GET /big?20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_buffered(server, bytes, bytes + BUDGET_BYTES);
    int other = client_connect(server);
    client_send(other, HOLD);
    assert_refused(other);
    other = client_connect(server);
    client_send(other, SMALL);
    assert_served(other, "POST /small? hello");
    close(other);
    close(client);
    wait_for_buffered(server, 0, 0);
}

static void what_a_client_left_behind_is_not_held(void **state)
{
    struct test_server *server = *state;
    static const char *const HALVES[] = {"GET / HTTP/1.1\r\nHo", HOLD "half", CHUNKED "5\r\nhe", SMALL SMALL "POST"};
    for (size_t i = 0; i < sizeof(HALVES) / sizeof(HALVES[0]); i++) {
        int client = client_connect(server);
        client_send(client, HALVES[i]);
        wait_for_buffered(server, 1, SIZE_MAX);
        struct linger reset = {.l_onoff = 1};
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(client);
        wait_for_buffered(server, 0, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_large_body_is_refused_until_there_is_room, fill, stop),
        cmocka_unit_test_setup_teardown(a_body_that_was_begun_before_is_refused_when_it_grows, fill, stop),
        cmocka_unit_test_setup_teardown(small_requests_are_served_on_one_at_a_time, fill, stop),
        cmocka_unit_test_setup_teardown(heads_count, fill, stop),
        cmocka_unit_test_setup_teardown(large_heads_are_refused_until_there_is_room, fill, stop),
        cmocka_unit_test_setup_teardown(a_connection_has_few_large_answers_on_their_way, fill, stop),
        cmocka_unit_test_setup_teardown(answers_count_until_they_are_written, fill, stop),
        cmocka_unit_test_setup_teardown(what_a_client_left_behind_is_not_held, fill, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
