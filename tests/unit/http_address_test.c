#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "cmocka_all.h"

#include "http/address.h"

static bool is_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return http_address_is_public((const struct sockaddr *)&in);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return http_address_is_public((const struct sockaddr *)&in6);
}

static void addresses_on_the_internet_are_public(void **state)
{
    (void)state;
    static const char *const ADDRESSES[] = {
        "1.1.1.1",         "8.8.8.8",       "9.255.255.255", "11.0.0.0",     "100.63.255.255", "100.128.0.0",
        "126.255.0.1",     "128.0.0.1",     "169.253.0.1",   "169.255.0.1",  "172.15.255.255", "172.32.0.0",
        "192.0.1.255",     "192.0.3.0",     "192.31.196.1",  "192.88.98.1",  "192.167.0.1",    "192.169.0.1",
        "198.17.0.1",      "198.20.0.0",    "198.51.99.1",   "198.51.101.1", "203.0.112.1",    "203.0.114.0",
        "223.255.255.255", "168.63.129.15", "168.63.129.17", "2606:4700::1", "2001:200::1",    "2001:4860:4860::8888",
        "2001:db7::1",     "2001:db9::1",   "2003::1",       "2a00:1450::1", "3fff:1000::1",   "2620:0:ccc::2",
    };
    for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++) {
        if (!is_public(ADDRESSES[i])) {
            fail_msg("%s is public", ADDRESSES[i]);
        }
    }
}

static void special_addresses_are_not_public(void **state)
{
    (void)state;
    static const char *const ADDRESSES[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::",
        "2001:db8::1",
        "2001:db8:ffff::",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "1fff::1",
        "4000::1",
    };
    for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++) {
        if (is_public(ADDRESSES[i])) {
            fail_msg("%s is not public", ADDRESSES[i]);
        }
    }
}

static void other_families_are_not_public(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    assert_false(http_address_is_public((const struct sockaddr *)&un));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_on_the_internet_are_public),
        cmocka_unit_test(special_addresses_are_not_public),
        cmocka_unit_test(other_families_are_not_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
