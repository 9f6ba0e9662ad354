#include "cmocka_all.h"

#include "domain/limits.h"
#include "domain/money.h"

static void currencies_are_the_active_codes_in_upper_case(void **state)
{
    (void)state;
    const char *const active[] = {"AED", "EUR", "JPY", "KWD", "USD", "XCG", "ZAR", "ZMW", "ZWG"};
    const char *const inactive[] = {"DEM", "HRK", "ANG", "XAU", "XTS", "XXX", "CHE", "eur", "Eur", "EU", "EURO", ""};
    for (size_t i = 0; i < sizeof(active) / sizeof(active[0]); i++) {
        assert_true(currency_is_active(text_from_c(active[i])));
    }
    for (size_t i = 0; i < sizeof(inactive) / sizeof(inactive[0]); i++) {
        assert_false(currency_is_active(text_from_c(inactive[i])));
    }
    assert_false(currency_is_active(TEXT_ABSENT));
}

/* The table is searched by halving, so one code out of order would hide others. */
static void every_triple_of_letters_agrees_with_its_exponent(void **state)
{
    (void)state;
    int count = 0;
    for (int i = 0; i < 26 * 26 * 26; i++) {
        char code[4] = {(char)('A' + i / 676), (char)('A' + i / 26 % 26), (char)('A' + i % 26), '\0'};
        bool active = currency_is_active(text_from_c(code));
        int exponent = currency_exponent(code);
        assert_true(active ? exponent == 0 || exponent == 2 || exponent == 3 : exponent == -1);
        count += active;
    }
    assert_in_range(count, 150, 160);
}

static void exponents_are_those_of_iso_4217(void **state)
{
    (void)state;
    assert_int_equal(currency_exponent("EUR"), 2);
    assert_int_equal(currency_exponent("JPY"), 0);
    assert_int_equal(currency_exponent("ISK"), 0);
    assert_int_equal(currency_exponent("KWD"), 3);
    assert_int_equal(currency_exponent("TND"), 3);
    assert_int_equal(currency_exponent("eur"), -1);
    assert_int_equal(currency_exponent(""), -1);
    assert_int_equal(currency_exponent("EURO"), -1);
}

static void money_is_equal_only_in_amount_and_currency(void **state)
{
    (void)state;
    assert_true(money_equal((struct money){1, "EUR"}, (struct money){1, "EUR"}));
    assert_false(money_equal((struct money){1, "EUR"}, (struct money){2, "EUR"}));
    assert_false(money_equal((struct money){1, "EUR"}, (struct money){1, "USD"}));
}

static void major_units_are_read_to_the_currencys_last_digit(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *currency;
        int64_t amount;
    } rows[] = {
        {"19.99", "EUR", 1999},
        {"19.9", "EUR", 1990},
        {"19", "EUR", 1900},
        {"0", "EUR", 0},
        {"0.00", "EUR", 0},
        {"0.01", "EUR", 1},
        {"007.5", "EUR", 750},
        {"19.9900", "EUR", 1999},
        {"1200", "JPY", 1200},
        {"1200.00", "JPY", 1200},
        {"1.234", "KWD", 1234},
        {"1.2340", "KWD", 1234},
        {"10000000000000.00", "EUR", PRICE_AMOUNT_MAX},
        {"1000000000000000", "JPY", PRICE_AMOUNT_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t amount = -1;
        assert_true(money_parse_major(text_from_c(rows[i].text), rows[i].currency, &amount));
        assert_int_equal(amount, rows[i].amount);
    }
}

static void anything_but_a_plain_price_is_refused_and_leaves_the_result(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *currency;
    } rows[] = {
        {"", "EUR"},
        {".", "EUR"},
        {".50", "EUR"},
        {"5.", "EUR"},
        {"-1", "EUR"},
        {"+1", "EUR"},
        {"1e3", "EUR"},
        {"1,50", "EUR"},
        {" 1", "EUR"},
        {"1 ", "EUR"},
        {"1.2.3", "EUR"},
        {"0x10", "EUR"},
        {"NaN", "EUR"},
        {"1.999", "EUR"},
        {"1.5", "JPY"},
        {"1.2345", "KWD"},
        {"1.00", "DEM"},
        {"1.00", "eur"},
        {"1.00", ""},
        {"10000000000000.01", "EUR"},
        {"1000000000000001", "JPY"},
        {"99999999999999999999999999", "EUR"},
        {"1000000000000000", "EUR"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t amount = -7;
        assert_false(money_parse_major(text_from_c(rows[i].text), rows[i].currency, &amount));
        assert_int_equal(amount, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(currencies_are_the_active_codes_in_upper_case),
        cmocka_unit_test(every_triple_of_letters_agrees_with_its_exponent),
        cmocka_unit_test(exponents_are_those_of_iso_4217),
        cmocka_unit_test(money_is_equal_only_in_amount_and_currency),
        cmocka_unit_test(major_units_are_read_to_the_currencys_last_digit),
        cmocka_unit_test(anything_but_a_plain_price_is_refused_and_leaves_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
