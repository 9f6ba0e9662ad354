/* URLs of webhook endpoints, which strangers choose: whatever passes has one host by every reading, and no literal address
 * that is not public. The input is the URL.
 *
 * Held against three readings of others: a split by the letter of RFC 3986, libcurl's (which connects), and getaddrinfo's
 * of what is no name (AI_NUMERICHOST: nobody is asked). */

#include "fuzz.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "http/url.h"

/* The host as it stands in an URL, by RFC 3986, 3.2: what passes has no user info. */
static struct text host_of(struct text url)
{
    size_t at = 0;
    while (url.bytes[at] != '/') {
        at++;
    }
    at += 2;
    size_t end = at;
    bool is_literal = url.bytes[at] == '[';
    while (end < url.length && strchr(is_literal ? "]/?#" : ":/?#", url.bytes[end]) == NULL) {
        assert(url.bytes[end] != '@');
        end++;
    }
    end += is_literal;
    assert(end <= url.length);
    return (struct text){url.bytes + at, end - at};
}

/* libcurl writes addresses in their usual form: 127.1 becomes 127.0.0.1. */
static bool is_same_host(struct text host, const char *other)
{
    char copy[HTTP_URL_BYTES_MAX + 1];
    struct in6_addr a;
    struct in6_addr b;
    snprintf(copy, sizeof(copy), "%.*s", (int)host.length, host.bytes);
    if (inet_aton(copy, (struct in_addr *)&a) != 0 && inet_aton(other, (struct in_addr *)&b) != 0) {
        return memcmp(&a, &b, sizeof(struct in_addr)) == 0;
    }
    if (copy[0] == '[' && other[0] == '[') {
        char other_copy[sizeof(copy)];
        snprintf(other_copy, sizeof(other_copy), "%s", other);
        copy[strlen(copy) - 1] = other_copy[strlen(other_copy) - 1] = '\0';
        return inet_pton(AF_INET6, copy + 1, &a) == 1 && inet_pton(AF_INET6, other_copy + 1, &b) == 1 &&
               memcmp(&a, &b, sizeof(a)) == 0;
    }
    return strcasecmp(copy, other) == 0;
}

static void check_host_is_curls(const char *url, struct text host)
{
    char *part = NULL;
    CURLU *handle = curl_url();
    assert(handle != NULL && curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK);
    assert(curl_url_get(handle, CURLUPART_HOST, &part, 0) == CURLUE_OK);
    assert(is_same_host(host, part));
    curl_free(part);
    assert(curl_url_get(handle, CURLUPART_USER, &part, 0) == CURLUE_NO_USER);
    assert(curl_url_get(handle, CURLUPART_PASSWORD, &part, 0) == CURLUE_NO_PASSWORD);
    assert(curl_url_get(handle, CURLUPART_FRAGMENT, &part, 0) == CURLUE_NO_FRAGMENT);
    assert(curl_url_get(handle, CURLUPART_PORT, &part, CURLU_DEFAULT_PORT) == CURLUE_OK);
    assert(strcmp(part, "0") != 0);
    curl_free(part);
    curl_url_cleanup(handle);
}

/* The few networks that nobody may forget, written once more and in another way than in http/address.c. */
static bool is_surely_private(const struct sockaddr *address)
{
    uint32_t ip = 0;
    if (address->sa_family == AF_INET) {
        ip = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
    } else {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(in6)) {
            return IN6_IS_ADDR_UNSPECIFIED(in6) || IN6_IS_ADDR_LOOPBACK(in6) || IN6_IS_ADDR_LINKLOCAL(in6) ||
                   IN6_IS_ADDR_SITELOCAL(in6) || IN6_IS_ADDR_MULTICAST(in6) || IN6_IS_ADDR_V4COMPAT(in6) ||
                   (in6->s6_addr[0] & 0xfe) == 0xfc;
        }
        memcpy(&ip, in6->s6_addr + 12, sizeof(ip));
        ip = ntohl(ip);
    }
    return ip >> 24 == 0 || ip >> 24 == 10 || ip >> 24 == 127 || ip >> 16 == 0xa9fe || ip >> 16 == 0xc0a8 ||
           ip >> 20 == 0xac1 || ip >> 22 == 0x64400000 >> 22 || ip >> 28 >= 14;
}

static void check_address(struct text url, struct text host)
{
    bool has_brackets = host.bytes[0] == '[';
    char name[HTTP_URL_BYTES_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", (int)host.length - (has_brackets ? 2 : 0), host.bytes + has_brackets);
    static const struct addrinfo HINTS = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(name, NULL, &HINTS, &found) != 0) {
        assert(!has_brackets);
        return;
    }
    assert(!is_surely_private(found->ai_addr) || http_url_is_private_literal(url));
    freeaddrinfo(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text url = {(const char *)data, size};
    const char *reason = NULL;
    bool is_good = http_url_check(url, true, &reason);
    assert(is_good == (reason == NULL));
    const char *https_reason = NULL;
    bool is_good_https = http_url_check(url, false, &https_reason);
    assert(!is_good_https || (is_good && strncasecmp(url.bytes, "https://", 8) == 0));
    bool is_private = http_url_is_private_literal(url); /* must bear any text, too */
    if (!is_good) {
        return 0;
    }
    assert(size <= HTTP_URL_BYTES_MAX && text_is_utf8(url) && !text_has_control(url));
    char copy[HTTP_URL_BYTES_MAX + 1];
    snprintf(copy, sizeof(copy), "%.*s", (int)size, url.bytes);
    struct text host = host_of(url);
    check_host_is_curls(copy, host);
    check_address(url, host);
    assert(is_private == http_url_is_private_literal(url));
    return 0;
}
