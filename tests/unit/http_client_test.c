#include "cmocka_all.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "http/client.h"
#include "support/receiver.h"

#define SHORT_MS 200
#define SHORT_MS_MIN (SHORT_MS - 5) /* libcurl counts for itself */

static const char OK_ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/* One exchange with a receiver of its own. */
static struct answer exchange(void (*serve)(struct visit *visit), struct http_client_options options)
{
    struct receiver *receiver = receiver_start(serve, NULL);
    struct http_client *client = client_new(options);
    struct answer answer = client_ask(client, receiver_url(receiver));
    http_client_free(client);
    receiver_stop(receiver);
    return answer;
}

/* What a receiver says to whatever it is sent. */
static const char *said;

static void say_it(struct visit *visit)
{
    if (visit_read_request(visit)) {
        (void)visit_say(visit, said);
    }
}

static struct answer exchange_saying(const char *bytes)
{
    said = bytes;
    return exchange(say_it, client_options());
}

static void serve_ok(struct visit *visit)
{
    while (visit_read_request(visit) && visit_say(visit, OK_ANSWER)) {}
}

/* Until the test lets them go. */
static _Atomic bool is_released;

static void serve_when_released(struct visit *visit)
{
    while (visit_read_request(visit)) {
        while (!is_released) {
            (void)usleep(1000);
        }
        (void)visit_say(visit, OK_ANSWER);
    }
}

static void serve_nothing(struct visit *visit)
{
    visit_linger(visit);
}

/* ---- Answers ---- */

static void an_answer_has_its_status_and_the_start_of_its_body(void **state)
{
    (void)state;
    struct answer answer = exchange_saying("HTTP/1.1 418 I'm a teapot\r\nContent-Length: 15\r\n\r\nshort and stout");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(answer.status, 418);
    assert_string_equal(answer.excerpt, "short and stout");
    assert_false(answer.body_was_cut);
    assert_int_equal(answer.retry_after_ms, 0);
    assert_in_range(answer.duration_ms, 0, PATIENCE_MS);
}

static void an_answer_may_have_no_body_or_come_in_chunks_or_end_with_its_connection(void **state)
{
    (void)state;
    struct answer answer = exchange_saying("HTTP/1.1 204 No Content\r\n\r\n");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer.excerpt, "");
    answer = exchange_saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n4\r\n, it\r\n0\r\n\r\n");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_string_equal(answer.excerpt, "yes, it");
    answer = exchange_saying("HTTP/1.0 503 Busy\r\n\r\nlater");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer.excerpt, "later");
}

