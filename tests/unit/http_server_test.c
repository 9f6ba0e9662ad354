#include "http/reply.h"
#include "http_test_server.h"

#include <sys/resource.h>
#include <time.h>

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(target, length, body) "POST " target " HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n" body

static void assert_echo(int client, const char *expected)
{
    struct reply reply = client_read_reply(client);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, expected);
}

static void assert_silent(int client, int milliseconds)
{
    struct pollfd readable = {.fd = client, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, milliseconds), 0);
}

static size_t read_to_the_end(int client)
{
    static char bytes[65536];
    size_t total = 0;
    ssize_t count;
    while ((count = recv(client, bytes, sizeof(bytes), 0)) > 0) {
        total += (size_t)count;
    }
    return total;
}

/* --- one connection, several requests --- */

static void a_connection_is_kept_and_used_again(void **state)
{
    int client = client_connect(*state);
    for (int i = 0; i < 3; i++) {
        struct reply reply = client_ask(client, POST("/a?b=c", "5", "hello"));
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "POST /a?b=c hello");
        assert_true(reply_has(&reply, "X-Handler: echo"));
        assert_true(reply_has(&reply, "Content-Type: text/plain"));
        assert_false(reply_has(&reply, "Connection: close"));
    }
    close(client);
}

static void replies_keep_the_order_of_the_requests(void **state)
{
    int client = client_connect(*state);
    char request[64];
    char expected[64];
    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof(request), "GET /%s?%d HTTP/1.1\r\nHost: a\r\n\r\n", i % 3 == 0 ? "later" : "now", i);
        client_send(client, request);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(expected, sizeof(expected), "GET /%s?%d ", i % 3 == 0 ? "later" : "now", i);
        assert_echo(client, expected);
    }
    close(client);
}

static void no_more_than_the_pipeline_is_in_flight(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    for (int i = 0; i < 20; i++) {
        client_send(client, POST("/hold", "3", "abc"));
    }
    for (unsigned answered = 0; answered < 20; answered += 8) {
        unsigned in_flight = answered + 8 <= 20 ? 8 : 20 - answered;
        wait_for(&server->held_count, in_flight);
        usleep(10000);
        assert_int_equal(server->held_count, in_flight);
        server_command(server, COMMAND_RELEASE);
        for (unsigned i = 0; i < in_flight; i++) {
            assert_echo(client, "POST /hold? abc");
        }
    }
    close(client);
}

static void requests_may_come_byte_by_byte(void **state)
{
    static const char REQUESTS[] = POST("/a", "3", "abc") "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
                                                          "\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n" GET("/c");
    int client = client_connect(*state);
    for (size_t i = 0; i < sizeof(REQUESTS) - 1; i++) {
        client_send_bytes(client, REQUESTS + i, 1);
        usleep(100);
    }
    assert_echo(client, "POST /a? abc");
    assert_echo(client, "POST /b? abc");
    assert_echo(client, "GET /c? ");
    close(client);
}

static void a_large_body_arrives_whole(void **state)
{
    static char body[65536];
    memset(body, 'x', sizeof(body));
    int client = client_connect(*state);
    client_send(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
    client_send_bytes(client, body, sizeof(body));
    client_send(client, GET("/next"));
    struct reply reply;
    client_read_head(client, &reply);
    assert_true(reply_has(&reply, "Content-Length: 65544"));
    for (int i = 0; i < 65544; i++) {
        assert_true(client_read_byte(client) > 0);
    }
    assert_echo(client, "GET /next? ");
    close(client);
}

static void head_and_no_content_have_no_body(void **state)
{
    int client = client_connect(*state);
    client_send(client,
                "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" GET("/empty") "HEAD /big?100000 HTTP/1.1\r\nHost: a\r\n\r\n");
    struct reply reply;
    client_read_head(client, &reply);
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "Content-Length: 9")); /* "HEAD /a? " */
    client_read_head(client, &reply);
    assert_int_equal(reply.status, 204);
    assert_null(strcasestr(reply.head, "Content-Length"));
    client_read_head(client, &reply);
    assert_true(reply_has(&reply, "Content-Length: 100000"));
    client_send(client, GET("/next"));
    assert_echo(client, "GET /next? ");
    close(client);
}

static void an_upgrade_is_an_ordinary_request(void **state)
{
    int client = client_connect(*state);
    client_send(client, "GET /u HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" GET("/next"));
    assert_echo(client, "GET /u? ");
    assert_echo(client, "GET /next? ");
    close(client);
}

/* --- Expect: 100-continue --- */

#define POST_EXPECT "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
    int client = client_connect(*state);
    struct reply reply;
    client_send(client, POST_EXPECT);
    client_read_head(client, &reply);
    assert_int_equal(reply.status, 100);
    client_send(client, "hi");
    assert_echo(client, "POST /e? hi");
    client_send(client, POST_EXPECT "hi"); /* one that does not wait needs no telling */
    assert_echo(client, "POST /e? hi");
    close(client);
}

