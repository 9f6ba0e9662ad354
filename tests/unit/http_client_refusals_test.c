#include "cmocka_all.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/client.h"
#include "support/authority.h"
#include "support/receiver.h"

#define SHORT_MS 200
#define SHORT_MS_MIN (SHORT_MS - 5) /* libcurl counts for itself */
#define DAY_SECONDS 86400

/* ---- A name server of our own: libcurl's getaddrinfo is this one ---- */

#define PUBLIC_ADDRESS "93.184.215.14" /* is never connected to: see connect */

static const struct {
    const char *name;
    const char *addresses[2]; /* NULL: there is no such name */
} NAMES[] = {
    {"shop.test", {"127.0.0.1"}},
    {"other.test", {"127.0.0.1"}},
    {"private.test", {"10.1.2.3"}},
    {"private6.test", {"fd00::1"}},
    {"metadata.test", {"169.254.169.254"}},
    {"mapped.test", {"::ffff:127.0.0.1"}},
    {"nat64.test", {"64:ff9b::7f00:1"}},
    {"6to4.test", {"2002:7f00:1::1"}},
    {"zero.test", {"0.0.0.0"}},
    {"loopback6.test", {"::1"}},
    {"slow.test", {"127.0.0.1"}},
    {"public.test", {PUBLIC_ADDRESS}},
    {"half_public.test", {PUBLIC_ADDRESS, "127.0.0.1"}},
    {"half_private.test", {"127.0.0.1", PUBLIC_ADDRESS}},
    {"rebound.test", {PUBLIC_ADDRESS}}, /* at first */
    {"nowhere.test", {NULL}},
};

static atomic_uint asked;        /* for slow.test */
static _Atomic bool is_released; /* it is told */
static _Atomic bool is_rebound;  /* rebound.test is 127.0.0.1 from now on */
static atomic_uint connects_out; /* to the public address */

static int real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret_list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, ret_list);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header has reserved ones */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list)
{
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (name == NULL || strcmp(name, NAMES[i].name) != 0) {
            continue;
        }
        if (strcmp(name, "slow.test") == 0) {
            asked++;
            for (int waited = 0; !is_released && waited < PATIENCE_MS; waited++) {
                (void)usleep(1000);
            }
        }
        struct addrinfo any = {.ai_socktype = SOCK_STREAM};
        const char *first = is_rebound && strcmp(name, "rebound.test") == 0 ? "127.0.0.1" : NAMES[i].addresses[0];
        int status = first == NULL ? EAI_NONAME : real_getaddrinfo(first, service, &any, ret_list);
        if (status == 0 && NAMES[i].addresses[1] != NULL) {
            status = real_getaddrinfo(NAMES[i].addresses[1], service, &any, &(*ret_list)->ai_next);
        }
        return status;
    }
    return real_getaddrinfo(name, service, hints, ret_list);
}

/* Nothing here leaves this machine. The type is the C library's own, which takes any kind of address. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): as above */
int connect(int descriptor, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    struct sockaddr_in in;
    struct in_addr public_address;
    int (*real)(int, __CONST_SOCKADDR_ARG, socklen_t);
    (void)inet_pton(AF_INET, PUBLIC_ADDRESS, &public_address);
    memcpy(&in, address.__sockaddr__, length < sizeof(in) ? length : sizeof(in));
    if (in.sin_family == AF_INET && in.sin_addr.s_addr == public_address.s_addr) {
        connects_out++;
        errno = ECONNREFUSED;
        return -1;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "connect");
    return real(descriptor, address, length);
}

