#include "cli/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

bool listen_address_parse(const char *text, struct listen_address *ret_address)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (colon == NULL || !text_to_int64(text_from_c(colon + 1), &port) || port < 0 || port > UINT16_MAX) {
        return false;
    }
    struct text host = {text, (size_t)(colon - text)};
    if (host.length >= 2 && host.bytes[0] == '[' && host.bytes[host.length - 1] == ']') {
        host = (struct text){host.bytes + 1, host.length - 2};
    } else if (memchr(host.bytes, ':', host.length) != NULL) {
        return false; /* an IPv6 address without brackets: where it ends and the port begins is a guess */
    } else if (host.length == 0) {
        host = TEXT_LITERAL("0.0.0.0");
    }
    if (host.length == 0 || host.length > LISTEN_HOST_LENGTH_MAX) {
        return false;
    }
    memset(ret_address, 0, sizeof(*ret_address));
    memcpy(ret_address->host, host.bytes, host.length);
    ret_address->port = (uint16_t)port;
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    }
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof(v6));
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

bool listen_address_resolve(struct listen_address *address, const char **ret_reason)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    int status = getaddrinfo(address->host, NULL, &hints, &found);
    if (status != 0) {
        *ret_reason = gai_strerror(status);
        return false;
    }
    address->is_loopback = is_loopback(found->ai_addr);
    status =
        getnameinfo(found->ai_addr, found->ai_addrlen, address->host, sizeof(address->host), NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    *ret_reason = gai_strerror(status);
    return status == 0;
}

void listen_address_format(const struct listen_address *address, uint16_t port,
                           char ret_text[LISTEN_TEXT_LENGTH_MAX + 1])
{
    bool is_v6 = strchr(address->host, ':') != NULL;
    snprintf(ret_text, LISTEN_TEXT_LENGTH_MAX + 1, "%s%s%s:%u", is_v6 ? "[" : "", address->host, is_v6 ? "]" : "",
             (unsigned)port);
}