static void continue_waits_for_the_replies_before_it(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    struct reply reply;
    client_send(client, GET("/hold") POST_EXPECT);
    wait_for(&server->held_count, 1);
    assert_silent(client, 30);
    server_command(server, COMMAND_RELEASE);
    assert_echo(client, "GET /hold? ");
    client_read_head(client, &reply);
    assert_int_equal(reply.status, 100);
    client_send(client, "hi");
    assert_echo(client, "POST /e? hi");
    close(client);
}

/* --- the end of a connection --- */

static void a_client_that_wants_to_close_is_closed_behind_its_reply(void **state)
{
    static const char *const REQUESTS[] = {
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/ignored"),
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n" GET("/ignored"),
        "GET /a HTTP/1.0\r\n\r\n" GET("/ignored"),
    };
    for (size_t i = 0; i < 3; i++) {
        int client = client_connect(*state);
        struct reply reply = client_ask(client, REQUESTS[i]);
        assert_string_equal(reply.body, "GET /a? ");
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_is_at_end(client));
        close(client);
    }
}

static void http_1_0_may_keep_its_connection(void **state)
{
    int client = client_connect(*state);
    for (int i = 0; i < 2; i++) {
        struct reply reply = client_ask(client, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_string_equal(reply.body, "GET /a? ");
        assert_true(reply_has(&reply, "Connection: keep-alive"));
    }
    close(client);
}

static void a_client_that_only_listens_still_gets_its_replies(void **state)
{
    int client = client_connect(*state);
    client_send(client, GET("/later") GET("/b"));
    shutdown(client, SHUT_WR);
    assert_echo(client, "GET /later? ");
    assert_echo(client, "GET /b? ");
    assert_true(client_is_at_end(client));
    close(client);
}

static void a_request_that_ends_early_is_refused(void **state)
{
    int client = client_connect(*state);
    client_send(client, POST("/a", "5", "hel"));
    shutdown(client, SHUT_WR);
    assert_int_equal(client_read_reply(client).status, 400);
    assert_true(client_is_at_end(client));
    close(client);
}

static void a_refusal_waits_for_the_replies_before_it(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    client_send(client, GET("/hold") "BAD\r\n\r\n" GET("/ignored"));
    wait_for(&server->held_count, 1);
    assert_silent(client, 30);
    server_command(server, COMMAND_RELEASE);
    assert_echo(client, "GET /hold? ");
    assert_int_equal(client_read_reply(client).status, 400);
    assert_true(client_is_at_end(client));
    close(client);
}

static void a_client_that_hangs_up_does_not_take_its_request_along(void **state)
{
    struct test_server *server = *state;
    unsigned answered = server->answered_count;
    int client = client_connect(server);
    client_send(client, GET("/hold") GET("/hold"));
    wait_for(&server->held_count, 2);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(client);
    usleep(20000);
    server_command(server, COMMAND_RELEASE);
    wait_for(&server->answered_count, answered + 2);
}

/* --- request ids --- */

static void a_decent_request_id_is_kept_and_others_are_replaced(void **state)
{
    static const struct {
        const char *sent;
        bool is_kept;
    } CASES[] = {
        {"X-Request-Id: a.B_9-z", true},
        {"X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123", true},
        {"X-Request-Id: 01234567890123456789012345678901234567890123456789012345678901234", false},
        {"X-Request-Id: a b", false},
        {"X-Request-Id: <b>", false},
        {"X-Request-Id:", false},
    };
    int client = client_connect(*state);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char request[256];
        snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", CASES[i].sent);
        struct reply reply = client_ask(client, request);
        assert_int_equal(reply_has(&reply, CASES[i].sent), CASES[i].is_kept);
        const char *id = strcasestr(reply.head, "\r\nX-Request-Id: ");
        assert_non_null(id);
        assert_true(strcspn(id + 16, "\r") == (CASES[i].is_kept ? strlen(CASES[i].sent) - 14 : 36));
    }
    close(client);
}

/* --- slow and stalled clients --- */

