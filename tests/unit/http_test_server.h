#ifndef HOLDFAST_TESTS_UNIT_HTTP_TEST_SERVER_H
#define HOLDFAST_TESTS_UNIT_HTTP_TEST_SERVER_H

/* A real server on a loop in a thread of its own, and a client of raw sockets. The handler's paths:
 *
 *   /later    answers after 20 ms         /hold   answers when the test says server_command(COMMAND_RELEASE)
 *   /empty    204                         /big    a taken body of ?bytes
 *   else      200, with "<method> <path>?<query> <body>"
 *
 * A test may bring a handler of its own (options.handle; the context is the test_server), and have functions called on
 * the loop's thread (server_call). */

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "http/server.h"

#define HELD_MAX 64
#define CLIENT_WAIT_MS 5000

enum command { COMMAND_RELEASE, COMMAND_DRAIN, COMMAND_STOP, COMMAND_CALL };

struct test_server {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;
    uv_sem_t command_done;
    atomic_int command; /* an enum command */
    void (*called)(struct test_server *server);
    void *test; /* a test's own */
    struct http_server *server;
    uint16_t port;
    struct http_request *held[HELD_MAX];
    atomic_uint held_count;
    atomic_uint answered_count;
    atomic_uint last_status;
    atomic_bool drained;
};

struct later {
    uv_timer_t timer;
    struct http_request *request;
};

static void reply_echo(struct http_request *request)
{
    struct buffer body;
    buffer_init(&body, 4 << 20);
    buffer_append_text(&body, request->method_name);
    buffer_append_char(&body, ' ');
    buffer_append_text(&body, request->path);
    buffer_append_char(&body, '?');
    buffer_append_text(&body, request->query);
    buffer_append_char(&body, ' ');
    buffer_append_text(&body, request->body);
    const struct http_header marker = {"X-Handler", TEXT_LITERAL("echo")};
    http_reply(request, 200, "text/plain", &marker, 1, buffer_text(&body));
    buffer_done(&body);
}

static void later_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void later_due(uv_timer_t *timer)
{
    struct later *later = timer->data;
    reply_echo(later->request);
    uv_close((uv_handle_t *)timer, later_closed);
}

static void reply_later(struct test_server *server, struct http_request *request)
{
    struct later *later = calloc(1, sizeof(*later));
    assert(later != NULL);
    later->request = request;
    uv_timer_init(&server->loop, &later->timer);
    later->timer.data = later;
    uv_timer_start(&later->timer, later_due, 20, 0);
}

static void reply_big(struct http_request *request)
{
    size_t bytes = strtoul(request->query.bytes, NULL, 10);
    struct buffer body;
    buffer_init(&body, bytes);
    char *room = buffer_reserve(&body, bytes);
    assert(room != NULL);
    for (size_t i = 0; i < bytes; i++) {
        room[i] = (char)('a' + i % 26);
    }
    body.length = bytes;
    http_reply_take(request, 200, "text/plain", NULL, 0, &body);
}

static void handle_request(struct http_request *request, void *context)
{
    struct test_server *server = context;
    if (text_equal_c(request->path, "/later")) {
        reply_later(server, request);
    } else if (text_equal_c(request->path, "/hold")) {
        assert(server->held_count < HELD_MAX);
        server->held[server->held_count] = request;
        server->held_count++;
    } else if (text_equal_c(request->path, "/empty")) {
        http_reply(request, 204, NULL, NULL, 0, TEXT_ABSENT);
    } else if (text_equal_c(request->path, "/big")) {
        reply_big(request);
    } else {
        reply_echo(request);
    }
}

static int refuse_request(enum http_refusal refusal, struct text request_id, const char *detail, struct buffer *body,
                          void *context)
{
    static const int STATUSES[] = {
        [HTTP_REFUSAL_BAD_REQUEST] = 400,        [HTTP_REFUSAL_TIMEOUT] = 408,
        [HTTP_REFUSAL_BODY_TOO_LARGE] = 413,     [HTTP_REFUSAL_URI_TOO_LONG] = 414,
        [HTTP_REFUSAL_EXPECTATION_FAILED] = 417, [HTTP_REFUSAL_HEADERS_TOO_LARGE] = 431,
        [HTTP_REFUSAL_NOT_IMPLEMENTED] = 501,    [HTTP_REFUSAL_TOO_MANY_CONNECTIONS] = 503,
        [HTTP_REFUSAL_OVERLOADED] = 503,         [HTTP_REFUSAL_VERSION] = 505,
    };
    (void)context;
    assert(request_id.length > 0);
    buffer_append_format(body, "{\"detail\":\"%s\"}", detail);
    return STATUSES[refusal];
}

static void count_answer(const struct http_request *request, int status, size_t body_bytes, void *context)
{
    struct test_server *server = context;
    (void)request;
    (void)body_bytes;
    server->last_status = (unsigned)status;
    server->answered_count++;
}

static void note_drained(void *context)
{
    ((struct test_server *)context)->drained = true;
}

static void release_held(struct test_server *server)
{
    for (unsigned i = server->held_count; i > 0; i--) {
        reply_echo(server->held[i - 1]); /* the last first: order is the server's business */
    }
    server->held_count = 0;
}

