#include "cli/http_caller.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"

#define ANSWER_BYTES_MAX (4u * 1024 * 1024)
#define CALL_TIMEOUT_MS 30000L
#define RETRY_PAUSE_MS 50
#define RETRY_PAUSE_MS_MAX 2000
#define HEADER_BYTES_MAX 512

struct http_caller {
    struct http_caller_options options;
    CURLM *multi;
    uv_timer_t timer;
    uint64_t jitter;
};

/* A socket that curl wants watched. */
struct watched_socket {
    uv_poll_t poll;
    struct http_caller *caller;
    curl_socket_t socket;
};

static void attempt(struct http_call *call);

/* ---- An attempt's end ---- */

/* Half of the pause is chance, so that thousands turned away together do not come back together. */
static uint64_t retry_pause_ms(struct http_caller *caller, unsigned retries)
{
    uint64_t pause = retries < 6 ? (uint64_t)RETRY_PAUSE_MS << retries : RETRY_PAUSE_MS_MAX;
    caller->jitter = caller->jitter * 6364136223846793005u + 1442695040888963407u;
    return pause / 2 + (caller->jitter >> 33) % (pause / 2 + 1);
}

static void on_retry_timer(uv_timer_t *timer)
{
    attempt(timer->data);
}

static void end_attempt(struct http_call *call, CURLcode result)
{
    struct http_caller *caller = call->caller;
    long status = 0;
    curl_off_t duration_us = 0;
    curl_easy_getinfo(call->handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->handle, CURLINFO_TOTAL_TIME_T, &duration_us);
    curl_multi_remove_handle(caller->multi, call->handle);
    curl_easy_cleanup(call->handle);
    curl_slist_free_all(call->headers);
    call->handle = NULL;
    call->headers = NULL;
    call->status = result == CURLE_OK ? (int)status : 0;
    call->error = result == CURLE_OK ? NULL : curl_easy_strerror(result);
    call->duration_us = duration_us;
    bool may_work_later = call->status == 0 || call->status >= 500;
    uint64_t pause_ms = retry_pause_ms(caller, call->retries);
    int64_t waited_ms = (clock_monotonic_us() - call->first_sent_us) / 1000;
    if (may_work_later && waited_ms + (int64_t)pause_ms <= caller->options.retry_ms) {
        call->retries++;
        uv_timer_start(&call->retry_timer, on_retry_timer, pause_ms, 0);
        return;
    }
    call->done(call);
}

static void collect_ended(struct http_caller *caller)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(caller->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            CURLcode result = message->data.result; /* the message is gone once its handle is */
            char *call;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
            end_attempt((struct http_call *)(void *)call, result);
        }
    }
}

/* ---- curl's wishes, met by libuv ---- */

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watched_socket *watched = poll->data;
    struct http_caller *caller = watched->caller;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    int running;
    curl_multi_socket_action(caller->multi, watched->socket, flags, &running);
    collect_ended(caller);
}

static void free_watched(uv_handle_t *handle)
{
    free(handle->data);
}