static void replies_wait_for_a_slow_reader_within_bounds(void **state)
{
    struct test_server *server = *state;
    unsigned answered = server->answered_count;
    int client = client_connect(server);
    const int receive_bytes = 65536; /* or the kernel would take most of it */
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
    for (int i = 0; i < 40; i++) {
        client_send(client, GET("/big?1000000"));
    }
    client_send(client, "GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    usleep(100000);
    assert_true(server->answered_count - answered < 20); /* what the socket buffers hold, not all 40 */
    size_t bytes = read_to_the_end(client);
    assert_true(bytes > 40 * 1000000 && bytes < 40 * 1000400);
    assert_int_equal(server->answered_count - answered, 41);
    close(client);
}

static void a_large_reply_arrives_unharmed(void **state)
{
    int client = client_connect(*state);
    struct reply reply;
    client_send(client, GET("/big?3000000"));
    client_read_head(client, &reply);
    assert_true(reply_has(&reply, "Content-Length: 3000000"));
    static char bytes[65536];
    size_t at = 0;
    while (at < 3000000) {
        ssize_t count = recv(client, bytes, sizeof(bytes), 0);
        assert_true(count > 0);
        for (ssize_t i = 0; i < count; i++, at++) {
            assert_true(bytes[i] == (char)('a' + at % 26));
        }
    }
    close(client);
}

static void a_client_that_never_reads_is_dropped(void **state)
{
    (void)state;
    struct http_server_options options = default_options();
    options.write_timeout_ms = 100;
    struct test_server *server = server_start(options);
    int client = client_connect(server);
    client_send(client, GET("/big?60000000"));
    wait_for(&server->answered_count, 1);
    assert_true(read_to_the_end(client) < 60000000);
    close(client);
    server_stop(server);
}

static void a_request_that_trickles_is_refused(void **state)
{
    (void)state;
    struct http_server_options options = default_options();
    options.request_timeout_ms = 100;
    struct test_server *server = server_start(options);
    static const char *const BEGINNINGS[] = {"G", "GET / HTTP/1.1\r\nHost: a\r\n", POST("/", "5", "he")};
    for (size_t i = 0; i < 3; i++) {
        int client = client_connect(server);
        struct reply reply = client_ask(client, BEGINNINGS[i]);
        assert_int_equal(reply.status, 408);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_is_at_end(client));
        close(client);
    }
    server_stop(server);
}

static void only_idle_connections_are_closed_for_idleness(void **state)
{
    (void)state;
    struct http_server_options options = default_options();
    options.idle_timeout_ms = 100;
    options.request_timeout_ms = 100;
    struct test_server *server = server_start(options);
    int silent = client_connect(server);
    int idle = client_connect(server);
    int waiting = client_connect(server);
    client_send(waiting, GET("/hold"));
    assert_int_equal(client_ask(idle, GET("/a")).status, 200);
    assert_true(client_is_at_end(silent));
    assert_true(client_is_at_end(idle));
    assert_silent(waiting, 200);
    server_command(server, COMMAND_RELEASE);
    assert_echo(waiting, "GET /hold? ");
    close(silent);
    close(idle);
    close(waiting);
    server_stop(server);
}

/* --- too many --- */

static void connections_beyond_the_limit_are_told_so(void **state)
{
    (void)state;
    struct http_server_options options = default_options();
    options.connections_max = 2;
    struct test_server *server = server_start(options);
    int clients[2] = {client_connect(server), client_connect(server)};
    assert_int_equal(client_ask(clients[0], GET("/a")).status, 200);
    assert_int_equal(client_ask(clients[1], GET("/a")).status, 200);
    int third = client_connect(server);
    client_send(third, GET("/a"));
    assert_int_equal(client_read_reply(third).status, 503);
    assert_true(client_is_at_end(third));
    close(third);
    close(clients[0]);
    usleep(20000);
    third = client_connect(server);
    assert_int_equal(client_ask(third, GET("/a")).status, 200);
    close(third);
    close(clients[1]);
    server_stop(server);
}

static void running_out_of_descriptors_neither_stops_nor_spins_the_server(void **state)
{
    struct test_server *server = *state;
    int client = client_connect(server);
    assert_int_equal(client_ask(client, GET("/a")).status, 200);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(client);
    close(next);
    /* Exactly the client's own end fits, so the server has none for its end. */
    const struct rlimit tight = {.rlim_cur = (rlim_t)next + 1, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int shed = client_connect(server);
    assert_int_not_equal(client_read_byte(shed), 'H');
    clock_t cpu = clock();
    usleep(200000);
    assert_true((double)(clock() - cpu) / CLOCKS_PER_SEC < 0.1);
    assert_int_equal(client_ask(client, GET("/a")).status, 200);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(shed);
    shed = client_connect(server);
    assert_int_equal(client_ask(shed, GET("/a")).status, 200);
    close(shed);
    close(client);
}

/* --- drain and stop --- */

static void a_drain_answers_what_was_begun_and_closes_the_rest(void **state)
{
    (void)state;
    struct test_server *server = server_start(default_options());
    int idle = client_connect(server);
    int busy = client_connect(server);
    int sending = client_connect(server);
    assert_int_equal(client_ask(idle, GET("/a")).status, 200);
    client_send(busy, GET("/hold") GET("/hold"));
    client_send(sending, "POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    wait_for(&server->held_count, 2);
    usleep(20000);
    server_command(server, COMMAND_DRAIN);
    assert_true(client_is_at_end(idle));
    assert_false(server->drained);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof(address)), -1);
    close(late);

    server_command(server, COMMAND_RELEASE);
    struct reply reply = client_read_reply(busy);
    assert_false(reply_has(&reply, "Connection: close"));
    reply = client_read_reply(busy);
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(client_is_at_end(busy));
    assert_false(server->drained);

    client_send(sending, "cd" GET("/ignored"));
    reply = client_read_reply(sending);
    assert_string_equal(reply.body, "POST /s? abcd");
    assert_true(reply_has(&reply, "Connection: close"));
    assert_true(client_is_at_end(sending));
    close(idle);
    close(busy);
    close(sending);
    for (int i = 0; !server->drained; i++) {
        assert_true(i < CLIENT_WAIT_MS);
        usleep(1000);
    }
    server_stop(server);
}

