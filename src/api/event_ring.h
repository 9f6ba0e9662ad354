#ifndef HOLDFAST_API_EVENT_RING_H
#define HOLDFAST_API_EVENT_RING_H

/* The newest stretch of the event log in memory: pages that follow one another without a gap, the oldest of which go
 * when there are too many. */

#include "api/event_page.h"

struct event_ring {
    int64_t after; /* it has all events that follow this sequence, */
    int64_t last;  /* up to this one */
    size_t bytes_max;
    size_t pages_max;
    size_t bytes;
    size_t count;
    size_t first; /* of the pages in their places */
    struct event_page **pages;
};

void event_ring_init(struct event_ring *ring, size_t bytes_max, size_t pages_max);
void event_ring_restart(struct event_ring *ring, int64_t last); /* empty, at that sequence */
/* The page goes on where the ring ends; its reference is the ring's from here on. Not while the ring is over. */
void event_ring_push(struct event_ring *ring, struct event_page *page);
/* It has more than it may, and more than one page. */
bool event_ring_is_over(const struct event_ring *ring);
struct event_page *event_ring_shift(struct event_ring *ring); /* takes the oldest out, with the ring's reference */
/* The page where the next event behind the sequence is, which is at or behind ring->after; NULL where none is. */
struct event_page *event_ring_find(const struct event_ring *ring, int64_t sequence);
void event_ring_done(struct event_ring *ring);

#endif
