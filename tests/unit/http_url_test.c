#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#include "http/url.h"

static void assert_accepted(const char *url, bool allow_http)
{
    const char *reason = "untouched";
    if (!http_url_check(text_from_c(url), allow_http, &reason)) {
        fail_msg("%s: %s", url, reason);
    }
    assert_string_equal(reason, "untouched");
}

static void assert_refused(struct text url, bool allow_http, const char *expected)
{
    const char *reason = NULL;
    if (http_url_check(url, allow_http, &reason)) {
        fail_msg("%.*s was accepted", (int)url.length, url.bytes);
    }
    if (strstr(reason, expected) == NULL) {
        fail_msg("%.*s: %s, and not %s", (int)url.length, url.bytes, reason, expected);
    }
}

static void ordinary_urls_are_accepted(void **state)
{
    (void)state;
    static const char *const URLS[] = {
        "https://example.com",
        "https://example.com/",
        "HTTPS://Example.COM/hooks?token=a%20b&x=1",
        "https://example.com.:8443/a//b/../c",
        "https://xn--bcher-kva.example/hook",
        "https://my_host.example:65535/",
        "https://hook/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:443/hook",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://example.com/a?b=http://other/@:c",
    };
    for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
        assert_accepted(URLS[i], false);
    }
    assert_accepted("http://example.com/", true);
    assert_accepted("https://example.com/", true);
}

static void the_reason_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *reason;
    } CASES[] = {
        {"", "begin with https"},
        {"example.com", "begin with https"},
        {"/hook", "begin with https"},
        {"//example.com/", "begin with https"},
        {"http://example.com/", "begin with https"},
        {"ftp://example.com/", "begin with https"},
        {"file:///etc/passwd", "begin with https"},
        {"gopher://example.com/", "begin with https"},
        {"javascript:alert(1)", "begin with https"},
        {"https:/example.com/", "begin with https"},
        {"https:example.com", "begin with https"},
        {"https://", "a host"},
        {"https:///example.com/", "a host"},
        {"https://:443/", "a host"},
        {"https://?a", "a host"},
        {"https://#a", "a host"},
        {"https://@example.com/", "a host"},
        {"https://user@example.com/", "user name"},
        {"https://user:secret@example.com/", "user name"},
        {"https://example.com@127.0.0.1/", "user name"},
        {"https://example.com/#part", "no fragment"},
        {"https://example.com/#", "no fragment"},
        {"https://example.com:0/", "a port"},
        {"https://example.com:65536/", "a port"},
        {"https://example.com:http/", "a port"},
        {"https://exam ple.com/", "ASCII"},
        {"https://example.com/a b", "ASCII"},
        {"https://example.com/\r\nHost: other", "ASCII"},
        {"https://example.com/\x7f", "ASCII"},
        {"https://b\xc3\xbc"
         "cher.example/",
         "ASCII"},
        {"https://example.com\\@127.0.0.1/", "backslash"},
        {"https://%31%32%37.0.0.1%2f/", "a name or an address"},
        {"https://ex%00ample.com/", "a name or an address"},
        {"https://ex%61mple.com/", "a name or an address"},
        {"https://ex%ef%bc%90ample.com/", "a name or an address"},
        {"https://.example.com/", "a name or an address"},
        {"https://a..b/", "a name or an address"},
        {"https://exam*ple.com/", "a name or an address"},
        {"https://[fe80::1%25eth0]/", "a name or an address"},
        {"https://[::1/", ""},
        {"https://[12345::]/", ""},
        {"https://[v1.a]/", ""},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_refused(text_from_c(CASES[i].url), false, CASES[i].reason);
    }
    assert_refused(TEXT_LITERAL("https://a.example/\0b"), false, "ASCII");
    assert_refused(TEXT_LITERAL("ftp://a.example/"), true, "https:// or http://");
    assert_refused(TEXT_LITERAL("http:///a.example/"), true, "a host");
}

static void length_is_bounded(void **state)
{
    (void)state;
    char url[HTTP_URL_BYTES_MAX + 2];
    memset(url, 'a', sizeof(url));
    memcpy(url, "https://a.example/", strlen("https://a.example/"));
    url[HTTP_URL_BYTES_MAX] = '\0';
    assert_accepted(url, false);
    url[HTTP_URL_BYTES_MAX] = 'a';
    assert_refused((struct text){url, HTTP_URL_BYTES_MAX + 1}, false, "2,048 bytes");
    snprintf(url, sizeof(url), "https://%064d.example/", 0);
    assert_refused(text_from_c(url), false, "a name or an address");
    snprintf(url, sizeof(url), "https://%060d.%060d.%060d.%060d.%060d.example/", 0, 0, 0, 0, 0);
    assert_refused(text_from_c(url), false, "a name or an address");
}

static void private_literals_are_recognised_in_any_spelling(void **state)
{
    (void)state;
    static const char *const PRIVATE[] = {
        "http://127.0.0.1/",
        "http://127.0.0.1:8080/hook",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://[::]/",
        "http://[0:0:0:0::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.b.localhost:81/",
        "http://10.1/",
        "http://0300.0250.1/",
    };
    static const char *const PUBLIC[] = {
        "http://8.8.8.8/",
        "http://134744072/",
        "http://[2606:4700::1111]/",
        "http://example.com/",
        "http://localhost.example.com/",
        "http://mylocalhost/",
        "http://10.example/",
    };
    for (size_t i = 0; i < sizeof(PRIVATE) / sizeof(PRIVATE[0]); i++) {
        assert_accepted(PRIVATE[i], true);
        if (!http_url_is_private_literal(text_from_c(PRIVATE[i]))) {
            fail_msg("%s is private", PRIVATE[i]);
        }
    }
    for (size_t i = 0; i < sizeof(PUBLIC) / sizeof(PUBLIC[0]); i++) {
        if (http_url_is_private_literal(text_from_c(PUBLIC[i]))) {
            fail_msg("%s is not private", PUBLIC[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_urls_are_accepted),
        cmocka_unit_test(the_reason_says_what_is_wrong),
        cmocka_unit_test(length_is_bounded),
        cmocka_unit_test(private_literals_are_recognised_in_any_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
