#include <string.h>

#include "cli/listen_address.h"
#include "cmocka_all.h"

static struct listen_address resolved(const char *text)
{
    struct listen_address address;
    const char *reason = NULL;
    assert_true(listen_address_parse(text, &address));
    assert_true(listen_address_resolve(&address, &reason));
    return address;
}

static void hosts_and_ports_are_told_apart(void **state)
{
    (void)state;
    struct listen_address address;
    assert_true(listen_address_parse("127.0.0.1:8080", &address));
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_equal(address.port, 8080);
    assert_true(listen_address_parse("[::1]:80", &address));
    assert_string_equal(address.host, "::1");
    assert_int_equal(address.port, 80);
    assert_true(listen_address_parse(":0", &address));
    assert_string_equal(address.host, "0.0.0.0");
    assert_int_equal(address.port, 0);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",         "8080",    "localhost", "localhost:",         "localhost:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "::1:8080", "[]:8080", "[::1]",     "http://localhost:80"};
    struct listen_address address;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        assert_false(listen_address_parse(BAD[i], &address));
    }
}

static void loopback_is_judged_by_the_resolved_address(void **state)
{
    (void)state;
    assert_true(resolved("127.0.0.1:1").is_loopback);
    assert_true(resolved("127.9.9.9:1").is_loopback);
    assert_true(resolved("[::1]:1").is_loopback);
    assert_true(resolved("[::ffff:127.0.0.1]:1").is_loopback);
    assert_true(resolved("localhost:1").is_loopback);
    assert_false(resolved("0.0.0.0:1").is_loopback);
    assert_false(resolved(":1").is_loopback);
    assert_false(resolved("[::]:1").is_loopback);
    assert_false(resolved("192.0.2.1:1").is_loopback);
}

static void addresses_are_shown_as_they_are_written(void **state)
{
    (void)state;
    char text[LISTEN_TEXT_LENGTH_MAX + 1];
    struct listen_address address = resolved("[::1]:0");
    listen_address_format(&address, 8080, text);
    assert_string_equal(text, "[::1]:8080");
    address = resolved("127.0.0.1:0");
    listen_address_format(&address, 9, text);
    assert_string_equal(text, "127.0.0.1:9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_ports_are_told_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(loopback_is_judged_by_the_resolved_address),
        cmocka_unit_test(addresses_are_shown_as_they_are_written),
    };
    return cmocka_run_group_tests_name("cli_listen_address", tests, NULL, NULL);
}
