#include "http/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "http/address.h"

#define CONNECTION_AGE_SECONDS 300
#define HEADER_LINE_BYTES_MAX 8192
#define ANSWER_HEAD_BYTES_MAX (64 * 1024)
#define RETRY_AFTER_BYTES_MAX 64

struct http_transfer {
    struct http_client *client;
    TAILQ_ENTRY(http_transfer) link;
    CURL *easy;
    struct curl_slist *headers;
    void (*done)(void *context, const struct http_client_result *result);
    void *context;
    int64_t begin_us;
    bool address_was_refused;
    bool body_was_cut;
    bool head_was_too_large;
    bool head_is_whole;
    size_t body_bytes;
    size_t head_bytes;
    int64_t retry_after_ms;
    struct buffer excerpt;
};
TAILQ_HEAD(transfer_list, http_transfer);

struct http_client {
    struct http_client_options options;
    char *user_agent;
    char *ca_bundle_path;
    CURLM *multi;
    struct transfer_list transfers;
    size_t transfer_count;
    _Atomic bool was_woken; /* since the last run; any thread */
};

static const char *const OUTCOME_NAMES[HTTP_CLIENT_OUTCOME_COUNT] = {
    [HTTP_CLIENT_ANSWERED] = "answered",
    [HTTP_CLIENT_URL_REFUSED] = "url_refused",
    [HTTP_CLIENT_ADDRESS_REFUSED] = "address_refused",
    [HTTP_CLIENT_NAME_NOT_RESOLVED] = "name_not_resolved",
    [HTTP_CLIENT_CONNECT_FAILED] = "connect_failed",
    [HTTP_CLIENT_TLS_FAILED] = "tls_failed",
    [HTTP_CLIENT_TIMED_OUT] = "timed_out",
    [HTTP_CLIENT_CONNECTION_LOST] = "connection_lost",
    [HTTP_CLIENT_ANSWER_MALFORMED] = "answer_malformed",
    [HTTP_CLIENT_FAILED] = "failed",
};

static const char *const OUTCOME_SENTENCES[HTTP_CLIENT_OUTCOME_COUNT] = {
    [HTTP_CLIENT_URL_REFUSED] = "the URL cannot be asked",
    [HTTP_CLIENT_ADDRESS_REFUSED] = "the host is at no public address",
    [HTTP_CLIENT_NAME_NOT_RESOLVED] = "the host's name was not resolved",
    [HTTP_CLIENT_CONNECT_FAILED] = "no connection was made",
    [HTTP_CLIENT_TLS_FAILED] =
        "TLS failed: the certificate is not valid for the host, its authority is not known here, or no common version",
    [HTTP_CLIENT_TIMED_OUT] = "no whole answer came in time",
    [HTTP_CLIENT_CONNECTION_LOST] = "the connection was lost before the answer was whole",
    [HTTP_CLIENT_ANSWER_MALFORMED] = "the answer was not HTTP, or its head too large",
    [HTTP_CLIENT_FAILED] = "the request failed",
};

const char *http_client_outcome_name(enum http_client_outcome outcome)
{
    return OUTCOME_NAMES[outcome];
}

/* ---- What libcurl asks of us ---- */

/* The address that is about to be connected to: nothing resolves it again. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_transfer *transfer = context;
    (void)purpose;
    if (!transfer->client->options.allow_private && !http_address_is_public(&address->addr)) {
        transfer->address_was_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Reads up to the bound, and then ends the transfer: the status has come before. */
static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct http_transfer *transfer = context;
    const struct http_client_options *options = &transfer->client->options;
    size_t length = size * count;
    size_t room = options->excerpt_bytes_max - transfer->excerpt.length;
    buffer_append(&transfer->excerpt, bytes, length < room ? length : room);
    transfer->body_bytes += length;
    if (transfer->body_bytes > options->response_bytes_max) {
        transfer->body_was_cut = true;
        return 0;
    }
    return length;
}

/* Seconds, or a date. */
static int64_t parse_retry_after(const char *value)
{
    char *end;
    errno = 0;
    long long seconds = strtoll(value, &end, 10);
    if (end != value && *end == '\0') {
        return errno == 0 && seconds > 0 && seconds < INT64_MAX / 1000 ? seconds * 1000 : 0;
    }
    time_t date = curl_getdate(value, NULL);
    int64_t in_ms = date == -1 ? 0 : (int64_t)date * 1000 - clock_unix_ms();
    return in_ms > 0 ? in_ms : 0;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context)
{
    static const char NAME[] = "retry-after:";
    static const char VERSION[] = "HTTP/";
    struct http_transfer *transfer = context;
    size_t length = size * count;
    transfer->head_bytes += length;
    if (length > HEADER_LINE_BYTES_MAX || transfer->head_bytes > ANSWER_HEAD_BYTES_MAX) {
        transfer->head_was_too_large = true;
        return 0;
    }
    bool is_blank = length <= 2 && (bytes[0] == '\r' || bytes[0] == '\n');
    bool is_first = length >= sizeof(VERSION) - 1 && memcmp(bytes, VERSION, sizeof(VERSION) - 1) == 0;
    transfer->head_is_whole = is_blank || (transfer->head_is_whole && !is_first); /* interim ones come before */
    if (length > sizeof(NAME) - 1 && strncasecmp(bytes, NAME, sizeof(NAME) - 1) == 0) {
        char value[RETRY_AFTER_BYTES_MAX + 1];
        size_t begin = sizeof(NAME) - 1;
        size_t end = length;
        while (begin < end && (bytes[begin] == ' ' || bytes[begin] == '\t')) {
            begin++;
        }
        while (end > begin && strchr(" \t\r\n", bytes[end - 1]) != NULL) {
            end--;
        }
        if (end - begin <= RETRY_AFTER_BYTES_MAX) {
            memcpy(value, bytes + begin, end - begin);
            value[end - begin] = '\0';
            transfer->retry_after_ms = parse_retry_after(value);
        }
    }
    return length;
}