static void a_long_body_is_read_on_behind_its_excerpt_and_not_called_cut(void **state)
{
    (void)state;
    char bytes[200 + ANSWER_BYTES_MAX];
    int head = snprintf(bytes, sizeof(bytes), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", ANSWER_BYTES_MAX);
    memset(bytes + head, 'x', ANSWER_BYTES_MAX);
    bytes[head + ANSWER_BYTES_MAX] = '\0';
    struct answer answer = exchange_saying(bytes);
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(strlen(answer.excerpt), EXCERPT_BYTES_MAX);
    assert_false(answer.body_was_cut);
}

#define FLOOD_BYTES (100 << 20)

static void flood(struct visit *visit)
{
    static const char bytes[64 * 1024] = {0};
    bool is_open = visit_read_request(visit) && visit_say(visit, said);
    for (size_t sent = 0; is_open && sent < FLOOD_BYTES; sent += sizeof(bytes)) {
        is_open = visit_write(visit, bytes, sizeof(bytes));
    }
}

static void a_body_beyond_its_bound_is_cut_and_its_connection_closed(void **state)
{
    (void)state;
    static const char *const heads[] = {"HTTP/1.1 202 Accepted\r\nContent-Length: 104857600\r\n\r\n",
                                        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n",
                                        "HTTP/1.1 202 Accepted\r\n\r\n"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        said = heads[i];
        struct receiver *receiver = receiver_start(flood, NULL);
        struct http_client *client = client_new(client_options());
        struct answer answer = client_ask(client, receiver_url(receiver));
        assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
        assert_int_equal(answer.status, 202);
        assert_true(answer.body_was_cut);
        assert_int_equal(answer.excerpt[0], '?');
        receiver_wait_over(receiver, 1); /* though the client lives on */
        assert_in_range(receiver_bytes_sent(receiver), ANSWER_BYTES_MAX, FLOOD_BYTES / 2); /* sockets buffer some */
        http_client_free(client);
        receiver_stop(receiver);
    }
}

static void an_excerpt_is_utf8_that_can_be_shown(void **state)
{
    (void)state;
    struct answer answer =
        exchange_saying("HTTP/1.1 500 Oh\r\n\r\na\tb\nc\r\x01\x7f z\xc3\xbc\xe6\xb0\xb4\xf0\x9f\x90\x9f "
                        "\xff\xc3(\xed\xa0\x80 \xc2\x85 \xe6\xb0");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_string_equal(answer.excerpt, "a\tb\nc??? z\xc3\xbc\xe6\xb0\xb4\xf0\x9f\x90\x9f ??"
                                        "(??? ?? ??");
}

static void an_excerpt_that_ends_within_a_character_loses_that_one_only(void **state)
{
    (void)state;
    char bytes[256] = "HTTP/1.1 500 Oh\r\n\r\n.";
    for (size_t i = 0; i < EXCERPT_BYTES_MAX / 2; i++) {
        strcat(bytes, "\xc3\xa9");
    }
    struct answer answer = exchange_saying(bytes);
    assert_int_equal(strlen(answer.excerpt), EXCERPT_BYTES_MAX);
    assert_memory_equal(answer.excerpt, ".\xc3\xa9\xc3\xa9", 5);
    assert_string_equal(answer.excerpt + EXCERPT_BYTES_MAX - 3, "\xc3\xa9?");
}

static int64_t retry_after_ms(const char *value)
{
    char bytes[256];
    (void)snprintf(bytes, sizeof(bytes), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nretry-AFTER: %s\r\n\r\n", value);
    return exchange_saying(bytes).retry_after_ms;
}

static void retry_after_is_read_as_seconds_or_as_a_date(void **state)
{
    (void)state;
    static const char *const nothing[] = {
        "", "0", "-5", "soon", "5s", "1e9", "0x10", "Sat, 06 Nov 1994 08:49:37 GMT", "99999999999999999999"};
    char date[64];
    time_t in_two_minutes = time(NULL) + 120;
    struct tm parts;
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&in_two_minutes, &parts));
    assert_in_range(retry_after_ms(date), 120000 - PATIENCE_MS, 120000);
    assert_int_equal(retry_after_ms("120"), 120000);
    assert_int_equal(retry_after_ms("  7 \t"), 7000);
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_int_equal(retry_after_ms(nothing[i]), 0);
    }
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
    (void)state;
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct receiver *receiver = receiver_start(say_it, NULL);
        struct http_client *client = client_new(client_options());
        char bytes[256];
        (void)snprintf(bytes, sizeof(bytes), "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                       statuses[i], receiver_url(receiver));
        said = bytes;
        struct answer answer = client_ask(client, receiver_url(receiver));
        assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
        assert_int_equal(answer.status, statuses[i]);
        http_client_free(client);
        assert_int_equal(receiver_visits(receiver), 1);
        receiver_stop(receiver);
    }
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    struct answer answer =
        exchange_saying("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(answer.status, 200);
}

/* ---- No answer ---- */

static void nobody_at_the_port_is_a_failure_to_connect(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    char url[128];
    (void)snprintf(url, sizeof(url), "%s", receiver_url(receiver));
    receiver_stop(receiver);
    struct http_client *client = client_new(client_options());
    struct answer answer = client_ask(client, url);
    assert_outcome(&answer, HTTP_CLIENT_CONNECT_FAILED);
    assert_int_equal(answer.status, 0);
    http_client_free(client);
}

static void a_receiver_that_never_answers_times_out(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    options.total_timeout_ms = SHORT_MS;
    struct answer answer = exchange(serve_nothing, options);
    assert_outcome(&answer, HTTP_CLIENT_TIMED_OUT);
    assert_int_equal(answer.status, 0);
    assert_in_range(answer.duration_ms, SHORT_MS_MIN, PATIENCE_MS / 2);
}

