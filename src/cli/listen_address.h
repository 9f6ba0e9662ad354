#ifndef HOLDFAST_CLI_LISTEN_ADDRESS_H
#define HOLDFAST_CLI_LISTEN_ADDRESS_H

/* --listen: 127.0.0.1:8080, [::1]:8080, localhost:8080, :8080 (every IPv4 address), port 0 (the kernel chooses). */

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

#define LISTEN_HOST_LENGTH_MAX 255
#define LISTEN_TEXT_LENGTH_MAX (LISTEN_HOST_LENGTH_MAX + 8)

struct listen_address {
    char host[LISTEN_HOST_LENGTH_MAX + 1]; /* as written; after listen_address_resolve: numeric */
    uint16_t port;
    bool is_loopback; /* known after listen_address_resolve */
};

MUST_USE bool listen_address_parse(const char *text, struct listen_address *ret_address);
/* Looks the host up. False: it has no address; *ret_reason is the resolver's word. */
MUST_USE bool listen_address_resolve(struct listen_address *address, const char **ret_reason);
/* "127.0.0.1:8080", "[::1]:8080" */
void listen_address_format(const struct listen_address *address, uint16_t port,
                           char ret_text[LISTEN_TEXT_LENGTH_MAX + 1]);

#endif