/* ---- Life ---- */

static void start_libcurl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_client_new(const struct http_client_options *options, struct http_client **ret_client, struct fault *fault)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    assert(options->excerpt_bytes_max <= options->response_bytes_max && options->concurrency_max > 0);
    (void)pthread_once(&once, start_libcurl);
    (void)signal(SIGPIPE, SIG_IGN);
    if (options->ca_bundle_path != NULL && access(options->ca_bundle_path, R_OK) != 0) {
        return fault_set(fault, FAULT_UNAVAILABLE, "the file of certificate authorities %s cannot be read: %s",
                         options->ca_bundle_path, strerror(errno));
    }
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        return fault_set(fault, FAULT_INTERNAL, "libcurl does not start");
    }
    struct http_client *client = memory_zalloc(1, sizeof(*client));
    client->options = *options;
    client->user_agent = strdup(options->user_agent);
    client->ca_bundle_path = options->ca_bundle_path == NULL ? NULL : strdup(options->ca_bundle_path);
    client->multi = multi;
    TAILQ_INIT(&client->transfers);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->concurrency_max);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)options->concurrency_max);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    *ret_client = client;
    return true;
}

/* One that has left the list. */
static void transfer_free(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buffer_done(&transfer->excerpt);
    client->transfer_count--;
    free(transfer);
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    struct http_transfer *transfer;
    while ((transfer = TAILQ_FIRST(&client->transfers)) != NULL) {
        TAILQ_REMOVE(&client->transfers, transfer, link);
        transfer_free(transfer);
    }
    (void)curl_multi_cleanup(client->multi);
    free(client->ca_bundle_path);
    free(client->user_agent);
    free(client);
}

/* ---- Transfers ---- */

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    assert(longer != NULL); /* out of memory */
    return longer;
}

static struct curl_slist *make_headers(const struct http_client_request *request)
{
    /* "Expect: 100-continue" would cost a round trip and confuse small receivers. */
    struct curl_slist *list = add_line(NULL, "Expect:");
    for (size_t i = 0; i < request->header_count; i++) {
        char line[HEADER_LINE_BYTES_MAX];
        const struct http_header *header = &request->headers[i];
        int length =
            snprintf(line, sizeof(line), "%s: %.*s", header->name, (int)header->value.length, header->value.bytes);
        assert(length > 0 && (size_t)length < sizeof(line));
        list = add_line(list, line);
    }
    return list;
}

