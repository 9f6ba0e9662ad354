#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/database_uri.h"
#include "cmocka_all.h"

/* database_uri_check with its message silenced: only the meaning is tested here. */
static bool passes(const char *uri)
{
    int saved = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    bool is_good = database_uri_check("--database", uri);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(nowhere);
    return is_good;
}

static void assert_shown(const char *uri, const char *expected)
{
    char shown[DATABASE_URI_SHOWN_BYTES_MAX];
    database_uri_show(uri, shown);
    assert_string_equal(shown, expected);
}

static void both_schemes_are_postgres(void **state)
{
    (void)state;
    assert_true(database_uri_is_postgres("postgresql://db/shop"));
    assert_true(database_uri_is_postgres("postgres://"));
    assert_false(database_uri_is_postgres("postgres:db"));
    assert_false(database_uri_is_postgres("sqlite:postgres://"));
}

static void everything_of_libpq_passes(void **state)
{
    (void)state;
    assert_true(passes("postgresql://"));
    assert_true(passes("postgresql:///shop?host=/run/postgresql"));
    assert_true(passes("postgresql://shop:p%40ss%2Fword@db/shop"));
    assert_true(passes("postgresql://shop@one:5432,two:5433/shop?target_session_attrs=read-write&sslmode=verify-full"));
    assert_true(passes("postgresql://one,two:5433/shop"));
    assert_true(passes("postgresql://one:5432,two/shop"));
    assert_true(passes("postgresql://shop@[::1]:5432/shop?options=-csearch_path%3Done"));
    assert_true(passes("postgresql://db/shop?user=ada@example.com"));
}

static void what_libpq_cannot_read_is_refused(void **state)
{
    (void)state;
    assert_false(passes("postgresql://db/shop?sslmod=require"));
    assert_false(passes("postgresql://shop:%zz@db/shop"));
    assert_false(passes("postgresql://[::1/shop"));
    assert_false(passes("postgresql://db:port/shop"));
    assert_false(passes("postgresql://one:5432,two:65536/shop"));
    assert_false(passes("postgresql:///shop?port=0"));
}

static void a_password_that_would_be_taken_apart_is_refused(void **state)
{
    (void)state;
    assert_false(passes("postgresql://shop:p@ss@db/shop"));
    assert_false(passes("postgresql://shop:p/ss@db/shop"));
    assert_false(passes("postgresql://shop:p?ss@db/shop"));
    assert_false(passes("postgresql://db?user=ada@example.com"));
}

static void a_password_is_not_shown(void **state)
{
    (void)state;
    assert_shown("postgresql://shop:secret@db/shop", "postgresql://shop:***@db/shop");
    assert_shown("postgresql://shop:a%40b:c@[::1]:5432/shop?sslmode=require",
                 "postgresql://shop:***@[::1]:5432/shop?sslmode=require");
    assert_shown("postgres://:secret@/", "postgres://:***@/");
    assert_shown("postgresql://shop:@db", "postgresql://shop:***@db");
}

static void nor_is_one_among_the_parameters(void **state)
{
    (void)state;
    assert_shown("postgresql://db/shop?password=secret", "postgresql://db/shop?password=***");
    assert_shown("postgresql://shop:one@db/shop?user=a&password=two&sslpassword=three&host=c",
                 "postgresql://shop:***@db/shop?user=a&password=***&sslpassword=***&host=c");
    assert_shown("postgresql://db/shop?p%61ssword=secret", "postgresql://db/shop?p%61ssword=***");
}

static void what_is_no_secret_stays_as_it_is(void **state)
{
    (void)state;
    assert_shown("postgresql://shop@one:5432,two:5433/shop?options=-csearch_path%3Done&application_name=a:b",
                 "postgresql://shop@one:5432,two:5433/shop?options=-csearch_path%3Done&application_name=a:b");
    assert_shown("postgresql://db:5432/shop?user=ada@example.com", "postgresql://db:5432/shop?user=ada@example.com");
    assert_shown("postgresql://db/shop?", "postgresql://db/shop?");
    assert_shown("postgresql://db/shop?&x", "postgresql://db/shop?&x");
    assert_shown("", "");
}

static void of_a_uri_that_is_wrong_rather_too_much_is_hidden(void **state)
{
    (void)state;
    assert_shown("postgresql://shop:p@ss@db/shop", "postgresql://shop:***@db/shop");
    assert_shown("postgresql://shop:p/ss@db/shop", "postgresql://shop:***@db/shop");
    assert_shown("postgresql://shop:p?ss@db/shop", "postgresql://shop:***@db/shop");
    assert_shown("mysql://shop:secret@db/shop", "mysql://shop:***@db/shop");
    assert_shown("postgres:shop:secret@db/shop", "postgres:***@db/shop");
}

static void a_long_uri_is_cut_off(void **state)
{
    (void)state;
    char uri[2 * DATABASE_URI_SHOWN_BYTES_MAX];
    char shown[DATABASE_URI_SHOWN_BYTES_MAX];
    memset(uri, 'x', sizeof(uri));
    uri[sizeof(uri) - 1] = '\0';
    database_uri_show(uri, shown);
    assert_int_equal(strlen(shown), sizeof(shown) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_schemes_are_postgres),
        cmocka_unit_test(everything_of_libpq_passes),
        cmocka_unit_test(what_libpq_cannot_read_is_refused),
        cmocka_unit_test(a_password_that_would_be_taken_apart_is_refused),
        cmocka_unit_test(a_password_is_not_shown),
        cmocka_unit_test(nor_is_one_among_the_parameters),
        cmocka_unit_test(what_is_no_secret_stays_as_it_is),
        cmocka_unit_test(of_a_uri_that_is_wrong_rather_too_much_is_hidden),
        cmocka_unit_test(a_long_uri_is_cut_off),
    };
    return cmocka_run_group_tests_name("cli_database_uri", tests, NULL, NULL);
}