static void serve_ok(struct visit *visit)
{
    while (visit_read_request(visit) && visit_say(visit, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) {}
}

static struct answer ask(struct http_client_options options, const char *url)
{
    struct http_client *client = client_new(options);
    struct answer answer = client_ask(client, url);
    http_client_free(client);
    return answer;
}

/* ---- URLs ---- */

static void only_https_is_asked_unless_http_is_allowed(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct answer answer = ask(options, receiver_url(receiver));
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    options.allow_http = false;
    answer = ask(options, receiver_url(receiver));
    assert_outcome(&answer, HTTP_CLIENT_URL_REFUSED);
    assert_int_equal(receiver_visits(receiver), 1);
    receiver_stop(receiver);
}

static void no_other_kind_of_url_is_asked(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:///etc/passwd",      "ftp://127.0.0.1/",
                                       "gopher://127.0.0.1/",     "dict://127.0.0.1/",
                                       "smtp://127.0.0.1/",       "http://user:secret@127.0.0.1/",
                                       "https://user@127.0.0.1/", "http://",
                                       "http://127.0.0.1:99999/", "http://a b/",
                                       "nonsense://127.0.0.1/",   ""};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct answer answer = ask(client_options(), urls[i]);
        assert_outcome(&answer, HTTP_CLIENT_URL_REFUSED);
        assert_int_equal(answer.status, 0);
    }
}

/* ---- Addresses and names ---- */

static void no_private_address_is_connected_to(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "0x7f.1",
                                        "2130706433",
                                        "0x7f000001",
                                        "0177.0.0.1",
                                        "017700000001",
                                        "%31%32%37.0.0.1",
                                        "0.0.0.0",
                                        "[::1]",
                                        "[::]",
                                        "10.0.0.1",
                                        "172.16.0.1",
                                        "192.168.1.1",
                                        "169.254.169.254",
                                        "[fc00::1]",
                                        "[fe80::1]",
                                        "[fd12:3456::1]",
                                        "100.64.0.1",
                                        "224.0.0.1",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:169.254.169.254]",
                                        "[::127.0.0.1]",
                                        "[64:ff9b::7f00:1]",
                                        "[2002:7f00:1::]",
                                        "[fd00:ec2::254]",
                                        "[ff02::1]",
                                        "168.63.129.16",
                                        "192.0.0.192",
                                        "198.18.0.1",
                                        "255.255.255.255",
                                        "localhost",
                                        "LOCALHOST",
                                        "private.test",
                                        "private6.test",
                                        "metadata.test",
                                        "mapped.test",
                                        "nat64.test",
                                        "6to4.test",
                                        "zero.test",
                                        "loopback6.test",
                                        "shop.test"};
    struct http_client_options options = client_options();
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    options.allow_private = false;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct answer answer = ask(options, receiver_url_of(receiver, "http", hosts[i]));
        if (answer.outcome != HTTP_CLIENT_ADDRESS_REFUSED) {
            print_error("%s\n", hosts[i]);
        }
        assert_outcome(&answer, HTTP_CLIENT_ADDRESS_REFUSED);
    }
    assert_int_equal(receiver_visits(receiver), 0);
    options.allow_private = true;
    struct answer answer = ask(options, receiver_url_of(receiver, "http", "shop.test"));
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    receiver_stop(receiver);
}

/* It is the address of the very connection that is judged, not one that was looked up before. */
static void a_name_that_has_moved_to_a_private_address_is_refused(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    const char *url = receiver_url_of(receiver, "http", "rebound.test");
    options.allow_private = false;
    is_rebound = false;
    connects_out = 0;
    struct answer answer = ask(options, url);
    assert_outcome(&answer, HTTP_CLIENT_CONNECT_FAILED);
    assert_int_equal(connects_out, 1);
    is_rebound = true;
    answer = ask(options, url);
    assert_outcome(&answer, HTTP_CLIENT_ADDRESS_REFUSED);
    assert_int_equal(connects_out, 1);
    assert_int_equal(receiver_visits(receiver), 0);
    receiver_stop(receiver);
}

