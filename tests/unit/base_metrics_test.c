#include <pthread.h>
#include <string.h>

#include "cmocka_all.h"

#include "base/metrics.h"

static void assert_wrote(struct buffer *out, const char *expected)
{
    buffer_append_char(out, '\0');
    assert_string_equal(out->bytes, expected);
    buffer_done(out);
}

static void counters_and_gauges_render_as_samples(void **state)
{
    (void)state;
    struct counter placed = {0};
    struct gauge holds = {0};
    counter_add(&placed, 2);
    counter_add(&placed, 40);
    gauge_set(&holds, 5);
    gauge_add(&holds, -7);
    struct buffer out;
    buffer_init(&out, 1000);
    metrics_write_head(&out, "orders_total", "counter", "Orders by outcome.");
    metrics_write_counter(&out, "orders_total", "outcome=\"placed\"", &placed);
    metrics_write_gauge(&out, "live_holds", NULL, &holds);
    assert_wrote(&out, "# HELP orders_total Orders by outcome.\n"
                       "# TYPE orders_total counter\n"
                       "orders_total{outcome=\"placed\"} 42\n"
                       "live_holds -2\n");
}

static void histogram_buckets_are_cumulative_and_include_their_bound(void **state)
{
    (void)state;
    static const double BOUNDS[] = {0.001, 0.5, 10};
    struct histogram histogram = {.bounds = BOUNDS, .bound_count = 3};
    static const double VALUES[] = {0.001, 0.0005, 0.25, 10, 11, -1};
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(VALUES[0]); i++) {
        histogram_observe(&histogram, VALUES[i]);
    }
    struct buffer out;
    buffer_init(&out, 1000);
    metrics_write_histogram(&out, "seconds", "route=\"pay\"", &histogram);
    assert_wrote(&out, "seconds_bucket{route=\"pay\",le=\"0.001\"} 3\n"
                       "seconds_bucket{route=\"pay\",le=\"0.5\"} 4\n"
                       "seconds_bucket{route=\"pay\",le=\"10\"} 5\n"
                       "seconds_bucket{route=\"pay\",le=\"+Inf\"} 6\n"
                       "seconds_sum{route=\"pay\"} 21.251500\n"
                       "seconds_count{route=\"pay\"} 6\n");
}

static void a_histogram_without_labels_has_only_its_bounds(void **state)
{
    (void)state;
    static const double BOUNDS[] = {0.00005};
    struct histogram histogram = {.bounds = BOUNDS, .bound_count = 1};
    struct buffer out;
    buffer_init(&out, 1000);
    metrics_write_histogram(&out, "s", NULL, &histogram);
    assert_wrote(&out, "s_bucket{le=\"5e-05\"} 0\ns_bucket{le=\"+Inf\"} 0\ns_sum 0.000000\ns_count 0\n");
}

static void the_latency_bounds_ascend_and_fit(void **state)
{
    (void)state;
    assert_true(LATENESS_SECONDS_BOUND_COUNT <= HISTOGRAM_BUCKETS_MAX);
    assert_true(LATENCY_SECONDS_BOUNDS[LATENCY_SECONDS_BOUND_COUNT - 1] == 10);
    assert_true(LATENCY_SECONDS_BOUNDS[LATENESS_SECONDS_BOUND_COUNT - 1] == 3600);
    for (size_t i = 1; i < LATENESS_SECONDS_BOUND_COUNT; i++) {
        assert_true(LATENCY_SECONDS_BOUNDS[i - 1] < LATENCY_SECONDS_BOUNDS[i]);
    }
}

static void *count_often(void *counter)
{
    for (int i = 0; i < 10000; i++) {
        counter_add(counter, 1);
    }
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    struct counter counter = {0};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_often, &counter), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(counter_read(&counter), 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_render_as_samples),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_include_their_bound),
        cmocka_unit_test(a_histogram_without_labels_has_only_its_bounds),
        cmocka_unit_test(the_latency_bounds_ascend_and_fit),
        cmocka_unit_test(threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