static void a_handshake_that_gets_no_answer_is_ended_by_the_timeout_of_connecting(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    options.connect_timeout_ms = SHORT_MS;
    struct receiver *receiver = receiver_start(serve_nothing, NULL);
    struct http_client *client = client_new(options);
    struct answer answer = client_ask(client, receiver_url_of(receiver, "https", "127.0.0.1"));
    assert_outcome(&answer, HTTP_CLIENT_TIMED_OUT);
    assert_in_range(answer.duration_ms, SHORT_MS_MIN, PATIENCE_MS / 2);
    http_client_free(client);
    receiver_stop(receiver);
}

static void trickle(struct visit *visit)
{
    bool is_open = visit_read_request(visit);
    for (const char *at = said; is_open && *at != '\0'; at++) {
        is_open = visit_write(visit, at, 1);
    }
    while (is_open) {
        (void)usleep(5000);
        is_open = visit_say(visit, ".");
    }
}

static void an_answer_that_trickles_in_is_ended_by_the_total_timeout(void **state)
{
    (void)state;
    static const char *const starts[] = {"HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 OK\r\n\r\nabc"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct http_client_options options = client_options();
        options.total_timeout_ms = SHORT_MS;
        said = starts[i];
        struct receiver *receiver = receiver_start(trickle, NULL);
        struct http_client *client = client_new(options);
        struct answer answer = client_ask(client, receiver_url(receiver));
        assert_outcome(&answer, HTTP_CLIENT_TIMED_OUT);
        receiver_wait_over(receiver, 1);
        http_client_free(client);
        receiver_stop(receiver);
    }
}

static void reset_after_saying_it(struct visit *visit)
{
    if (visit_read_request(visit)) {
        (void)visit_say(visit, said);
        visit_reset(visit);
    }
}

static void a_connection_that_ends_before_the_answer_is_whole_is_called_lost(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int status; /* the one that was seen last */
        const char *excerpt;
    } halves[] = {
        {"", 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Le", 200, ""},
        {"HTTP/1.1 102 Processing\r\n\r\n", 102, ""},
        {"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n", 200, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 200, "half"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf", 200, "half"},
    };
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        struct answer answer = exchange_saying(halves[i].bytes);
        assert_outcome(&answer, HTTP_CLIENT_CONNECTION_LOST);
        assert_int_equal(answer.status, halves[i].status);
        assert_string_equal(answer.excerpt, halves[i].excerpt);
        answer = exchange(reset_after_saying_it, client_options());
        assert_outcome(&answer, HTTP_CLIENT_CONNECTION_LOST);
    }
}

static void what_is_not_http_is_called_malformed(void **state)
{
    (void)state;
    static const char *const others[] = {"SSH-2.0-OpenSSH_9.2\r\n",
                                         "220 mail.example ESMTP\r\n",
                                         "<html>it works</html>",
                                         "HTTP/7.3 200 OK\r\n\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                                         "\r\n\r\n\r\n"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct answer answer = exchange_saying(others[i]);
        assert_outcome(&answer, HTTP_CLIENT_ANSWER_MALFORMED);
    }
}

static void repeat(struct visit *visit)
{
    bool is_open = visit_read_request(visit) && visit_say(visit, "HTTP/1.1 100 Continue\r\n");
    while (is_open) {
        is_open = visit_say(visit, said);
    }
}

static void a_head_without_end_is_called_malformed(void **state)
{
    (void)state;
    static const char *const repeated[] = {"X-More: and more\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                           "\r\nHTTP/1.1 100 Continue\r\n"};
    for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
        said = repeated[i];
        struct answer answer = exchange(repeat, client_options());
        assert_outcome(&answer, HTTP_CLIENT_ANSWER_MALFORMED);
    }
}

/* ---- Requests ---- */

static struct text body_behind(struct text request)
{
    const char *end = memmem(request.bytes, request.length, "\r\n\r\n", 4);
    assert_non_null(end);
    size_t head = (size_t)(end + 4 - request.bytes);
    return (struct text){request.bytes + head, request.length - head};
}