static void of_several_addresses_only_the_public_ones_are_tried(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    options.allow_private = false;
    connects_out = 0;
    static const char *const hosts[] = {"half_public.test", "half_private.test"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct answer answer = ask(options, receiver_url_of(receiver, "http", hosts[i]));
        assert_outcome(&answer, HTTP_CLIENT_ADDRESS_REFUSED); /* and would not be, had the public one answered */
        assert_int_equal(connects_out, i + 1);
    }
    assert_int_equal(receiver_visits(receiver), 0);
    options.allow_private = true;
    struct answer answer = ask(options, receiver_url_of(receiver, "http", "half_public.test"));
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    receiver_stop(receiver);
}

static void a_name_that_is_nowhere_is_not_resolved(void **state)
{
    (void)state;
    struct answer answer = ask(client_options(), "http://nowhere.test/");
    assert_outcome(&answer, HTTP_CLIENT_NAME_NOT_RESOLVED);
}

/* Begins to ask for slow.test, and waits until the name server has that. */
static void begin_slow(struct http_client *client, struct answer *answer)
{
    unsigned before = asked;
    is_released = false;
    assert_non_null(client_begin(client, "http://slow.test/", answer));
    while (asked == before) {
        (void)http_client_run(client, -1, 10);
    }
}

static void a_slow_name_server_holds_up_nobody_else(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct answer slow;
    options.connect_timeout_ms = SHORT_MS;
    struct receiver *receiver = receiver_start(serve_ok, NULL);
    struct http_client *client = client_new(options);
    begin_slow(client, &slow);
    client_wait(client, &slow);
    assert_outcome(&slow, HTTP_CLIENT_TIMED_OUT);
    assert_in_range(slow.duration_ms, SHORT_MS_MIN, PATIENCE_MS / 2);
    struct answer other = client_ask(client, receiver_url(receiver));
    assert_outcome(&other, HTTP_CLIENT_ANSWERED);
    http_client_free(client);
    receiver_stop(receiver);
    is_released = true;
}

static void a_name_that_is_being_looked_up_holds_up_no_end(void **state)
{
    (void)state;
    struct answer slow;
    struct answer cancelled;
    struct http_client *client = client_new(client_options());
    int64_t begin_us = clock_monotonic_us();
    begin_slow(client, &slow);
    http_client_cancel(client, client_begin(client, "http://slow.test/", &cancelled));
    http_client_free(client);
    assert_in_range(clock_monotonic_us() - begin_us, 0, PATIENCE_MS * 1000 / 2);
    assert_false(slow.has_come);
    is_released = true;
}

/* ---- Certificates ---- */

/* What becomes of asking a receiver for `host` that has a certificate for `names`. */
static struct answer ask_tls(const struct authority *authority, const char *names, long valid_seconds, const char *host,
                             const char *ca_bundle_path)
{
    struct http_client_options options = client_options();
    options.allow_http = false;
    options.ca_bundle_path = ca_bundle_path;
    SSL_CTX *tls = authority_server(authority, names, valid_seconds);
    struct receiver *receiver = receiver_start(serve_ok, tls);
    struct answer answer = ask(options, receiver_url_of(receiver, "https", host));
    assert_int_equal(receiver_requests(receiver), answer.outcome == HTTP_CLIENT_ANSWERED ? 1 : 0);
    receiver_stop(receiver);
    SSL_CTX_free(tls);
    return answer;
}

static void a_certificate_has_to_be_of_a_known_authority_and_for_the_host_and_in_force(void **state)
{
    const struct authority *authority = *state;
    const char *bundle = authority_bundle_path(authority);
    static const char names[] = "DNS:shop.test,IP:127.0.0.1";
    struct answer answer = ask_tls(authority, names, DAY_SECONDS, "shop.test", bundle);
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    assert_int_equal(answer.status, 200);
    answer = ask_tls(authority, names, DAY_SECONDS, "127.0.0.1", bundle);
    assert_outcome(&answer, HTTP_CLIENT_ANSWERED);
    answer = ask_tls(authority, names, DAY_SECONDS, "shop.test", NULL); /* the system's authorities */
    assert_outcome(&answer, HTTP_CLIENT_TLS_FAILED);
    answer = ask_tls(authority, names, DAY_SECONDS, "other.test", bundle);
    assert_outcome(&answer, HTTP_CLIENT_TLS_FAILED);
    answer = ask_tls(authority, names, -60, "shop.test", bundle);
    assert_outcome(&answer, HTTP_CLIENT_TLS_FAILED);
    struct authority *stranger = authority_new();
    answer = ask_tls(authority, names, DAY_SECONDS, "shop.test", authority_bundle_path(stranger));
    assert_outcome(&answer, HTTP_CLIENT_TLS_FAILED);
    authority_free(stranger);
}

