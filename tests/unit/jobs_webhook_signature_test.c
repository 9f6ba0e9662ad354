#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#include "jobs/webhook_signature.h"

/* The example that the implementations of Standard Webhooks share, and the same message under a second secret. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define OTHER_SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER_SIGNATURE "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI="
#define ID TEXT_LITERAL("msg_p5jXN8AQM9LWM0D4loKWxJek")
#define TIMESTAMP_S 1614265330
#define BODY TEXT_LITERAL("{\"test\": 2432232314}")

static void a_known_message_has_its_known_signature(void **state)
{
    (void)state;
    const struct text secrets[] = {TEXT_LITERAL(SECRET), TEXT_LITERAL(OTHER_SECRET)};
    char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1];
    assert_true(webhook_signature_make(secrets, 1, ID, TIMESTAMP_S, BODY, signature));
    assert_string_equal(signature, SIGNATURE);
    assert_true(webhook_signature_make(secrets + 1, 1, ID, TIMESTAMP_S, BODY, signature));
    assert_string_equal(signature, OTHER_SIGNATURE);
    assert_true(webhook_signature_make(secrets, 2, ID, TIMESTAMP_S, BODY, signature));
    assert_string_equal(signature, SIGNATURE " " OTHER_SIGNATURE);
    assert_int_equal(strlen(signature), WEBHOOK_SIGNATURE_LENGTH_MAX);
}

static void every_part_is_signed(void **state)
{
    (void)state;
    const struct text secret = TEXT_LITERAL(SECRET);
    char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1];
    assert_true(webhook_signature_make(&secret, 1, TEXT_LITERAL("msg_other"), TIMESTAMP_S, BODY, signature));
    assert_string_not_equal(signature, SIGNATURE);
    assert_true(webhook_signature_make(&secret, 1, ID, TIMESTAMP_S + 1, BODY, signature));
    assert_string_not_equal(signature, SIGNATURE);
    assert_true(webhook_signature_make(&secret, 1, ID, TIMESTAMP_S, TEXT_LITERAL(""), signature));
    assert_string_not_equal(signature, SIGNATURE);
}

static bool is_secret(struct text secret)
{
    char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1];
    return webhook_signature_make(&secret, 1, ID, TIMESTAMP_S, BODY, signature);
}

static void a_secret_that_is_made_is_valid_and_new(void **state)
{
    (void)state;
    char secrets[2][WEBHOOK_SECRET_LENGTH + 1];
    for (int i = 0; i < 2; i++) {
        webhook_secret_make(secrets[i]);
        assert_int_equal(strlen(secrets[i]), WEBHOOK_SECRET_LENGTH);
        assert_true(is_secret(text_from_c(secrets[i])));
    }
    assert_string_not_equal(secrets[0], secrets[1]);
}

static void secrets_have_24_to_64_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 100; bytes++) {
        char secret[256];
        size_t digits = bytes * 4 / 3 + (bytes % 3 > 0 ? 1 : 0);
        int length =
            snprintf(secret, sizeof(secret), "whsec_%.*s%s", (int)digits,
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                     bytes % 3 == 0   ? ""
                     : bytes % 3 == 1 ? "=="
                                      : "=");
        assert_int_equal((length - 6) % 4, 0);
        assert_int_equal(is_secret(text_from_c(secret)), bytes >= 24 && bytes <= 64);
    }
}

static void what_is_no_secret_is_refused(void **state)
{
    (void)state;
    static const char *const SECRETS[] = {
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_MfKQ9r8GKYqrTwjU-D8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjU=D8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA===",
        "whsec_====================================",
    };
    for (size_t i = 0; i < sizeof(SECRETS) / sizeof(SECRETS[0]); i++) {
        const struct text secrets[] = {TEXT_LITERAL(SECRET), text_from_c(SECRETS[i])};
        char signature[WEBHOOK_SIGNATURE_LENGTH_MAX + 1] = "untouched";
        if (is_secret(secrets[1])) {
            fail_msg("%s is no secret", SECRETS[i]);
        }
        assert_false(webhook_signature_make(secrets, 2, ID, TIMESTAMP_S, BODY, signature));
        assert_string_equal(signature, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_message_has_its_known_signature),
        cmocka_unit_test(every_part_is_signed),
        cmocka_unit_test(a_secret_that_is_made_is_valid_and_new),
        cmocka_unit_test(secrets_have_24_to_64_bytes),
        cmocka_unit_test(what_is_no_secret_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