static void assert_line(struct text request, const char *line, bool is_there)
{
    char wanted[256];
    int length = snprintf(wanted, sizeof(wanted), "\r\n%s", line);
    struct text body = body_behind(request);
    size_t head = request.length - body.length;
    assert_int_equal(memmem(request.bytes, head, wanted, (size_t)length) != NULL, is_there);
}

static void note_only(void *context, const struct http_client_result *result)
{
    struct answer *answer = context;
    answer->has_come = true;
    answer->outcome = result->outcome;
    answer->has_error = result->error != NULL;
}

static void headers_and_body_arrive_as_they_were_given(void **state)
{
    (void)state;
    static const char body[] = "{\"name\":\"\xc3\xa9t\xc3\xa9\"}\0\r\n\xff";
    const struct http_header headers[] = {{"Content-Type", TEXT_LITERAL("application/json")},
                                          {"webhook-id", TEXT_LITERAL("evt_1:2.3")},
                                          {"Webhook-Signature", TEXT_LITERAL("v1,abc= v1,d/e+f=")}};
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(client_options());
    struct answer answer = {.has_come = false};
    char url[256];
    char host[64];
    (void)snprintf(url, sizeof(url), "%s/a%%20b?x=1&y=%%2F;z", receiver_url(receiver));
    (void)snprintf(host, sizeof(host), "Host: 127.0.0.1:%u\r\n", (unsigned)receiver_port(receiver));
    struct http_client_request request = {.url = url,
                                          .headers = headers,
                                          .header_count = 3,
                                          .body = {body, sizeof(body) - 1},
                                          .done = note_only,
                                          .context = &answer};
    assert_non_null(http_client_post(client, &request));
    memset(url, 'x', sizeof(url)); /* it was copied */
    client_wait(client, &answer);
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    struct text got = receiver_last_request(receiver);
    assert_memory_equal(got.bytes, "POST /hook/a%20b?x=1&y=%2F;z HTTP/1.1\r\n", 39);
    assert_line(got, "Content-Type: application/json\r\n", true);
    assert_line(got, "webhook-id: evt_1:2.3\r\n", true);
    assert_line(got, "Webhook-Signature: v1,abc= v1,d/e+f=\r\n", true);
    assert_line(got, "User-Agent: holdfast-test/1\r\n", true);
    assert_line(got, "Content-Length: 20\r\n", true);
    assert_line(got, host, true);
    assert_line(got, "Expect:", false);
    assert_line(got, "Accept-Encoding:", false);
    assert_line(got, "Cookie:", false);
    assert_int_equal(body_behind(got).length, sizeof(body) - 1);
    assert_memory_equal(body_behind(got).bytes, body, sizeof(body) - 1);
    http_client_free(client);
    receiver_stop(receiver);
}

static void an_empty_body_is_sent_as_such(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(client_options());
    struct answer answer = client_ask(client, receiver_url(receiver));
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_line(receiver_last_request(receiver), "Content-Length: 0\r\n", true);
    http_client_free(client);
    receiver_stop(receiver);
}

static void what_the_environment_says_of_proxies_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    struct answer answer = exchange(serve_ok, client_options());
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

/* ---- Many at once ---- */

static void no_more_transfers_begin_than_are_allowed_at_once(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct answer answers[3];
    options.concurrency_max = 2;
    is_released = false;
    struct receiver *receiver = receiver_start(serve_when_released, NULL);
    struct http_client *client = client_new(options);
    assert_int_equal(http_client_room(client), 2);
    assert_non_null(client_begin(client, receiver_url(receiver), &answers[0]));
    assert_int_equal(http_client_room(client), 1);
    assert_non_null(client_begin(client, receiver_url(receiver), &answers[1]));
    assert_int_equal(http_client_room(client), 0);
    assert_null(client_begin(client, receiver_url(receiver), &answers[2]));
    is_released = true;
    client_wait(client, &answers[0]);
    client_wait(client, &answers[1]);
    assert_int_equal(http_client_room(client), 2);
    answers[2] = client_ask(client, receiver_url(receiver));
    for (size_t i = 0; i < 3; i++) {
        assert_outcome(&answers[i], HTTP_CLIENT_ANSWERED);
    }
    http_client_free(client);
    receiver_stop(receiver);
}

