#include "api/event_ring.h"

#include <assert.h>
#include <stdlib.h>

static struct event_page *page_at(const struct event_ring *ring, size_t index)
{
    return ring->pages[(ring->first + index) % ring->pages_max];
}

void event_ring_init(struct event_ring *ring, size_t bytes_max, size_t pages_max)
{
    *ring = (struct event_ring){.bytes_max = bytes_max, .pages_max = pages_max};
}

void event_ring_restart(struct event_ring *ring, int64_t last)
{
    while (ring->count > 0) {
        http_block_release(&event_ring_shift(ring)->block);
    }
    ring->after = ring->last = last;
}

void event_ring_push(struct event_ring *ring, struct event_page *page)
{
    assert(page->after == ring->last && !event_ring_is_over(ring));
    if (ring->pages == NULL) { /* most servers never have a listener */
        ring->pages = memory_zalloc(ring->pages_max, sizeof(struct event_page *));
    }
    ring->pages[(ring->first + ring->count) % ring->pages_max] = page;
    ring->count++;
    ring->bytes += event_page_bytes(page);
    ring->last = page->last;
}

bool event_ring_is_over(const struct event_ring *ring)
{
    return ring->count > 1 && (ring->bytes > ring->bytes_max || ring->count == ring->pages_max);
}

struct event_page *event_ring_shift(struct event_ring *ring)
{
    struct event_page *page = page_at(ring, 0);
    ring->first = (ring->first + 1) % ring->pages_max;
    ring->count--;
    ring->bytes -= event_page_bytes(page);
    ring->after = page->last;
    return page;
}

struct event_page *event_ring_find(const struct event_ring *ring, int64_t sequence)
{
    size_t low = 0; /* the first page that ends behind the sequence is in [low, high] */
    size_t high = ring->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (page_at(ring, middle)->last > sequence) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low == ring->count ? NULL : page_at(ring, low);
}

void event_ring_done(struct event_ring *ring)
{
    event_ring_restart(ring, 0);
    free(ring->pages);
    ring->pages = NULL;
}
