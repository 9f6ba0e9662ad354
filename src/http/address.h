#ifndef HOLDFAST_HTTP_ADDRESS_H
#define HOLDFAST_HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether an address is anybody's on the internet (global unicast), and so may be asked for whoever names it: not this
 * machine, its network, a cloud's inner services, or an IPv4 address wrapped into an IPv6 one. After the IANA registries
 * of special-purpose addresses, which change rarely: what was registered by 2026 is known. Other families than AF_INET
 * and AF_INET6: false. */
bool http_address_is_public(const struct sockaddr *address);

#endif