static void a_drain_waits_for_requests_whose_client_has_gone(void **state)
{
    (void)state;
    struct test_server *server = server_start(default_options());
    int client = client_connect(server);
    client_send(client, GET("/hold"));
    wait_for(&server->held_count, 1);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(client);
    usleep(20000);
    server_command(server, COMMAND_DRAIN);
    usleep(20000);
    assert_false(server->drained);
    server_command(server, COMMAND_RELEASE);
    for (int i = 0; !server->drained; i++) {
        assert_true(i < CLIENT_WAIT_MS);
        usleep(1000);
    }
    server_stop(server);
}

static void a_server_may_be_freed_while_handlers_are_at_work(void **state)
{
    (void)state;
    struct test_server *server = server_start(default_options());
    int client = client_connect(server);
    client_send(client, GET("/hold") GET("/hold") "GET /par");
    wait_for(&server->held_count, 2);
    server_stop(server);
    assert_true(client_read_byte(client) < 0);
    close(client);
}

static void a_port_in_use_is_a_fault(void **state)
{
    const struct test_server *server = *state;
    struct http_server_options options = default_options();
    options.handle = handle_request;
    options.refuse = refuse_request;
    options.port = server->port;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct http_server *second = NULL;
    struct fault fault = {0};
    assert_false(http_server_start(&loop, &options, &second, &fault));
    assert_null(second);
    assert_int_equal(fault.kind, FAULT_UNAVAILABLE);
    assert_non_null(strstr(fault.detail, "address already in use"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void dates_are_imf_fixdate(void **state)
{
    (void)state;
    char line[HTTP_DATE_LINE_LENGTH + 1];
    reply_format_date(784111777, line); /* RFC 9110, 5.6.7 */
    assert_string_equal(line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

static int start(void **state)
{
    *state = server_start(default_options());
    return 0;
}

static int stop(void **state)
{
    server_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_kept_and_used_again),
        cmocka_unit_test(replies_keep_the_order_of_the_requests),
        cmocka_unit_test(no_more_than_the_pipeline_is_in_flight),
        cmocka_unit_test(requests_may_come_byte_by_byte),
        cmocka_unit_test(a_large_body_arrives_whole),
        cmocka_unit_test(head_and_no_content_have_no_body),
        cmocka_unit_test(an_upgrade_is_an_ordinary_request),
        cmocka_unit_test(a_client_that_expects_it_is_told_to_continue),
        cmocka_unit_test(continue_waits_for_the_replies_before_it),
        cmocka_unit_test(a_client_that_wants_to_close_is_closed_behind_its_reply),
        cmocka_unit_test(http_1_0_may_keep_its_connection),
        cmocka_unit_test(a_client_that_only_listens_still_gets_its_replies),
        cmocka_unit_test(a_request_that_ends_early_is_refused),
        cmocka_unit_test(a_refusal_waits_for_the_replies_before_it),
        cmocka_unit_test(a_client_that_hangs_up_does_not_take_its_request_along),
        cmocka_unit_test(a_decent_request_id_is_kept_and_others_are_replaced),
        cmocka_unit_test(replies_wait_for_a_slow_reader_within_bounds),
        cmocka_unit_test(a_large_reply_arrives_unharmed),
        cmocka_unit_test(a_client_that_never_reads_is_dropped),
        cmocka_unit_test(a_request_that_trickles_is_refused),
        cmocka_unit_test(only_idle_connections_are_closed_for_idleness),
        cmocka_unit_test(connections_beyond_the_limit_are_told_so),
        cmocka_unit_test(running_out_of_descriptors_neither_stops_nor_spins_the_server),
        cmocka_unit_test(a_drain_answers_what_was_begun_and_closes_the_rest),
        cmocka_unit_test(a_drain_waits_for_requests_whose_client_has_gone),
        cmocka_unit_test(a_server_may_be_freed_while_handlers_are_at_work),
        cmocka_unit_test(a_port_in_use_is_a_fault),
        cmocka_unit_test(dates_are_imf_fixdate),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
