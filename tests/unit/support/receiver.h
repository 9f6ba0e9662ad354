#ifndef HOLDFAST_TESTS_UNIT_SUPPORT_RECEIVER_H
#define HOLDFAST_TESTS_UNIT_SUPPORT_RECEIVER_H

/* Whom requests are sent to: an HTTP server of plain sockets at 127.0.0.1 that behaves as badly as a test wants, a thread
 * for each connection; and the client's side, which waits for answers. */

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "http/client.h"

#define REQUEST_BYTES_MAX 16384
#define EXCERPT_BYTES_MAX 100
#define ANSWER_BYTES_MAX 4096
#define PATIENCE_MS 30000 /* after which a test that waits is a test that failed */

struct receiver;

/* A connection, while it is served. */
struct visit {
    struct receiver *receiver;
    int socket;
    SSL *tls; /* NULL: plain */
};

/* `serve` is called for each connection, which is closed when it returns. `tls` is borrowed; NULL: plain HTTP. */
struct receiver *receiver_start(void (*serve)(struct visit *visit), SSL_CTX *tls);
void receiver_stop(struct receiver *receiver); /* wakes up and waits for all that is served */
uint16_t receiver_port(const struct receiver *receiver);
unsigned receiver_visits(const struct receiver *receiver);   /* connections so far */
unsigned receiver_requests(const struct receiver *receiver); /* those that were read */
uint64_t receiver_bytes_sent(const struct receiver *receiver);
void receiver_wait_over(const struct receiver *receiver, unsigned visits); /* until so many have ended */
/* The request that was read last, head and body; lives until the receiver is stopped. */
struct text receiver_last_request(struct receiver *receiver);

/* For `serve`. False: the other side is gone, or the receiver is being stopped. */
bool visit_read_request(struct visit *visit);
bool visit_write(struct visit *visit, const void *bytes, size_t length);
bool visit_say(struct visit *visit, const char *text);
void visit_linger(struct visit *visit); /* says nothing more until the other side goes */
void visit_reset(struct visit *visit);  /* it ends with a reset */

/* What a client was told. */
struct answer {
    bool has_come;
    enum http_client_outcome outcome;
    bool has_error;
    int status;
    int64_t duration_ms;
    int64_t retry_after_ms;
    char excerpt[EXCERPT_BYTES_MAX + 1];
    bool body_was_cut;
};

/* Private addresses and http are allowed, and the timeouts longer than any test waits. */
struct http_client_options client_options(void);
struct http_client *client_new(struct http_client_options options);
/* Begins a transfer with an empty body, whose end is noted in *answer. */
struct http_transfer *client_begin(struct http_client *client, const char *url, struct answer *answer);
void client_wait(struct http_client *client, const struct answer *answer); /* until it has come */
struct answer client_ask(struct http_client *client, const char *url);
void assert_outcome(const struct answer *answer, enum http_client_outcome outcome);
/* "http://127.0.0.1:<port>/hook"; lives until the next call. */
const char *receiver_url(const struct receiver *receiver);
const char *receiver_url_of(const struct receiver *receiver, const char *scheme, const char *host);

#endif
