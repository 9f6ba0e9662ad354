/* A connection of the HTTP server, from the bytes that its client sends to those that it gets. The input: how many steps
 * there are (1 byte; its highest bit makes them wild), how long the pieces are behind the steps (1 byte), the steps (1
 * byte each), and what the client sends.
 *
 * The bytes go through the server twice: whole, with each request answered at once and a socket that takes everything;
 * and as the steps say, in pieces, with requests answered late and in any order, and with a socket that is full now and
 * then. The requests that the handler saw and the bytes that the client got have to be the same. Each request has exactly
 * one answer, in order. Wild steps also let time pass, cut the connection, drain and stop the server, and are only held
 * to what is true then. */

#include "fuzz.h"

#include <stdlib.h>

#include "http/connection.h"
#include "http/server.h"
#include "http/server_state.h"
#include "http/stream.h"
#include "support/fake_uv.h"

#define HEADER_BYTES_MAX 1024
#define BODY_BYTES_MAX 2048
#define PIPELINE_MAX 4
#define BIG_BYTES ((size_t)90000) /* four of them are more than a connection keeps unsent */
#define REQUESTS_MAX 4096
#define TRANSCRIPT_BYTES_MAX ((size_t)8 << 20)
#define STREAM_BLOCKS 2

static struct run {
    struct http_server *server;
    struct buffer requests; /* what the handler saw */
    struct http_request *held[PIPELINE_MAX];
    size_t held_count;
    struct http_request *stream;
    size_t stream_blocks;  /* that were written */
    bool stream_has_taken; /* asks for more */
    bool was_stopped;      /* http_server_free was called */
    size_t handled;
    size_t refused;
    size_t answered;
    size_t last_answered; /* of those that the handler saw; from 1 */
    bool methods_are_head[REQUESTS_MAX];
} run;

/* ---- The handler: what it does is in the path's first letter ---- */

static void reply_echo(struct http_request *request)
{
    struct buffer body;
    char sequence[24];
    int length = snprintf(sequence, sizeof(sequence), "%zu", (size_t)(uintptr_t)request->context);
    const struct http_header header = {"X-Sequence", {sequence, (size_t)length}};
    bool is_big = request->path.length > 1 && request->path.bytes[1] == 'B';
    buffer_init(&body, BIG_BYTES + HEADER_BYTES_MAX + BODY_BYTES_MAX);
    buffer_append_text(&body, request->path);
    buffer_append_text(&body, request->body);
    if (is_big) {
        char *room = buffer_reserve(&body, BIG_BYTES);
        assert(room != NULL);
        memset(room, 'b', BIG_BYTES);
        body.length += BIG_BYTES;
    }
    if (request->path.length > 1 && request->path.bytes[1] == 'e') {
        http_reply(request, 204, NULL, &header, 1, TEXT_ABSENT);
        buffer_done(&body);
    } else if (is_big || request->body.length % 2 == 1) {
        http_reply_take(request, 200, "text/plain", &header, 1, &body);
    } else {
        http_reply(request, 200, "text/plain", &header, 1, buffer_text(&body));
    }
    buffer_done(&body);
}

static void note_taken(void *context)
{
    (void)context;
    assert(!run.stream_has_taken);
    run.stream_has_taken = true;
}

static void note_ended(void *context, enum http_stream_end why)
{
    (void)context;
    (void)why;
    assert(run.stream != NULL);
    run.stream = NULL;
    run.stream_has_taken = false;
}

static const struct http_stream_owner STREAM_OWNER = {.taken = note_taken, .ended = note_ended};

static void begin_stream(struct http_request *request)
{
    char sequence[24];
    int length = snprintf(sequence, sizeof(sequence), "%zu", (size_t)(uintptr_t)request->context);
    const struct http_header header = {"X-Sequence", {sequence, (size_t)length}};
    run.stream_has_taken = false;
    run.stream_blocks = 0;
    if (http_stream_begin(request, 200, "text/event-stream", &header, 1, &STREAM_OWNER, NULL)) {
        assert(run.stream == NULL);
        run.stream = request;
    }
}