static void obey(uv_async_t *wake)
{
    struct test_server *server = wake->data;
    switch ((enum command)server->command) {
    case COMMAND_CALL:
        server->called(server);
        break;
    case COMMAND_RELEASE:
        release_held(server);
        break;
    case COMMAND_DRAIN:
        http_server_drain(server->server, note_drained, server);
        break;
    case COMMAND_STOP:
        http_server_free(server->server);
        release_held(server); /* a handler may well be slower than that */
        uv_close((uv_handle_t *)wake, NULL);
        break;
    }
    uv_sem_post(&server->command_done);
}

static void run_loop(void *argument)
{
    uv_run(&((struct test_server *)argument)->loop, UV_RUN_DEFAULT);
}

static inline void server_command(struct test_server *server, enum command command)
{
    server->command = (int)command;
    uv_async_send(&server->wake);
    uv_sem_wait(&server->command_done);
}

static inline void server_call(struct test_server *server, void (*called)(struct test_server *server))
{
    server->called = called;
    server_command(server, COMMAND_CALL);
}

static inline struct http_server_options default_options(void)
{
    return (struct http_server_options){
        .host = "127.0.0.1",
        .connections_max = 100,
        .header_bytes_max = 16384,
        .body_bytes_max = 65536,
        .buffered_bytes_max = 64 << 20,
        .pipeline_max = 8,
        .idle_timeout_ms = 60000,
        .request_timeout_ms = 60000,
        .write_timeout_ms = 60000,
    };
}

static inline struct test_server *server_start(struct http_server_options options)
{
    struct test_server *server = calloc(1, sizeof(*server));
    assert_non_null(server);
    options.handle = options.handle == NULL ? handle_request : options.handle;
    options.refuse = refuse_request;
    options.answered = count_answer;
    options.context = server;
    struct fault fault;
    assert_int_equal(uv_loop_init(&server->loop), 0);
    assert_int_equal(uv_async_init(&server->loop, &server->wake, obey), 0);
    server->wake.data = server;
    assert_int_equal(uv_sem_init(&server->command_done, 0), 0);
    assert_true(http_server_start(&server->loop, &options, &server->server, &fault));
    server->port = http_server_port(server->server);
    assert_int_equal(uv_thread_create(&server->thread, run_loop, server), 0);
    return server;
}

static inline void server_stop(struct test_server *server)
{
    server_command(server, COMMAND_STOP);
    uv_thread_join(&server->thread);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    uv_sem_destroy(&server->command_done);
    free(server);
}

/* Waits until *value is at least `expected`. */
static inline void wait_for(const atomic_uint *value, unsigned expected)
{
    for (int i = 0; *value < expected; i++) {
        assert_true(i < CLIENT_WAIT_MS);
        usleep(1000);
    }
}

/* --- the client --- */

static inline int client_connect(const struct test_server *server)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

/* Gives up without complaint where the server has closed: what it answered is what counts. */
static inline void client_send_bytes(int client, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(client, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
}

static inline void client_send(int client, const char *request)
{
    client_send_bytes(client, request, strlen(request));
}

/* One byte or fewer at a time, so that nothing behind a reply is taken by mistake; -1 at the end, -2 on an error. */
static inline int client_read_byte(int client)
{
    struct pollfd readable = {.fd = client, .events = POLLIN};
    if (poll(&readable, 1, CLIENT_WAIT_MS) != 1) {
        return -2;
    }
    unsigned char byte;
    ssize_t count = recv(client, &byte, 1, 0);
    return count == 1 ? byte : count == 0 ? -1 : -2;
}

static inline bool client_is_at_end(int client)
{
    return client_read_byte(client) == -1;
}

struct reply {
    int status;
    char head[4096];
    char body[8192];
    size_t body_length;
};

static inline bool reply_has(const struct reply *reply, const char *header_line)
{
    char line[256];
    snprintf(line, sizeof(line), "\r\n%s\r\n", header_line);
    return strcasestr(reply->head, line) != NULL;
}

static inline void client_read_head(int client, struct reply *ret_reply)
{
    memset(ret_reply, 0, sizeof(*ret_reply));
    size_t length = 0;
    while (length < 4 || memcmp(ret_reply->head + length - 4, "\r\n\r\n", 4) != 0) {
        int byte = client_read_byte(client);
        assert_true(byte >= 0);
        assert_true(length + 1 < sizeof(ret_reply->head));
        ret_reply->head[length++] = (char)byte;
    }
    assert_memory_equal(ret_reply->head, "HTTP/1.1 ", 9);
    ret_reply->status = (int)strtol(ret_reply->head + 9, NULL, 10);
}

static inline struct reply client_read_reply(int client)
{
    struct reply reply;
    client_read_head(client, &reply);
    const char *length = strcasestr(reply.head, "\r\nContent-Length: ");
    reply.body_length = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
    assert_true(reply.body_length < sizeof(reply.body));
    for (size_t i = 0; i < reply.body_length; i++) {
        int byte = client_read_byte(client);
        assert_true(byte >= 0);
        reply.body[i] = (char)byte;
    }
    return reply;
}

/* Sends one request and reads its reply, on a connection that stays open. */
static inline struct reply client_ask(int client, const char *request)
{
    client_send(client, request);
    return client_read_reply(client);
}

#endif
