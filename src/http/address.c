#include "http/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ipv4_range {
    uint8_t prefix[4];
    uint8_t bits;
};

/* https://www.iana.org/assignments/iana-ipv4-special-registry, but for what is registered there and public (AS112, AMT). */
static const struct ipv4_range IPV4_CLOSED[] = {
    {{0, 0, 0, 0}, 8},        /* this network; 0.0.0.0 reaches this machine */
    {{10, 0, 0, 0}, 8},       /* private */
    {{100, 64, 0, 0}, 10},    /* behind a carrier's NAT */
    {{127, 0, 0, 0}, 8},      /* loopback */
    {{168, 63, 129, 16}, 32}, /* not IANA's: what a machine on Azure is managed by, and only such a machine reaches */
    {{169, 254, 0, 0}, 16},   /* link-local, and clouds' metadata */
    {{172, 16, 0, 0}, 12},    /* private */
    {{192, 0, 0, 0}, 24},     /* IETF protocol assignments */
    {{192, 0, 2, 0}, 24},     /* documentation */
    {{192, 88, 99, 0}, 24},   /* 6to4 relays, abolished */
    {{192, 168, 0, 0}, 16},   /* private */
    {{198, 18, 0, 0}, 15},    /* benchmarking */
    {{198, 51, 100, 0}, 24},  /* documentation */
    {{203, 0, 113, 0}, 24},   /* documentation */
    {{224, 0, 0, 0}, 4},      /* multicast */
    {{240, 0, 0, 0}, 4},      /* reserved, and broadcast */
};

struct ipv6_range {
    uint8_t prefix[4]; /* none of them needs more */
    uint8_t bits;
};

/* All global unicast is within this one, https://www.iana.org/assignments/ipv6-address-space: loopback, mapped and
 * translated IPv4 (::ffff:0:0/96, 64:ff9b::/96), unique local, link-local, multicast and the rest are outside. */
static const struct ipv6_range IPV6_OPEN = {{0x20}, 3};

/* What https://www.iana.org/assignments/iana-ipv6-special-registry takes out of that. */
static const struct ipv6_range IPV6_CLOSED[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* IETF protocol assignments: Teredo, benchmarking, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: an IPv4 address within */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static bool begins_with(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
    unsigned whole_bytes = bits / 8;
    unsigned mask = 0xffu << (8 - bits % 8) & 0xff;
    return memcmp(address, prefix, whole_bytes) == 0 &&
           (bits % 8 == 0 || ((address[whole_bytes] ^ prefix[whole_bytes]) & mask) == 0);
}

static bool ipv4_is_public(const uint8_t bytes[4])
{
    for (size_t i = 0; i < sizeof(IPV4_CLOSED) / sizeof(IPV4_CLOSED[0]); i++) {
        if (begins_with(bytes, IPV4_CLOSED[i].prefix, IPV4_CLOSED[i].bits)) {
            return false;
        }
    }
    return true;
}

static bool ipv6_is_public(const uint8_t bytes[16])
{
    for (size_t i = 0; i < sizeof(IPV6_CLOSED) / sizeof(IPV6_CLOSED[0]); i++) {
        if (begins_with(bytes, IPV6_CLOSED[i].prefix, IPV6_CLOSED[i].bits)) {
            return false;
        }
    }
    return begins_with(bytes, IPV6_OPEN.prefix, IPV6_OPEN.bits);
}

bool http_address_is_public(const struct sockaddr *address)
{
    /* Copied, since a sockaddr may lie at any address. */
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        uint8_t bytes[4];
        memcpy(bytes, &in.sin_addr, sizeof(bytes));
        return ipv4_is_public(bytes);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return ipv6_is_public(in6.sin6_addr.s6_addr);
    }
    return false;
}