static void go_on_streaming(void)
{
    static char bytes[] = "data: something\n\n";
    static struct http_block block = {.bytes = bytes, .length = sizeof(bytes) - 1, .references = 1};
    if (run.stream == NULL || !run.stream_has_taken) {
        return;
    }
    run.stream_has_taken = false;
    if (run.stream_blocks++ < STREAM_BLOCKS) {
        http_stream_write(run.stream, &block, run.stream_blocks);
    } else {
        struct http_request *stream = run.stream;
        run.stream = NULL;
        http_stream_end(stream);
    }
}

static void note_request(const struct http_request *request)
{
    const struct http_head *head = &((const struct exchange *)request)->head;
    struct buffer *out = &run.requests;
    buffer_append_text(out, request->method_name);
    buffer_append_char(out, ' ');
    buffer_append_text(out, request->path);
    buffer_append_c(out, request->query.bytes == NULL ? " " : "?");
    buffer_append_text(out, request->query);
    for (size_t i = 0; i < head->header_count; i++) {
        buffer_append_char(out, '\n');
        buffer_append_text(out, head->headers[i].name);
        buffer_append_char(out, ':');
        buffer_append_text(out, head->headers[i].value);
    }
    buffer_append_c(out, "\n\n");
    buffer_append_text(out, request->body);
    buffer_append_char(out, '\n');
    assert(!out->overflowed);
}

static void check_request(const struct http_request *request)
{
    assert(request->path.length > 0 && (request->path.bytes[0] == '/' || text_equal_c(request->path, "*")));
    assert(memchr(request->path.bytes, '?', request->path.length) == NULL);
    assert(!text_has_control(request->path) || !text_is_utf8(request->path));
    assert(request->body.length <= BODY_BYTES_MAX);
    assert(request->request_id.length >= 1 && request->request_id.length <= HTTP_REQUEST_ID_MAX);
    assert(http_request_header_count(request, "Host") <= 1);
    assert(http_request_header_count(request, "Content-Length") == 0 ||
           http_request_header_count(request, "Transfer-Encoding") == 0);
    struct text length = http_request_header(request, "Content-Length");
    assert(length.bytes == NULL || strtoull(length.bytes, NULL, 10) == request->body.length);
}

static void handle(struct http_request *request, void *context)
{
    (void)context;
    check_request(request);
    note_request(request);
    assert(run.handled < REQUESTS_MAX && run.held_count < PIPELINE_MAX);
    run.methods_are_head[run.handled++] = request->method == HTTP_METHOD_HEAD;
    request->context = (void *)(uintptr_t)run.handled;
    char letter = request->path.length > 1 ? request->path.bytes[1] : 'n';
    if (letter == 'h' || letter == 'B') {
        run.held[run.held_count++] = request;
    } else if (letter == 's') {
        begin_stream(request);
    } else {
        reply_echo(request);
    }
}

static int refuse(enum http_refusal refusal, struct text request_id, const char *detail, struct buffer *body,
                  void *context)
{
    static const int STATUSES[] = {400, 408, 413, 414, 417, 431, 501, 503, 503, 505};
    (void)context;
    assert(request_id.length > 0 && detail[0] != '\0');
    buffer_append_c(body, detail);
    run.refused++;
    return STATUSES[refusal];
}

static void note_answered(const struct http_request *request, int status, size_t body_bytes, void *context)
{
    (void)context;
    (void)body_bytes;
    assert(!run.was_stopped && status >= 200);
    run.answered++;
    if (request->context != NULL) {
        run.last_answered = (size_t)(uintptr_t)request->context;
    }
}

static void release(size_t which, bool streams)
{
    if (run.held_count == 0) {
        return;
    }
    which %= run.held_count;
    struct http_request *request = run.held[which];
    run.held_count--;
    for (size_t i = which; i < run.held_count; i++) {
        run.held[i] = run.held[i + 1];
    }
    if (streams && run.stream == NULL) {
        begin_stream(request);
    } else {
        reply_echo(request);
    }
}

/* ---- The answers, as a client reads them ---- */

static size_t read_number(struct text head, const char *name, size_t otherwise)
{
    const char *found = memmem(head.bytes, head.length, name, strlen(name));
    return found == NULL ? otherwise : strtoul(found + strlen(name), NULL, 10);
}

/* The length of a chunked body, its framing included. */
static size_t chunked_length(struct text rest)
{
    size_t at = 0;
    for (;;) {
        char *end;
        assert(at < rest.length);
        size_t size = strtoul(rest.bytes + at, &end, 16);
        at = (size_t)(end - rest.bytes) + 2 + size + 2;
        assert(at <= rest.length && memcmp(rest.bytes + at - 2, "\r\n", 2) == 0);
        if (size == 0) {
            return at;
        }
    }
}