static int watch_socket(CURL *handle, curl_socket_t socket, int what, void *context, void *socket_context)
{
    (void)handle;
    struct http_caller *caller = context;
    struct watched_socket *watched = socket_context;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            uv_poll_stop(&watched->poll);
            uv_close((uv_handle_t *)&watched->poll, free_watched);
            curl_multi_assign(caller->multi, socket, NULL);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = memory_zalloc(1, sizeof(*watched));
        watched->caller = caller;
        watched->socket = socket;
        if (uv_poll_init_socket(caller->options.loop, &watched->poll, socket) != 0) {
            free(watched);
            return -1;
        }
        watched->poll.data = watched;
        curl_multi_assign(caller->multi, socket, watched);
    }
    int events = (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
    return uv_poll_start(&watched->poll, events, on_socket_ready) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer)
{
    struct http_caller *caller = timer->data;
    int running;
    curl_multi_socket_action(caller->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect_ended(caller);
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct http_caller *caller = context;
    if (timeout_ms < 0) {
        uv_timer_stop(&caller->timer);
    } else {
        uv_timer_start(&caller->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

/* ---- The caller ---- */

bool http_caller_new(const struct http_caller_options *options, struct http_caller **ret_caller, struct fault *fault)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return fault_set(fault, FAULT_INTERNAL, "libcurl does not start");
    }
    struct http_caller *caller = memory_zalloc(1, sizeof(*caller));
    caller->options = *options;
    caller->jitter = (uint64_t)clock_monotonic_us();
    caller->multi = curl_multi_init();
    assert(caller->multi != NULL);
    uv_timer_init(options->loop, &caller->timer);
    caller->timer.data = caller;
    curl_multi_setopt(caller->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(caller->multi, CURLMOPT_SOCKETDATA, caller);
    curl_multi_setopt(caller->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(caller->multi, CURLMOPT_TIMERDATA, caller);
    curl_multi_setopt(caller->multi, CURLMOPT_MAXCONNECTS, (long)options->connections_max);
    *ret_caller = caller;
    return true;
}

static void free_caller(uv_handle_t *timer)
{
    free(timer->data);
}

void http_caller_free(struct http_caller *caller)
{
    curl_multi_cleanup(caller->multi);
    uv_close((uv_handle_t *)&caller->timer, free_caller);
}

/* ---- A call ---- */

void http_call_init(struct http_caller *caller, struct http_call *call)
{
    *call = (struct http_call){.caller = caller};
    buffer_init(&call->answer, ANSWER_BYTES_MAX);
    uv_timer_init(caller->options.loop, &call->retry_timer);
    call->retry_timer.data = call;
}

void http_call_done(struct http_call *call)
{
    buffer_done(&call->answer);
    uv_close((uv_handle_t *)&call->retry_timer, NULL);
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct http_call *call = context;
    buffer_append(&call->answer, bytes, size * count);
    return call->answer.overflowed ? 0 : size * count;
}

/* `name` includes what stands before the value: "Idempotency-Key: ". */
static void add_header(struct http_call *call, const char *name, const char *value)
{
    char header[HEADER_BYTES_MAX];
    snprintf(header, sizeof(header), "%s%s", name, value);
    struct curl_slist *longer = curl_slist_append(call->headers, header);
    assert(longer != NULL);
    call->headers = longer;
}

static void add_headers(struct http_call *call)
{
    if (call->caller->options.bearer != NULL) {
        add_header(call, "Authorization: Bearer ", call->caller->options.bearer);
    }
    if (call->idempotency_key != NULL) {
        add_header(call, "Idempotency-Key: ", call->idempotency_key);
    }
    if (call->body.bytes != NULL) {
        add_header(call, "Content-Type: ", "application/json");
        curl_easy_setopt(call->handle, CURLOPT_POSTFIELDS, call->body.bytes);
        curl_easy_setopt(call->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.length);
    }
    curl_easy_setopt(call->handle, CURLOPT_HTTPHEADER, call->headers);
}

static void attempt(struct http_call *call)
{
    struct http_caller *caller = call->caller;
    char url[2048];
    snprintf(url, sizeof(url), "%s%s", caller->options.url, call->path);
    buffer_clear(&call->answer);
    call->handle = curl_easy_init();
    assert(call->handle != NULL);
    curl_easy_setopt(call->handle, CURLOPT_URL, url);
    curl_easy_setopt(call->handle, CURLOPT_PRIVATE, call);
    curl_easy_setopt(call->handle, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(call->handle, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(call->handle, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    curl_easy_setopt(call->handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(call->handle, CURLOPT_PROXY, "");
    curl_easy_setopt(call->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(call->handle, CURLOPT_FRESH_CONNECT, call->wants_own_connection ? 1L : 0L);
    add_headers(call);
    CURLMcode added = curl_multi_add_handle(caller->multi, call->handle);
    assert(added == CURLM_OK);
}

void http_call_send(struct http_call *call)
{
    call->first_sent_us = clock_monotonic_us();
    call->retries = 0;
    attempt(call);
}

static void note_done(struct http_call *call)
{
    bool *is_done = call->context;
    *is_done = true;
}

void http_call_send_and_wait(struct http_call *call)
{
    bool is_done = false;
    call->done = note_done;
    call->context = &is_done;
    http_call_send(call);
    while (!is_done) {
        uv_run(call->caller->options.loop, UV_RUN_ONCE);
    }
}