static void tls_older_than_1_2_is_refused(void **state)
{
    const struct authority *authority = *state;
    static const int versions[] = {TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    struct http_client_options options = client_options();
    options.ca_bundle_path = authority_bundle_path(authority);
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        SSL_CTX *tls = authority_server(authority, "DNS:shop.test", DAY_SECONDS);
        SSL_CTX_set_security_level(tls, 0); /* or OpenSSL itself would not speak the old one */
        SSL_CTX_set_min_proto_version(tls, versions[i]);
        SSL_CTX_set_max_proto_version(tls, versions[i]);
        struct receiver *receiver = receiver_start(serve_ok, tls);
        struct answer answer = ask(options, receiver_url_of(receiver, "https", "shop.test"));
        assert_outcome(&answer, versions[i] == TLS1_1_VERSION ? HTTP_CLIENT_TLS_FAILED : HTTP_CLIENT_ANSWERED);
        receiver_stop(receiver);
        SSL_CTX_free(tls);
    }
}

static void greet(struct visit *visit)
{
    (void)visit_say(visit, "220 mail.example ESMTP\r\n");
    visit_linger(visit);
}

static void a_receiver_that_speaks_no_tls_is_refused(void **state)
{
    (void)state;
    struct receiver *receiver = receiver_start(greet, NULL);
    struct answer answer = ask(client_options(), receiver_url_of(receiver, "https", "127.0.0.1"));
    assert_outcome(&answer, HTTP_CLIENT_TLS_FAILED);
    receiver_stop(receiver);
}

static void a_bundle_of_authorities_that_cannot_be_read_is_a_fault_at_the_start(void **state)
{
    (void)state;
    struct http_client_options options = client_options();
    struct http_client *client = NULL;
    struct fault fault = {.kind = FAULT_NONE};
    options.ca_bundle_path = "/nowhere/authorities.pem";
    assert_false(http_client_new(&options, &client, &fault));
    assert_null(client);
    assert_int_equal(fault.kind, FAULT_UNAVAILABLE);
    assert_non_null(strstr(fault.detail, "/nowhere/authorities.pem"));
}

static int make_authority(void **state)
{
    *state = authority_new();
    return 0;
}

static int free_authority(void **state)
{
    authority_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_https_is_asked_unless_http_is_allowed),
        cmocka_unit_test(no_other_kind_of_url_is_asked),
        cmocka_unit_test(no_private_address_is_connected_to),
        cmocka_unit_test(a_name_that_has_moved_to_a_private_address_is_refused),
        cmocka_unit_test(of_several_addresses_only_the_public_ones_are_tried),
        cmocka_unit_test(a_name_that_is_nowhere_is_not_resolved),
        cmocka_unit_test(a_slow_name_server_holds_up_nobody_else),
        cmocka_unit_test(a_name_that_is_being_looked_up_holds_up_no_end),
        cmocka_unit_test(a_certificate_has_to_be_of_a_known_authority_and_for_the_host_and_in_force),
        cmocka_unit_test(tls_older_than_1_2_is_refused),
        cmocka_unit_test(a_receiver_that_speaks_no_tls_is_refused),
        cmocka_unit_test(a_bundle_of_authorities_that_cannot_be_read_is_a_fault_at_the_start),
    };
    return cmocka_run_group_tests(tests, make_authority, free_authority);
}