static void connections_are_used_again(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(client_options());
    for (unsigned i = 1; i <= 5; i++) {
        struct answer answer = client_ask(client, receiver_url(receiver));
        assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
        assert_int_equal(receiver_requests(receiver), i);
    }
    assert_int_equal(receiver_visits(receiver), 1);
    http_client_free(client);
    receiver_wait_over(receiver, 1);
    receiver_stop(receiver);
}

static void serve_one(struct visit *visit)
{
    if (visit_read_request(visit)) {
        (void)visit_say(visit, OK_ANSWER);
    }
}

static void a_connection_that_the_receiver_closed_is_made_anew(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_start(serve_one, NULL);
    struct http_client *client = client_new(client_options());
    for (unsigned i = 1; i <= 3; i++) {
        struct answer answer = client_ask(client, receiver_url(receiver));
        assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
        receiver_wait_over(receiver, i);
    }
    assert_int_equal(receiver_visits(receiver), 3);
    http_client_free(client);
    receiver_stop(receiver);
}

static void a_cancelled_transfer_is_never_told_of_and_its_connection_closed(void **state)
{
    (void)state;
    struct answer cancelled;
    struct answer other;
    struct receiver *mute = receiver_start(serve_nothing, NULL);
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(client_options());
    struct http_transfer *transfer = client_begin(client, receiver_url(mute), &cancelled);
    while (receiver_visits(mute) == 0) {
        (void)http_client_run(client, -1, 10);
    }
    assert_non_null(client_begin(client, receiver_url(receiver), &other));
    http_client_cancel(client, transfer);
    assert_int_equal(http_client_room(client), client_options().concurrency_max - 1);
    receiver_wait_over(mute, 1);
    client_wait(client, &other);
    assert_outcome(&other, HTTP_CLIENT_ANSWERED);
    assert_false(cancelled.has_come);
    http_client_free(client);
    receiver_stop(receiver);
    receiver_stop(mute);
}

static void freeing_the_client_cancels_what_is_under_way(void **state)
{
    (void)state;
    struct answer answers[3];
    struct receiver *mute = receiver_start(serve_nothing, NULL);
    struct http_client *client = client_new(client_options());
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(client_begin(client, receiver_url(mute), &answers[i]));
    }
    while (receiver_visits(mute) < 3) {
        (void)http_client_run(client, -1, 10);
    }
    http_client_free(client);
    receiver_wait_over(mute, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(answers[i].has_come);
    }
    receiver_stop(mute);
}

/* Told of one end: begins another transfer, and cancels a third. */
struct chain {
    struct http_client *client;
    const char *url;
    struct http_transfer *victim;
    struct answer next;
    bool has_come;
};

static void go_on(void *context, const struct http_client_result *result)
{
    struct chain *chain = context;
    assert_int_equal(result->outcome, HTTP_CLIENT_ANSWERED);
    chain->has_come = true;
    http_client_cancel(chain->client, chain->victim);
    assert_non_null(client_begin(chain->client, chain->url, &chain->next));
    assert_true(text_equal_c(result->body_excerpt, "ok")); /* still there */
}

static void who_is_told_of_an_answer_may_post_and_cancel_others(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct answer cancelled;
    options.concurrency_max = 2;
    struct receiver *mute = receiver_start(serve_nothing, NULL);
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(options);
    struct chain chain = {.client = client};
    chain.victim = client_begin(client, receiver_url(mute), &cancelled);
    chain.url = receiver_url(receiver);
    assert_non_null(
        http_client_post(client, &(struct http_client_request){.url = chain.url, .done = go_on, .context = &chain}));
    client_wait(client, &chain.next);
    assert_true(chain.has_come);
    assert_outcome(&chain.next, HTTP_CLIENT_ANSWERED);
    assert_false(cancelled.has_come);
    assert_int_equal(http_client_room(client), 2);
    http_client_free(client);
    receiver_stop(receiver);
    receiver_stop(mute);
}

/* ---- Waiting ---- */

