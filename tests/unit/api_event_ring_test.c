#include "cmocka_all.h"

#include <string.h>

#include "api/event_ring.h"

#define ROWS_MAX 8

/* A page of events with the numbers first to last; `bytes` is each one's data. */
static struct event_page *make_page(int64_t first, int64_t last, size_t bytes)
{
    static char data[EVENT_PAGE_BYTES_MAX];
    struct event_row rows[ROWS_MAX] = {{.sequence = 0}};
    size_t count = 0;
    memset(data, ' ', bytes);
    data[0] = '{';
    data[bytes - 1] = '}';
    for (int64_t sequence = first; sequence <= last; sequence++) {
        assert_true(count < ROWS_MAX);
        rows[count++] = (struct event_row){
            .sequence = sequence, .type = EVENT_ORDER_PAID, .created_at_ms = sequence, .data = {data, bytes}};
    }
    return event_page_new(first - 1, rows, count);
}

static void a_page_has_an_event_in_three_lines(void **state)
{
    (void)state;
    static const char EXPECTED[] =
        "id: 7\nevent: order.paid\ndata: "
        "{\"event_id\":\"00000000-0000-0000-0000-000000000000\",\"sequence\":7,"
        "\"type\":\"order.paid\",\"created_at\":\"1970-01-01T00:00:00.007Z\",\"data\":{}}\n\n";
    struct event_page *page = make_page(7, 8, 2);
    assert_true(page->block.length > sizeof(EXPECTED));
    assert_memory_equal(page->block.bytes, EXPECTED, sizeof(EXPECTED) - 1);
    assert_memory_equal(page->block.bytes + page->block.length - 2, "\n\n", 2);
    assert_int_equal(page->after, 6);
    assert_int_equal(page->last, 8);
    http_block_release(&page->block);
}

static void a_page_may_be_joined_in_its_middle(void **state)
{
    (void)state;
    struct event_page *page = make_page(11, 14, 2);
    size_t offset;
    assert_int_equal(event_page_skip(page, 10, &offset), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(event_page_skip(page, 12, &offset), 2);
    assert_memory_equal(page->block.bytes + offset, "id: 13\n", 7);
    assert_int_equal(event_page_skip(page, 14, &offset), 4);
    assert_int_equal(offset, page->block.length);
    http_block_release(&page->block);
}

static void a_page_ends_before_it_grows_large(void **state)
{
    (void)state;
    struct event_page *page = make_page(1, 8, EVENT_PAGE_BYTES_MAX / 4);
    assert_int_equal(page->mark_count, 4);
    assert_int_equal(page->last, 4);
    http_block_release(&page->block);
}

static int64_t first_found(const struct event_ring *ring, int64_t sequence)
{
    const struct event_page *page = event_ring_find(ring, sequence);
    return page == NULL ? 0 : page->after + 1;
}

static void what_follows_a_sequence_is_found(void **state)
{
    (void)state;
    struct event_ring ring;
    event_ring_init(&ring, 1 << 20, 100);
    event_ring_restart(&ring, 50);
    assert_int_equal(first_found(&ring, 50), 0);
    event_ring_push(&ring, make_page(51, 53, 2));
    event_ring_push(&ring, make_page(54, 54, 2));
    event_ring_push(&ring, make_page(55, 60, 2));
    assert_int_equal(first_found(&ring, 50), 51);
    assert_int_equal(first_found(&ring, 52), 51);
    assert_int_equal(first_found(&ring, 53), 54);
    assert_int_equal(first_found(&ring, 54), 55);
    assert_int_equal(first_found(&ring, 59), 55);
    assert_int_equal(first_found(&ring, 60), 0);
    assert_int_equal(first_found(&ring, 1000), 0);
    event_ring_done(&ring);
}

static void the_oldest_pages_go_where_there_are_too_many(void **state)
{
    (void)state;
    struct event_ring ring;
    event_ring_init(&ring, 1 << 20, 4);
    event_ring_restart(&ring, 0);
    for (int64_t sequence = 1; sequence <= 20; sequence++) {
        event_ring_push(&ring, make_page(sequence, sequence, 2));
        while (event_ring_is_over(&ring)) {
            http_block_release(&event_ring_shift(&ring)->block);
        }
        assert_int_equal(ring.last, sequence);
        assert_int_equal(ring.after, sequence > 3 ? sequence - 3 : 0);
        assert_int_equal(first_found(&ring, ring.after), ring.after + 1);
    }
    event_ring_done(&ring);
}

static void the_oldest_pages_go_where_they_are_too_large(void **state)
{
    (void)state;
    struct event_ring ring;
    event_ring_init(&ring, 300000, 100);
    event_ring_restart(&ring, 0);
    for (int64_t sequence = 1; sequence <= 10; sequence++) {
        event_ring_push(&ring, make_page(sequence, sequence, 100000));
        while (event_ring_is_over(&ring)) {
            http_block_release(&event_ring_shift(&ring)->block);
        }
        assert_true(ring.bytes <= 300000);
    }
    assert_int_equal(ring.after, 8);
    event_ring_done(&ring);
    event_ring_init(&ring, 10, 100); /* one is kept, however large */
    event_ring_restart(&ring, 0);
    event_ring_push(&ring, make_page(1, 1, 1000));
    assert_false(event_ring_is_over(&ring));
    event_ring_done(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_an_event_in_three_lines),
        cmocka_unit_test(a_page_may_be_joined_in_its_middle),
        cmocka_unit_test(a_page_ends_before_it_grows_large),
        cmocka_unit_test(what_follows_a_sequence_is_found),
        cmocka_unit_test(the_oldest_pages_go_where_there_are_too_many),
        cmocka_unit_test(the_oldest_pages_go_where_they_are_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
