/* Stands between a client and a server and delays what passes: half of DELAY_US each way. Each piece of a stream is
 * passed on that long after it came, however much came before it, so a round trip takes longer and the bandwidth stays.
 * Usage: delay_proxy LISTEN_PORT TARGET_HOST:PORT DELAY_US. It prints its port, which port 0 lets the system choose. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX 512
#define PIECE_BYTES (64 * 1024)
#define FLOW_BYTES_MAX ((size_t)16 * 1024 * 1024) /* under way in one direction; more waits in the sender's socket */

struct piece {
    int64_t due_ns;
    size_t length;
    size_t sent;
    struct piece *next;
    char bytes[];
};

/* One direction of a connection. */
struct flow {
    int from;
    int to;
    struct piece *first;
    struct piece *last;
    size_t queued_bytes;
    bool source_ended; /* nothing more comes */
    bool ended;        /* and everything was passed on */
};

struct link {
    struct flow flows[2];
};

static struct link *links[LINKS_MAX];
static size_t link_count;
static int64_t delay_ns;

static void die(const char *what)
{
    fprintf(stderr, "delay_proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int open_listener(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(listener, (const struct sockaddr *)&address, length) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        die("cannot listen");
    }
    printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return listener;
}

static struct addrinfo *resolve(char *target)
{
    char *colon = strrchr(target, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (colon != NULL) {
        *colon = '\0';
    }
    if (colon == NULL || getaddrinfo(target, colon + 1, &hints, &found) != 0) {
        fprintf(stderr, "delay_proxy: the target is HOST:PORT, and is not found\n");
        exit(1);
    }
    return found;
}

static void prepare_socket(int socket)
{
    int on = 1;
    if (fcntl(socket, F_SETFL, O_NONBLOCK) != 0 || setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
        die("cannot prepare a socket");
    }
}

static void link_open(int listener, const struct addrinfo *target)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    int server = socket(target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || link_count == LINKS_MAX || connect(server, target->ai_addr, target->ai_addrlen) != 0) {
        close(client);
        if (server >= 0) {
            close(server);
        }
        return;
    }
    prepare_socket(client);
    prepare_socket(server);
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        die("no memory");
    }
    link->flows[0] = (struct flow){.from = client, .to = server};
    link->flows[1] = (struct flow){.from = server, .to = client};
    links[link_count++] = link;
}

static void flow_drop(struct flow *flow)
{
    while (flow->first != NULL) {
        struct piece *piece = flow->first;
        flow->first = piece->next;
        free(piece);
    }
}

static void link_close(size_t number)
{
    struct link *link = links[number];
    flow_drop(&link->flows[0]);
    flow_drop(&link->flows[1]);
    close(link->flows[0].from);
    close(link->flows[1].from);
    free(link);
    links[number] = links[--link_count];
}

/* False: the connection is broken. */
static bool flow_read(struct flow *flow)
{
    char bytes[PIECE_BYTES];
    ssize_t length = recv(flow->from, bytes, sizeof(bytes), 0);
    if (length < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (length == 0) {
        flow->source_ended = true;
        return true;
    }
    struct piece *piece = malloc(sizeof(*piece) + (size_t)length);
    if (piece == NULL) {
        die("no memory");
    }
    *piece = (struct piece){.due_ns = now_ns() + delay_ns / 2, .length = (size_t)length};
    memcpy(piece->bytes, bytes, (size_t)length);
    if (flow->first == NULL) {
        flow->first = piece;
    } else {
        flow->last->next = piece;
    }
    flow->last = piece;
    flow->queued_bytes += piece->length;
    return true;
}

/* Passes on what is due, as far as the receiver takes it. False: the connection is broken. */
static bool flow_write(struct flow *flow)
{
    int64_t now = now_ns();
    while (flow->first != NULL && flow->first->due_ns <= now) {
        struct piece *piece = flow->first;
        ssize_t sent = send(flow->to, piece->bytes + piece->sent, piece->length - piece->sent, MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        piece->sent += (size_t)sent;
        if (piece->sent < piece->length) {
            return true;
        }
        flow->first = piece->next;
        flow->queued_bytes -= piece->length;
        free(piece);
    }
    if (flow->source_ended && flow->first == NULL && !flow->ended) {
        flow->ended = true;
        (void)shutdown(flow->to, SHUT_WR);
    }
    return true;
}

/* The two entries of a link: each socket is read for one direction and written for the other. */
static void watch(const struct link *link, struct pollfd polled[2], int64_t now, int64_t *wake_ns)
{
    for (size_t i = 0; i < 2; i++) {
        const struct flow *in = &link->flows[i];
        const struct flow *out = &link->flows[1 - i];
        bool reads = !in->source_ended && in->queued_bytes < FLOW_BYTES_MAX;
        bool writes = out->first != NULL && out->first->due_ns <= now; /* the socket was full */
        polled[i] = (struct pollfd){.fd = reads || writes ? in->from : -1,
                                    .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
        if (out->first != NULL && out->first->due_ns > now && out->first->due_ns < *wake_ns) {
            *wake_ns = out->first->due_ns;
        }
    }
}

static bool link_move(struct link *link, const struct pollfd polled[2])
{
    for (size_t i = 0; i < 2; i++) {
        if ((polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !flow_read(&link->flows[i])) {
            return false;
        }
    }
    return flow_write(&link->flows[0]) && flow_write(&link->flows[1]) &&
           !(link->flows[0].ended && link->flows[1].ended);
}

static void run(int listener, const struct addrinfo *target)
{
    static struct pollfd polled[1 + 2 * LINKS_MAX];
    for (;;) {
        int64_t now = now_ns();
        int64_t wake_ns = INT64_MAX;
        size_t count = link_count;
        polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            watch(links[i], &polled[1 + 2 * i], now, &wake_ns);
        }
        int64_t wait_ns = wake_ns - now;
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        if (ppoll(polled, 1 + 2 * count, wake_ns == INT64_MAX ? NULL : &wait, NULL) < 0 && errno != EINTR) {
            die("poll");
        }
        for (size_t i = count; i-- > 0;) { /* from behind, since closing moves the last one into the gap */
            if (!link_move(links[i], &polled[1 + 2 * i])) {
                link_close(i);
            }
        }
        if ((polled[0].revents & POLLIN) != 0) {
            link_open(listener, target);
        }
    }
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 4) {
        fprintf(stderr, "usage: delay_proxy LISTEN_PORT TARGET_HOST:PORT DELAY_US\n");
        return 2;
    }
    delay_ns = (int64_t)strtoul(arguments[3], NULL, 10) * 1000;
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel wakes it up to 50 us late */
    struct addrinfo *target = resolve(arguments[2]);
    run(open_listener(arguments[1]), target);
}
