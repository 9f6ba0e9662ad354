/* What a request is judged by before its body is read: its path, its media type, its keys and conditions. */

#include "cmocka_all.h"

#include "support/test_arena.h"

#include "api/idempotency_key.h"
#include "api/if_match.h"
#include "api/media_type.h"
#include "api/routes.h"

static const char *find(enum http_method method, const char *path, struct text *ret_parameter, struct text *ret_allow)
{
    *ret_parameter = TEXT_ABSENT;
    *ret_allow = TEXT_ABSENT;
    const struct route *route = routes_find(method, text_from_c(path), arena, ret_parameter, ret_allow);
    return route == NULL ? NULL : route->pattern;
}

static void every_route_is_found_by_a_path_like_its_pattern(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        struct text parameter = TEXT_ABSENT;
        struct text allow = TEXT_ABSENT;
        const struct route *route =
            routes_find(ROUTES[i].method, text_from_c(ROUTES[i].pattern), arena, &parameter, &allow);
        assert_ptr_equal(route, &ROUTES[i]);
        assert_non_null(route->handle);
    }
}

static void a_parameter_is_one_whole_segment_as_it_was_sent(void **state)
{
    (void)state;
    struct text parameter;
    struct text allow;
    assert_string_equal(find(HTTP_METHOD_GET, "/v1/stock/a%2Fb/movements", &parameter, &allow),
                        "/v1/stock/{sku}/movements");
    assert_true(text_equal_c(parameter, "a%2Fb"));
    assert_string_equal(find(HTTP_METHOD_HEAD, "/v1/orders/x", &parameter, &allow), "/v1/orders/{order_id}");
    assert_null(find(HTTP_METHOD_GET, "/v1/stock//movements", &parameter, &allow));
    assert_null(find(HTTP_METHOD_GET, "/v1/orders/", &parameter, &allow));
    assert_null(find(HTTP_METHOD_GET, "/v1/orders/x/", &parameter, &allow));
    assert_null(find(HTTP_METHOD_GET, "/v1/orders/x/events/y", &parameter, &allow));
    assert_null(find(HTTP_METHOD_GET, "/V1/orders", &parameter, &allow));
    assert_null(find(HTTP_METHOD_GET, "/", &parameter, &allow));
    assert_null(allow.bytes);
}

static void another_method_learns_what_is_allowed(void **state)
{
    (void)state;
    struct text parameter;
    struct text allow;
    assert_null(find(HTTP_METHOD_DELETE, "/v1/orders", &parameter, &allow));
    assert_true(text_equal_c(allow, "POST, GET, HEAD"));
    assert_null(find(HTTP_METHOD_OPTIONS, "/v1/variants/x", &parameter, &allow));
    assert_true(text_equal_c(allow, "GET, HEAD, PATCH"));
    assert_null(find(HTTP_METHOD_GET, "/v1/orders/x/pay", &parameter, &allow));
    assert_true(text_equal_c(allow, "POST"));
    assert_null(find(HTTP_METHOD_GET, "/v1/orders/batch", &parameter, &allow)); /* no order has this id */
    assert_true(text_equal_c(allow, "POST"));
}

static void json_media_types_pass(void **state)
{
    (void)state;
    assert_true(media_type_is_json(TEXT_ABSENT));
    assert_true(media_type_is_json(TEXT_LITERAL("application/json")));
    assert_true(media_type_is_json(TEXT_LITERAL("Application/JSON; charset=UTF-8")));
    assert_true(media_type_is_json(TEXT_LITERAL("application/json;charset=\"utf-8\";v=1")));
    assert_true(media_type_is_json(TEXT_LITERAL("application/json ;")));
    assert_false(media_type_is_json(TEXT_LITERAL("")));
    assert_false(media_type_is_json(TEXT_LITERAL("application/json; charset=latin1")));
    assert_false(media_type_is_json(TEXT_LITERAL("application/jsonx")));
    assert_false(media_type_is_json(TEXT_LITERAL("application/problem+json")));
    assert_false(media_type_is_json(TEXT_LITERAL("text/plain")));
    assert_false(media_type_is_json(TEXT_LITERAL("text/plain, application/json")));
}

static void idempotency_keys_are_printable_ascii(void **state)
{
    (void)state;
    char key[256];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = 'k';
    }
    assert_true(idempotency_key_is_valid(TEXT_LITERAL("!~")));
    assert_true(idempotency_key_is_valid((struct text){key, 255}));
    assert_false(idempotency_key_is_valid((struct text){key, 256}));
    assert_false(idempotency_key_is_valid(TEXT_LITERAL("")));
    assert_false(idempotency_key_is_valid(TEXT_LITERAL("a b")));
    assert_false(idempotency_key_is_valid(TEXT_LITERAL("\x7f")));
    assert_false(idempotency_key_is_valid(TEXT_LITERAL("\xc3\xbc")));
}

static void if_match_names_strong_versions(void **state)
{
    (void)state;
    struct version_condition condition = {0};
    assert_true(if_match_parse(TEXT_LITERAL("*"), arena, &condition));
    assert_false(condition.is_set);
    assert_true(if_match_parse(TEXT_LITERAL("\"7\""), arena, &condition));
    assert_true(condition.is_set);
    assert_int_equal(condition.version_count, 1);
    assert_int_equal(condition.versions[0], 7);
    assert_true(if_match_parse(TEXT_LITERAL(" ,\"7\",\t\"x,y\" ,, W/\"8\", \"9\","), arena, &condition));
    assert_int_equal(condition.version_count, 2);
    assert_int_equal(condition.versions[1], 9);
}

static void weak_and_foreign_tags_never_match(void **state)
{
    (void)state;
    struct version_condition condition = {0};
    assert_true(if_match_parse(TEXT_LITERAL("W/\"7\", \"abc\", \"\""), arena, &condition));
    assert_true(condition.is_set);
    assert_int_equal(condition.version_count, 0);
}

static void a_malformed_if_match_is_refused(void **state)
{
    (void)state;
    static const char *const HEADERS[] = {"",     " ",   ",",  "7",       "\"7", "\"7\" \"8\"", "w/\"7\"",
                                          "*, *", "W/7", "W/", "\"a b\"", "7\"", "\"7\"x"};
    for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
        struct version_condition condition = {0};
        assert_false(if_match_parse(text_from_c(HEADERS[i]), arena, &condition));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_found_by_a_path_like_its_pattern),
        cmocka_unit_test(a_parameter_is_one_whole_segment_as_it_was_sent),
        cmocka_unit_test(another_method_learns_what_is_allowed),
        cmocka_unit_test(json_media_types_pass),
        cmocka_unit_test(idempotency_keys_are_printable_ascii),
        cmocka_unit_test(if_match_names_strong_versions),
        cmocka_unit_test(weak_and_foreign_tags_never_match),
        cmocka_unit_test(a_malformed_if_match_is_refused),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
