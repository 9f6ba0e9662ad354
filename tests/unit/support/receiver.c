#include "receiver.h"

#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

#define VISITS_MAX 64

struct receiver {
    /* Immutable. */
    void (*serve)(struct visit *visit);
    SSL_CTX *tls;
    int listener;
    uint16_t port;
    pthread_t thread;

    pthread_mutex_t mutex;
    /* Guarded by mutex. */
    char last_request[REQUEST_BYTES_MAX];
    size_t last_request_length;

    /* The accepting thread's, and after it has ended the stopper's. */
    struct seat {
        struct visit visit;
        pthread_t thread;
        bool is_over; /* its socket is closed; guarded by mutex */
    } seats[VISITS_MAX];

    atomic_uint visits;
    atomic_uint over;
    atomic_uint requests;
    _Atomic uint64_t bytes_sent;
};

/* ---- A connection ---- */

static void *serve_seat(void *argument)
{
    struct seat *seat = argument;
    struct visit *visit = &seat->visit;
    struct receiver *receiver = visit->receiver;
    bool is_open = true;
    if (receiver->tls != NULL) {
        visit->tls = SSL_new(receiver->tls);
        SSL_set_fd(visit->tls, visit->socket);
        is_open = SSL_accept(visit->tls) == 1;
    }
    if (is_open) {
        receiver->serve(visit);
    }
    SSL_free(visit->tls);
    pthread_mutex_lock(&receiver->mutex);
    close(visit->socket);
    seat->is_over = true;
    pthread_mutex_unlock(&receiver->mutex);
    receiver->over++;
    return NULL;
}

static ssize_t visit_read(struct visit *visit, char *bytes, size_t length)
{
    return visit->tls == NULL ? recv(visit->socket, bytes, length, 0) : SSL_read(visit->tls, bytes, (int)length);
}

bool visit_read_request(struct visit *visit)
{
    struct receiver *receiver = visit->receiver;
    char bytes[REQUEST_BYTES_MAX + 1];
    size_t length = 0;
    size_t wanted = SIZE_MAX;
    while (length < wanted) {
        /* Nothing of the next request comes before this one's answer. */
        ssize_t count = visit_read(visit, bytes + length, REQUEST_BYTES_MAX - length);
        if (count <= 0) {
            return false;
        }
        length += (size_t)count;
        bytes[length] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n");
        if (end != NULL && wanted == SIZE_MAX) {
            const char *body_length = strcasestr(bytes, "\r\nContent-Length: ");
            wanted = (size_t)(end + 4 - bytes) + (body_length == NULL ? 0 : strtoul(body_length + 18, NULL, 10));
        }
    }
    pthread_mutex_lock(&receiver->mutex);
    memcpy(receiver->last_request, bytes, length);
    receiver->last_request_length = length;
    pthread_mutex_unlock(&receiver->mutex);
    receiver->requests++;
    return true;
}

bool visit_write(struct visit *visit, const void *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = visit->tls == NULL ? send(visit->socket, bytes, length, MSG_NOSIGNAL)
                                           : SSL_write(visit->tls, bytes, (int)length);
        if (count <= 0) {
            return false;
        }
        bytes = (const char *)bytes + count;
        length -= (size_t)count;
        visit->receiver->bytes_sent += (uint64_t)count;
    }
    return true;
}

bool visit_say(struct visit *visit, const char *text)
{
    return visit_write(visit, text, strlen(text));
}

void visit_linger(struct visit *visit)
{
    char bytes[1024];
    while (recv(visit->socket, bytes, sizeof(bytes), 0) > 0) {}
}