static void *wake_soon(void *argument)
{
    (void)usleep(20000);
    http_client_wake(argument);
    return NULL;
}

static void another_thread_ends_the_wait(void **state)
{
    (void)state;
    pthread_t thread;
    struct http_client *client = client_new(client_options());
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, client), 0);
    assert_false(http_client_run(client, -1, -1));
    pthread_join(thread, NULL);
    http_client_wake(client); /* before the run: it counts, too, and once */
    http_client_wake(client);
    assert_false(http_client_run(client, -1, -1));
    int64_t begin_us = clock_monotonic_us();
    assert_false(http_client_run(client, -1, 50));
    assert_true(clock_monotonic_us() - begin_us >= 50000);
    http_client_free(client);
}

static void a_run_ends_in_time_and_never_early(void **state)
{
    (void)state;
    struct answer answer;
    struct receiver *mute = receiver_start(serve_nothing, NULL);
    struct http_client *client = client_new(client_options());
    for (int is_busy = 0; is_busy < 2; is_busy++) {
        for (int64_t wait_ms = 0; wait_ms < 30; wait_ms += 7) {
            int64_t begin_us = clock_monotonic_us();
            assert_false(http_client_run(client, -1, wait_ms));
            assert_in_range(clock_monotonic_us() - begin_us, wait_ms * 1000, PATIENCE_MS * 1000 / 2);
        }
        assert_non_null(client_begin(client, receiver_url(mute), &answer));
    }
    http_client_free(client);
    receiver_stop(mute);
}

static void a_descriptor_that_can_be_read_ends_the_wait(void **state)
{
    (void)state;
    int descriptor = eventfd(0, EFD_CLOEXEC);
    struct http_client *client = client_new(client_options());
    assert_false(http_client_run(client, descriptor, 10));
    assert_int_equal(eventfd_write(descriptor, 1), 0);
    assert_true(http_client_run(client, descriptor, -1));
    http_client_free(client);
    close(descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_its_status_and_the_start_of_its_body),
        cmocka_unit_test(an_answer_may_have_no_body_or_come_in_chunks_or_end_with_its_connection),
        cmocka_unit_test(a_long_body_is_read_on_behind_its_excerpt_and_not_called_cut),
        cmocka_unit_test(a_body_beyond_its_bound_is_cut_and_its_connection_closed),
        cmocka_unit_test(an_excerpt_is_utf8_that_can_be_shown),
        cmocka_unit_test(an_excerpt_that_ends_within_a_character_loses_that_one_only),
        cmocka_unit_test(retry_after_is_read_as_seconds_or_as_a_date),
        cmocka_unit_test(a_redirect_is_an_answer_and_not_followed),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(nobody_at_the_port_is_a_failure_to_connect),
        cmocka_unit_test(a_receiver_that_never_answers_times_out),
        cmocka_unit_test(a_handshake_that_gets_no_answer_is_ended_by_the_timeout_of_connecting),
        cmocka_unit_test(an_answer_that_trickles_in_is_ended_by_the_total_timeout),
        cmocka_unit_test(a_connection_that_ends_before_the_answer_is_whole_is_called_lost),
        cmocka_unit_test(what_is_not_http_is_called_malformed),
        cmocka_unit_test(a_head_without_end_is_called_malformed),
        cmocka_unit_test(headers_and_body_arrive_as_they_were_given),
        cmocka_unit_test(an_empty_body_is_sent_as_such),
        cmocka_unit_test(what_the_environment_says_of_proxies_does_not_count),
        cmocka_unit_test(no_more_transfers_begin_than_are_allowed_at_once),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(a_connection_that_the_receiver_closed_is_made_anew),
        cmocka_unit_test(a_cancelled_transfer_is_never_told_of_and_its_connection_closed),
        cmocka_unit_test(freeing_the_client_cancels_what_is_under_way),
        cmocka_unit_test(who_is_told_of_an_answer_may_post_and_cancel_others),
        cmocka_unit_test(another_thread_ends_the_wait),
        cmocka_unit_test(a_run_ends_in_time_and_never_early),
        cmocka_unit_test(a_descriptor_that_can_be_read_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
