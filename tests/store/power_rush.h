#ifndef HOLDFAST_TESTS_STORE_POWER_RUSH_H
#define HOLDFAST_TESTS_STORE_POWER_RUSH_H

/* A shop's day on a disk that may fail, in steps: each changes the shop in one transaction at most, through the real
 * rules and the engine's own batches, and can be played again where it failed, with the same ids at the same time. */

#include "engine/engine_metrics.h"
#include "power_disk.h"
#include "store/store.h"

#define RUSH_ORDERS_MAX 160

/* What a step that failed takes back. */
struct rush_place {
    struct uuid_source ids;
    uint64_t random;
    int64_t now_ms;
    size_t order_count;
};

struct rush {
    struct disk *disk; /* borrowed */
    char location[512];
    struct store *store; /* NULL: closed */
    struct reader *reader;
    bool is_reading; /* the reader keeps a snapshot */
    bool is_batch;   /* the last step was one, not housekeeping or administration */
    struct arena *arena;
    struct engine_metrics metrics;
    struct rush_place place;
    struct uuid orders[RUSH_ORDERS_MAX]; /* as they were placed */
    struct uuid job_ids[4];
    int64_t job_claims[4];
    size_t swept; /* holds that the last batch released */
    struct fault fault;
    const char *mistake; /* what a step did that it does not mean to; NULL: nothing */
};

typedef bool rush_play(struct rush *rush);
struct rush_step {
    const char *name;
    rush_play *play;
};

/* A new shop on an empty disk, and a long day of one that an older program made. */
extern const struct rush_step RUSH_FIRST_DAY[];
extern const size_t RUSH_FIRST_DAY_COUNT;
extern const struct rush_step RUSH_LONG_DAY[];
extern const size_t RUSH_LONG_DAY_COUNT;
/* The disk that the long day begins with: a database of the first schema with two orders. */
void rush_lay_old_shop(struct disk *disk, const char *location);

void rush_init(struct rush *rush, struct disk *disk, const char *location);
void rush_done(struct rush *rush); /* closes the store where it is open, whatever the disk says */
bool rush_step_play(struct rush *rush, const struct rush_step *step) MUST_USE;

/* For whoever looks at a shop: opening it, as a server does, and two things that any shop can do. */
bool rush_open(struct rush *rush) MUST_USE;
bool rush_restart(struct rush *rush) MUST_USE;
bool rush_asks_for_restart(const struct rush *rush); /* housekeeping does, and all else goes on */
bool rush_place_one(struct rush *rush, const char *sku, int64_t quantity) MUST_USE;
bool rush_place_any(struct rush *rush) MUST_USE;  /* one order, of what is made for it */
bool rush_expire_all(struct rush *rush) MUST_USE; /* moves the clock past all deadlines; no hold is left */

#endif