void visit_reset(struct visit *visit)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(visit->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* ---- The receiver ---- */

static void *accept_all(void *argument)
{
    struct receiver *receiver = argument;
    for (;;) {
        int socket = accept(receiver->listener, NULL, NULL);
        if (socket < 0) {
            return NULL;
        }
        unsigned number = receiver->visits;
        assert(number < VISITS_MAX);
        struct seat *seat = &receiver->seats[number];
        seat->visit = (struct visit){.receiver = receiver, .socket = socket};
        receiver->visits++;
        pthread_create(&seat->thread, NULL, serve_seat, seat);
    }
}

struct receiver *receiver_start(void (*serve)(struct visit *visit), SSL_CTX *tls)
{
    struct receiver *receiver = memory_zalloc(1, sizeof(*receiver));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    receiver->serve = serve;
    receiver->tls = tls;
    receiver->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_mutex_init(&receiver->mutex, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes as it does */
    bool is_listening = bind(receiver->listener, (struct sockaddr *)&address, size) == 0 &&
                        listen(receiver->listener, VISITS_MAX) == 0 &&
                        getsockname(receiver->listener, (struct sockaddr *)&address, &size) == 0;
    assert(is_listening);
    receiver->port = ntohs(address.sin_port);
    pthread_create(&receiver->thread, NULL, accept_all, receiver);
    return receiver;
}

void receiver_stop(struct receiver *receiver)
{
    shutdown(receiver->listener, SHUT_RDWR);
    pthread_join(receiver->thread, NULL);
    close(receiver->listener);
    for (unsigned i = 0; i < receiver->visits; i++) {
        struct seat *seat = &receiver->seats[i];
        pthread_mutex_lock(&receiver->mutex);
        if (!seat->is_over) {
            shutdown(seat->visit.socket, SHUT_RDWR);
        }
        pthread_mutex_unlock(&receiver->mutex);
        pthread_join(seat->thread, NULL);
    }
    pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
}

uint16_t receiver_port(const struct receiver *receiver)
{
    return receiver->port;
}

unsigned receiver_visits(const struct receiver *receiver)
{
    return receiver->visits;
}

unsigned receiver_requests(const struct receiver *receiver)
{
    return receiver->requests;
}

uint64_t receiver_bytes_sent(const struct receiver *receiver)
{
    return receiver->bytes_sent;
}

void receiver_wait_over(const struct receiver *receiver, unsigned visits)
{
    for (int i = 0; receiver->over < visits; i++) {
        assert_true(i < PATIENCE_MS);
        (void)usleep(1000);
    }
}

struct text receiver_last_request(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    struct text request = {receiver->last_request, receiver->last_request_length};
    pthread_mutex_unlock(&receiver->mutex);
    return request;
}

const char *receiver_url_of(const struct receiver *receiver, const char *scheme, const char *host)
{
    static char url[128];
    (void)snprintf(url, sizeof(url), "%s://%s:%u/hook", scheme, host, (unsigned)receiver->port);
    return url;
}

const char *receiver_url(const struct receiver *receiver)
{
    return receiver_url_of(receiver, "http", "127.0.0.1");
}

/* ---- The client ---- */

struct http_client_options client_options(void)
{
    return (struct http_client_options){
        .allow_private = true,
        .allow_http = true,
        .connect_timeout_ms = PATIENCE_MS,
        .total_timeout_ms = PATIENCE_MS,
        .response_bytes_max = ANSWER_BYTES_MAX,
        .excerpt_bytes_max = EXCERPT_BYTES_MAX,
        .concurrency_max = 8,
        .user_agent = "holdfast-test/1",
    };
}

struct http_client *client_new(struct http_client_options options)
{
    struct http_client *client = NULL;
    struct fault fault;
    bool is_new = http_client_new(&options, &client, &fault);
    assert_true(is_new);
    return client;
}

static void note_answer(void *context, const struct http_client_result *result)
{
    struct answer *answer = context;
    assert_false(answer->has_come); /* once */
    assert_true(result->body_excerpt.length <= EXCERPT_BYTES_MAX);
    *answer = (struct answer){
        .has_come = true,
        .outcome = result->outcome,
        .has_error = result->error != NULL,
        .status = result->status,
        .duration_ms = result->duration_ms,
        .retry_after_ms = result->retry_after_ms,
        .body_was_cut = result->body_was_cut,
    };
    memcpy(answer->excerpt, result->body_excerpt.bytes, result->body_excerpt.length);
}

struct http_transfer *client_begin(struct http_client *client, const char *url, struct answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    return http_client_post(client, &(struct http_client_request){.url = url, .done = note_answer, .context = answer});
}

void client_wait(struct http_client *client, const struct answer *answer)
{
    int64_t begin_us = clock_monotonic_us();
    while (!answer->has_come) {
        assert_true(clock_monotonic_us() - begin_us < PATIENCE_MS * INT64_C(1000));
        (void)http_client_run(client, -1, 1000);
    }
}

struct answer client_ask(struct http_client *client, const char *url)
{
    struct answer answer;
    assert_non_null(client_begin(client, url, &answer));
    client_wait(client, &answer);
    return answer;
}

void assert_outcome(const struct answer *answer, enum http_client_outcome outcome)
{
    assert_string_equal(http_client_outcome_name(answer->outcome), http_client_outcome_name(outcome));
    assert_int_equal(answer->has_error, outcome != HTTP_CLIENT_ANSWERED);
}