static size_t body_length(struct text head, struct text rest, bool is_head_request)
{
    if (memmem(head.bytes, head.length, "Transfer-Encoding: chunked", 26) != NULL) {
        return is_head_request ? 0 : chunked_length(rest);
    }
    bool has_length = memmem(head.bytes, head.length, "Content-Length: ", 16) != NULL;
    bool is_http_1_0_stream = !has_length && memmem(head.bytes, head.length, "event-stream", 12) != NULL;
    if (is_http_1_0_stream) {
        return is_head_request ? 0 : rest.length;
    }
    return is_head_request ? 0 : read_number(head, "\r\nContent-Length: ", 0);
}

/* Those that come between answers: whether they do depends on the pieces that the request came in. */
static void cut_interim_answers(struct buffer *output, size_t at)
{
    static const char INTERIM[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t length = sizeof(INTERIM) - 1;
    while (output->length - at >= length && memcmp(output->bytes + at, INTERIM, length) == 0) {
        output->length -= length;
        memmove(output->bytes + at, output->bytes + at + length, output->length - at);
        output->bytes[output->length] = '\0';
    }
}

/* Each request once and in order, then a refusal or nothing. Interim answers are cut out. */
static void check_answers(struct buffer *output)
{
    size_t at = 0;
    size_t sequence = 0;
    size_t refusals = 0;
    buffer_append_char(output, '\0'); /* behind the text, for whoever reads numbers */
    output->length--;
    for (cut_interim_answers(output, at); at < output->length; cut_interim_answers(output, at)) {
        const char *begin = output->bytes + at;
        size_t left = output->length - at;
        const char *end = memmem(begin, left, "\r\n\r\n", 4);
        assert(end != NULL && memcmp(begin, "HTTP/1.1 ", 9) == 0);
        struct text head = {begin, (size_t)(end + 4 - begin)};
        struct text rest = {end + 4, left - head.length};
        size_t number = read_number(head, "\r\nX-Sequence: ", 0);
        if (number == 0) { /* a refusal: without its body where a HEAD request was refused */
            refusals++;
            assert(rest.length == 0 || rest.length == body_length(head, rest, false));
            break;
        }
        assert(number == ++sequence && number <= run.handled);
        size_t length = body_length(head, rest, run.methods_are_head[number - 1]);
        assert(length <= rest.length);
        assert(length == rest.length || memmem(head.bytes, head.length, "Connection: close", 17) == NULL);
        at += head.length + length;
    }
    assert(sequence == run.handled && refusals == run.refused && refusals <= 1);
}

/* ---- The two runs ---- */

static void begin_run(void)
{
    static uv_loop_t loop;
    const struct http_server_options options = {
        .host = "fuzz",
        .connections_max = 10,
        .header_bytes_max = HEADER_BYTES_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .pipeline_max = PIPELINE_MAX,
        .idle_timeout_ms = 75000,
        .request_timeout_ms = 15000,
        .write_timeout_ms = 15000,
        .handle = handle,
        .refuse = refuse,
        .answered = note_answered,
    };
    struct fault fault;
    fake_uv_reset();
    memset(&run, 0, sizeof(run));
    buffer_init(&run.requests, TRANSCRIPT_BYTES_MAX);
    bool ok = http_server_start(&loop, &options, &run.server, &fault);
    assert(ok);
    http_connection_accept(run.server);
}

/* Gives the next piece to the server, if it reads. */
static void feed(struct text *bytes, size_t length_max)
{
    size_t length = bytes->length < length_max ? bytes->length : length_max;
    if (length > 0 && fake_uv_is_reading()) {
        fake_uv_read(bytes->bytes, length);
        bytes->bytes += length;
        bytes->length -= length;
    }
}

/* What a patient client, an idle handler and an empty socket do, until nothing happens any more. */
static void settle(struct text bytes, size_t piece_max)
{
    size_t before;
    size_t after = SIZE_MAX;
    do {
        before = after;
        feed(&bytes, piece_max);
        fake_uv_set_window(SIZE_MAX);
        while (run.held_count > 0) {
            release(0, false);
        }
        fake_uv_turn();
        go_on_streaming();
        after = bytes.length + fake_uv_output()->length * 16 + run.handled + run.stream_blocks;
    } while (before != after || run.stream_has_taken || run.held_count > 0);
    if (fake_uv_is_reading()) {
        fake_uv_read_end();
    }
    for (int i = 0; i < 4; i++) {
        fake_uv_turn();
        go_on_streaming();
    }
}

static void stop_server(void)
{
    run.was_stopped = true;
    http_server_free(run.server);
    while (run.held_count > 0) {
        release(0, false); /* a handler may well be slower than that */
    }
    fake_uv_turn();
}

static void drained(void *context)
{
    *(bool *)context = true;
}

/* False: the server is gone. */
static bool take_wild_step(unsigned kind, unsigned argument)
{
    static bool is_drained;
    switch (kind) {
    case 0:
        fake_uv_pass_time((int64_t)argument * 1000);
        break;
    case 1:
        if (fake_uv_is_reading()) {
            fake_uv_read_end();
        }
        break;
    case 2:
        if (fake_uv_is_reading()) {
            fake_uv_read_error();
        }
        break;
    case 3:
        if (fake_uv_is_writing()) {
            fake_uv_fail_write();
        }
        break;
    case 4:
        if (!run.server->is_draining) {
            http_server_drain(run.server, drained, &is_drained);
        }
        break;
    case 5:
        release(argument, true);
        break;
    case 6:
        stop_server();
        return false;
    default:
        break;
    }
    return true;
}

static bool take_step(struct text *bytes, uint8_t step, bool is_wild)
{
    unsigned argument = step >> 3;
    switch (step & 7) {
    case 0:
        feed(bytes, argument + 1);
        break;
    case 1:
        feed(bytes, (size_t)(argument + 1) * 32);
        break;
    case 2:
        fake_uv_set_window(argument * 3);
        break;
    case 3:
        fake_uv_set_window((size_t)argument * 4096);
        break;
    case 4:
        release(argument, false);
        break;
    case 5:
        go_on_streaming();
        break;
    case 6:
        fake_uv_turn();
        break;
    default:
        return !is_wild || take_wild_step(argument & 7, argument);
    }
    return true;
}

/* All that was allocated must be gone: LeakSanitizer looks. */
static void end_run(void)
{
    if (!run.was_stopped) {
        stop_server();
    }
    buffer_done(&run.requests);
    fake_uv_reset();
}

static void run_whole(struct text bytes)
{
    begin_run();
    settle(bytes, SERVER_READ_BYTES);
}

/* False: the server was stopped on the way. */
static bool run_steps(struct text steps, struct text bytes, size_t piece_max, bool is_wild)
{
    begin_run();
    for (size_t i = 0; i < steps.length; i++) {
        if (!take_step(&bytes, (uint8_t)steps.bytes[i], is_wild)) {
            return false;
        }
    }
    settle(bytes, piece_max);
    return true;
}

static void check_end(void)
{
    struct http_server_stats stats = run.server->stats;
    assert(stats.connections_open == 0 && stats.requests_in_flight == 0 && stats.refusals_total == run.refused);
    assert(run.answered == run.handled + run.refused && run.stream == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint64_t first = fuzz_take(&input, 1);
    size_t piece_max = (size_t)fuzz_take(&input, 1) + 1;
    bool is_wild = first >= 128;
    struct text steps = fuzz_rest(&input);
    steps.length = steps.length < first % 128 ? steps.length : first % 128;
    struct text bytes = {(const char *)input.bytes + steps.length, input.length - steps.length};

    if (is_wild) {
        if (run_steps(steps, bytes, piece_max, true)) {
            check_end();
        }
        end_run();
        return 0;
    }
    run_whole(bytes);
    check_end();
    check_answers(fake_uv_output());
    struct buffer requests = run.requests;
    struct buffer answers = *fake_uv_output();
    buffer_init(&run.requests, 0);
    buffer_init(fake_uv_output(), 0);
    end_run();

    bool ok = run_steps(steps, bytes, piece_max, false);
    assert(ok);
    check_end();
    check_answers(fake_uv_output());
    assert(text_equal(buffer_text(&requests), buffer_text(&run.requests)));
    assert(text_equal(buffer_text(&answers), buffer_text(fake_uv_output())));
    end_run();
    buffer_done(&requests);
    buffer_done(&answers);
    return 0;
}
