/* Places orders at a rate of its own, whatever becomes of those before: arrivals are spaced at random (exponentially,
 * from a fixed seed), and an order's latency counts from the instant that it was to be sent, also where every connection
 * was busy then. Usage: open_loop PORT RATE SECONDS CONNECTIONS, against 127.0.0.1. It prints a RESULT line. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define ANSWER_BYTES_MAX 8192
#define REQUEST_BYTES_MAX 512
#define EVENTS_MAX 256
#define PATIENCE_NS INT64_C(10000000000) /* after the last order was due; who has no answer by then gets none */

struct connection {
    int socket;
    size_t order; /* whose answer it waits for */
    size_t length;
    char answer[ANSWER_BYTES_MAX + 1];
};

static struct connection *connections;
static struct connection *idle[CONNECTIONS_MAX];
static size_t idle_count;

static int64_t *due_ns; /* of each order */
static double *latency_ms;
static size_t order_count;
static size_t sent_count;
static size_t answered_count;
static size_t accepted_count;

static void die(const char *what)
{
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(88172645463325252);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void plan_orders(double rate, double seconds)
{
    size_t capacity = (size_t)(rate * seconds);
    due_ns = calloc(capacity, sizeof(*due_ns));
    latency_ms = calloc(capacity, sizeof(*latency_ms));
    if (due_ns == NULL || latency_ms == NULL) {
        die("no memory");
    }
    double at = 0;
    for (order_count = 0; order_count < capacity; order_count++) {
        double share = ((double)(next_random() >> 11) + 1) / 9007199254740993.0; /* above 0, at most 1 */
        at += -log(share) / rate;
        due_ns[order_count] = (int64_t)(at * 1e9);
    }
}

static void connect_all(int poll, uint16_t port, size_t count)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connections = calloc(count, sizeof(*connections));
    if (connections == NULL) {
        die("no memory");
    }
    for (size_t i = 0; i < count; i++) {
        int on = 1;
        struct connection *connection = &connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->socket < 0 ||
            connect(connection->socket, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
            setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
            fcntl(connection->socket, F_SETFL, O_NONBLOCK) != 0 ||
            epoll_ctl(poll, EPOLL_CTL_ADD, connection->socket, &event) != 0) {
            die("cannot connect");
        }
        idle[idle_count++] = connection;
    }
}

/* On an idle connection a request is taken whole. */
static void send_order(struct connection *connection, size_t order)
{
    char body[REQUEST_BYTES_MAX / 2];
    char request[REQUEST_BYTES_MAX];
    int body_length =
        snprintf(body, sizeof(body), "{\"customer_id\":\"c-%u\",\"items\":[{\"sku\":\"bench-0\",\"quantity\":1}]}",
                 (unsigned)(next_random() % 1000000));
    int length = snprintf(request, sizeof(request),
                          "POST /v1/orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                          "Content-Length: %d\r\nIdempotency-Key: open-%ld-%zu\r\n\r\n%s",
                          body_length, (long)getpid(), order, body);
    if (send(connection->socket, request, (size_t)length, MSG_NOSIGNAL) != length) {
        die("cannot send");
    }
    connection->order = order;
    connection->length = 0;
}

static void send_due(int64_t start_ns)
{
    int64_t now = now_ns() - start_ns;
    while (sent_count < order_count && idle_count > 0 && due_ns[sent_count] <= now) {
        send_order(idle[--idle_count], sent_count);
        sent_count++;
    }
}

static bool is_complete(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    return end != NULL && length != NULL &&
           connection->length >= (size_t)(end + 4 - connection->answer) +
                                     (size_t)strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
}

static void take_answer(struct connection *connection, int64_t start_ns)
{
    ssize_t length =
        recv(connection->socket, connection->answer + connection->length, ANSWER_BYTES_MAX - connection->length, 0);
    if (length <= 0) {
        if (length < 0 && errno == EAGAIN) {
            return;
        }
        die("a connection was closed, or an answer is too long");
    }
    connection->length += (size_t)length;
    connection->answer[connection->length] = '\0';
    if (is_complete(connection)) {
        latency_ms[answered_count++] = (double)(now_ns() - start_ns - due_ns[connection->order]) / 1e6;
        accepted_count += strncmp(connection->answer, "HTTP/1.1 201", 12) == 0 ? 1 : 0;
        idle[idle_count++] = connection;
    }
}

static void run(int poll)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t start_ns = now_ns();
    int64_t end_ns = due_ns[order_count - 1] + PATIENCE_NS;
    while (answered_count < order_count && now_ns() - start_ns < end_ns) {
        send_due(start_ns);
        int64_t wake_ns = sent_count < order_count && idle_count > 0 ? due_ns[sent_count] : end_ns;
        int64_t wait_ns = wake_ns - (now_ns() - start_ns);
        wait_ns = wait_ns < 0 ? 0 : wait_ns;
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        int count = epoll_pwait2(poll, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < count; i++) {
            take_answer(events[i].data.ptr, start_ns);
        }
    }
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one;
    double b = *(const double *)other;
    return a < b ? -1 : a > b;
}

static double percentile(double share)
{
    size_t at = (size_t)((double)answered_count * share);
    return latency_ms[at < answered_count ? at : answered_count - 1];
}

int main(int argument_count, char **arguments)
{
    size_t count = argument_count == 5 ? strtoul(arguments[4], NULL, 10) : 0;
    if (count == 0 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: open_loop PORT RATE SECONDS CONNECTIONS\n");
        return 2;
    }
    double seconds = strtod(arguments[3], NULL);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel wakes it up to 50 us late */
    plan_orders(strtod(arguments[2], NULL), seconds);
    connect_all(poll, (uint16_t)strtoul(arguments[1], NULL, 10), count);
    int64_t start_ns = now_ns();
    run(poll);
    double took = (double)(now_ns() - start_ns) / 1e9;
    if (answered_count == 0) {
        errno = ETIMEDOUT;
        die("no answer");
    }
    qsort(latency_ms, answered_count, sizeof(*latency_ms), compare);
    printf("RESULT accepted=%zu seconds=%.3f refused=%zu failed=%zu p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f p999_ms=%.3f "
           "max_ms=%.3f\n",
           accepted_count, took, answered_count - accepted_count, order_count - answered_count, percentile(0.5),
           percentile(0.9), percentile(0.99), percentile(0.999), latency_ms[answered_count - 1]);
    return 0;
}