static void set_up(struct http_transfer *transfer, const struct http_client_request *request)
{
    const struct http_client *client = transfer->client;
    const struct http_client_options *options = &client->options;
    CURL *easy = transfer->easy;
    (void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, options->allow_http ? "http,https" : "https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (client->ca_bundle_path != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_bundle_path);
        (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A transfer that ends while its host is looked up leaves the thread that does so to itself: else all others, and
     * the end of the process, wait for the name server. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->total_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.bytes == NULL ? "" : request->body.bytes);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
}

struct http_transfer *http_client_post(struct http_client *client, const struct http_client_request *request)
{
    if (http_client_room(client) == 0) {
        return NULL;
    }
    struct http_transfer *transfer = memory_zalloc(1, sizeof(*transfer));
    transfer->client = client;
    transfer->done = request->done;
    transfer->context = request->context;
    transfer->begin_us = clock_monotonic_us();
    buffer_init(&transfer->excerpt, client->options.excerpt_bytes_max);
    transfer->headers = make_headers(request);
    transfer->easy = curl_easy_init();
    assert(transfer->easy != NULL); /* out of memory */
    set_up(transfer, request);
    TAILQ_INSERT_TAIL(&client->transfers, transfer, link);
    client->transfer_count++;
    CURLMcode code = curl_multi_add_handle(client->multi, transfer->easy);
    assert(code == CURLM_OK);
    (void)code;
    return transfer;
}

size_t http_client_room(const struct http_client *client)
{
    return client->options.concurrency_max - client->transfer_count;
}

void http_client_cancel(struct http_client *client, struct http_transfer *transfer)
{
    assert(transfer->client == client);
    TAILQ_REMOVE(&client->transfers, transfer, link);
    transfer_free(transfer);
}

/* ---- What became of them ---- */

static bool was_sent(const struct http_transfer *transfer)
{
    long bytes = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

static enum http_client_outcome outcome_of(const struct http_transfer *transfer, CURLcode code)
{
    if (transfer->body_was_cut) {
        return HTTP_CLIENT_ANSWERED;
    }
    if (transfer->head_was_too_large) {
        return HTTP_CLIENT_ANSWER_MALFORMED;
    }
    switch (code) {
    case CURLE_OK:
        return transfer->head_is_whole ? HTTP_CLIENT_ANSWERED : HTTP_CLIENT_CONNECTION_LOST;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 among them */
        return was_sent(transfer) ? HTTP_CLIENT_ANSWER_MALFORMED : HTTP_CLIENT_URL_REFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:
        return HTTP_CLIENT_URL_REFUSED;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_CLIENT_NAME_NOT_RESOLVED;
    case CURLE_COULDNT_CONNECT:
        return transfer->address_was_refused ? HTTP_CLIENT_ADDRESS_REFUSED : HTTP_CLIENT_CONNECT_FAILED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_CLIENT_TLS_FAILED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_CLIENT_TIMED_OUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return HTTP_CLIENT_CONNECTION_LOST;
    case CURLE_OUT_OF_MEMORY: /* or a line of the head that is longer than libcurl keeps */
        return was_sent(transfer) ? HTTP_CLIENT_ANSWER_MALFORMED : HTTP_CLIENT_FAILED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
        return HTTP_CLIENT_ANSWER_MALFORMED;
    default:
        return HTTP_CLIENT_FAILED;
    }
}

/* Of the character at the bytes' start, where it is one of UTF-8 that can be shown; 0: it is none. */
static size_t shown_length(const char *bytes, size_t left)
{
    unsigned char first = (unsigned char)bytes[0];
    size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    bool is_control = first == 0x7f || (first < ' ' && first != '\t' && first != '\n') ||
                      (first == 0xc2 && left > 1 && (unsigned char)bytes[1] < 0xa0);
    return length <= left && !is_control && text_is_utf8((struct text){bytes, length}) ? length : 0;
}

/* As UTF-8 that can be shown: what the cut may have halved goes, too. */
static void clean_excerpt(struct buffer *excerpt)
{
    for (size_t at = 0; at < excerpt->length;) {
        size_t length = shown_length(excerpt->bytes + at, excerpt->length - at);
        if (length == 0) {
            excerpt->bytes[at] = '?';
        }
        at += length == 0 ? 1 : length;
    }
}

static void finish(struct http_transfer *transfer, CURLcode code)
{
    long status = 0;
    enum http_client_outcome outcome = outcome_of(transfer, code);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    clean_excerpt(&transfer->excerpt);
    struct text excerpt = buffer_text(&transfer->excerpt);
    const struct http_client_result result = {
        .outcome = outcome,
        .error = OUTCOME_SENTENCES[outcome],
        .status = (int)status,
        .duration_ms = (clock_monotonic_us() - transfer->begin_us) / 1000,
        .retry_after_ms = transfer->retry_after_ms,
        .body_excerpt = excerpt.bytes == NULL ? TEXT_LITERAL("") : excerpt,
        .body_was_cut = transfer->body_was_cut,
    };
    /* `done` may post and cancel others, so this one leaves first; its texts stay until it returns. */
    struct http_client *client = transfer->client;
    struct buffer kept = transfer->excerpt;
    void (*done)(void *, const struct http_client_result *) = transfer->done;
    void *context = transfer->context;
    buffer_init(&transfer->excerpt, 0);
    assert(client->transfer_count > 0);
    TAILQ_REMOVE(&client->transfers, transfer, link);
    transfer_free(transfer);
    done(context, &result);
    buffer_done(&kept);
}

static size_t finish_those_done(struct http_client *client)
{
    size_t count = 0;
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result; /* the message goes with its handle */
            struct http_transfer *transfer = NULL;
            (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
            finish(transfer, code);
            count++;
        }
    }
    return count;
}

bool http_client_run(struct http_client *client, int descriptor, int64_t timeout_ms)
{
    int64_t until_us = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * 1000;
    for (;;) {
        int running;
        (void)curl_multi_perform(client->multi, &running);
        bool has_finished = finish_those_done(client) > 0;
        int64_t left_us = until_us - clock_monotonic_us();
        if (has_finished || left_us <= 0 || atomic_exchange(&client->was_woken, false)) {
            return false;
        }
        /* libcurl may end the poll earlier, for timers of its own: then there is something to perform. */
        int64_t left_ms = (left_us + 999) / 1000;
        struct curl_waitfd extra = {.fd = descriptor, .events = CURL_WAIT_POLLIN};
        (void)curl_multi_poll(client->multi, descriptor < 0 ? NULL : &extra, descriptor < 0 ? 0 : 1,
                              left_ms < INT32_MAX ? (int)left_ms : INT32_MAX, NULL);
        if (descriptor >= 0 && extra.revents != 0) {
            return true;
        }
    }
}

void http_client_wake(struct http_client *client)
{
    atomic_store(&client->was_woken, true);
    (void)curl_multi_wakeup(client->multi);
}
