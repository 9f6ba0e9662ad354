#include "http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/address.h"

#define HOST_BYTES_MAX 253
#define LABEL_BYTES_MAX 63

static const char HTTP[] = "http://";
static const char HTTPS[] = "https://";

static bool has_prefix(struct text text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && strncasecmp(text.bytes, prefix, length) == 0;
}

static const char BAD_HOST[] = "must have a host that is a name or an address";

/* Percent-encoded bytes of the host: libcurl decodes them, others look that very name up. */
static bool is_host_encoded(struct text url, size_t host_start)
{
    for (size_t i = host_start; i < url.length && strchr("/?#", url.bytes[i]) == NULL; i++) {
        if (url.bytes[i] == '%') {
            return true;
        }
    }
    return false;
}

/* libcurl forgives a scheme with one slash or three, and takes bytes that other programs read in another way. */
static const char *find_fault_in_text(struct text url, bool allow_http)
{
    if (url.length > HTTP_URL_BYTES_MAX) {
        return "must be at most 2,048 bytes long";
    }
    for (size_t i = 0; i < url.length; i++) {
        if (url.bytes[i] <= ' ' || url.bytes[i] >= 0x7f) {
            return "must be ASCII without spaces and controls: a host in Punycode, the rest percent-encoded";
        }
        if (url.bytes[i] == '\\') {
            return "must have no backslash";
        }
    }
    bool is_http = has_prefix(url, HTTP);
    if (!has_prefix(url, HTTPS) && !(allow_http && is_http)) {
        return allow_http ? "must begin with https:// or http://" : "must begin with https://";
    }
    size_t scheme_length = is_http ? strlen(HTTP) : strlen(HTTPS);
    if (url.length == scheme_length || strchr("/?#:@", url.bytes[scheme_length]) != NULL) {
        return "must have a host behind the two slashes";
    }
    return is_host_encoded(url, scheme_length) ? BAD_HOST : NULL;
}

/* The host without the brackets of an IPv6 address and without the dot that may end a name. */
struct host {
    char text[HOST_BYTES_MAX + 1];
    bool is_ipv6;
};

static bool read_host(CURLU *handle, struct host *ret_host)
{
    char *part = NULL;
    if (curl_url_get(handle, CURLUPART_HOST, &part, 0) != CURLUE_OK) {
        return false;
    }
    struct host host = {.is_ipv6 = part[0] == '['};
    size_t length = strlen(part);
    length -= length > 0 && (part[length - 1] == '.' || part[length - 1] == ']') ? 1 : 0;
    length -= host.is_ipv6 ? 1 : 0;
    bool fits = length > 0 && length <= HOST_BYTES_MAX;
    if (fits) {
        memcpy(host.text, part + (host.is_ipv6 ? 1 : 0), length);
        *ret_host = host;
    }
    curl_free(part);
    return fits;
}

/* Letters, digits, hyphens (and underscores, which some have) in labels between dots. */
static bool is_host_name(const char *name)
{
    size_t label_length = 0;
    for (const char *at = name;; at++) {
        if (*at == '.' || *at == '\0') {
            if (label_length == 0 || label_length > LABEL_BYTES_MAX) {
                return false;
            }
            if (*at == '\0') {
                return true;
            }
            label_length = 0;
        } else if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *at) != NULL) {
            label_length++;
        } else {
            return false;
        }
    }
}

static bool has_part(CURLU *handle, CURLUPart part)
{
    char *value = NULL;
    bool has = curl_url_get(handle, part, &value, 0) == CURLUE_OK;
    curl_free(value);
    return has;
}

static bool is_port_zero(CURLU *handle)
{
    char *port = NULL;
    bool is_zero = curl_url_get(handle, CURLUPART_PORT, &port, 0) == CURLUE_OK && strcmp(port, "0") == 0;
    curl_free(port);
    return is_zero;
}

static const char *find_fault_in_parts(CURLU *handle, const char *url)
{
    static const char BAD_PORT[] = "must have a port between 1 and 65535, or none";
    switch (curl_url_set(handle, CURLUPART_URL, url, CURLU_DISALLOW_USER)) {
    case CURLUE_OK:
        break;
    case CURLUE_USER_NOT_ALLOWED:
        return "must have no user name or password";
    case CURLUE_BAD_PORT_NUMBER:
        return BAD_PORT;
    case CURLUE_BAD_HOSTNAME:
    case CURLUE_BAD_IPV6:
        return BAD_HOST;
    default:
        return "is malformed";
    }
    struct host host;
    if (!read_host(handle, &host) || has_part(handle, CURLUPART_ZONEID) ||
        (!host.is_ipv6 && !is_host_name(host.text))) {
        return BAD_HOST;
    }
    if (has_part(handle, CURLUPART_FRAGMENT) || strchr(url, '#') != NULL) {
        return "must have no fragment";
    }
    return is_port_zero(handle) ? BAD_PORT : NULL;
}

bool http_url_check(struct text url, bool allow_http, const char **ret_reason)
{
    const char *reason = find_fault_in_text(url, allow_http);
    CURLU *handle = reason == NULL ? curl_url() : NULL;
    if (handle != NULL) {
        char copy[HTTP_URL_BYTES_MAX + 1];
        snprintf(copy, sizeof(copy), "%.*s", (int)url.length, url.bytes);
        reason = find_fault_in_parts(handle, copy);
        curl_url_cleanup(handle);
    } else if (reason == NULL) {
        reason = "cannot be checked now";
    }
    if (reason != NULL) {
        *ret_reason = reason;
        return false;
    }
    return true;
}

/* inet_aton reads all the spellings that getaddrinfo takes for an address without asking anybody. */
static bool is_private(const struct host *host)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (host->is_ipv6) {
        return inet_pton(AF_INET6, host->text, &in6.sin6_addr) != 1 ||
               !http_address_is_public((const struct sockaddr *)&in6);
    }
    if (inet_aton(host->text, &in.sin_addr) != 0) {
        return !http_address_is_public((const struct sockaddr *)&in);
    }
    const char *last_label = strrchr(host->text, '.');
    return strcasecmp(last_label == NULL ? host->text : last_label + 1, "localhost") == 0;
}

bool http_url_is_private_literal(struct text url)
{
    char copy[HTTP_URL_BYTES_MAX + 1];
    CURLU *handle = curl_url();
    struct host host;
    snprintf(copy, sizeof(copy), "%.*s", (int)(url.length < sizeof(copy) ? url.length : sizeof(copy) - 1), url.bytes);
    bool result = handle != NULL && curl_url_set(handle, CURLUPART_URL, copy, 0) == CURLUE_OK &&
                  read_host(handle, &host) && is_private(&host);
    curl_url_cleanup(handle);
    return result;
}
