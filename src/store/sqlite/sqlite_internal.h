#ifndef HOLDFAST_STORE_SQLITE_SQLITE_INTERNAL_H
#define HOLDFAST_STORE_SQLITE_SQLITE_INTERNAL_H

/* What the files of the SQLite store share. One connection does all writing and all checkpoints; each reader has its
 * own. The functions of struct store_ops that live in a file of their own are declared here under their names there. */

#include <stdatomic.h>

#include "store/sqlite/connection.h"
#include "store/sqlite/indexes.h"
#include "store/sqlite/read_gate.h"
#include "store/sqlite/variant_cache.h"
#include "store/store.h"

#define COUNT_HOLDS "SELECT count(*) FROM payment_timeouts"
#define STOCK_LOCATION "1" /* stock_levels.location_no: the one location there is */

struct store {
    /* Immutable after open. */
    char *path; /* as SQLite resolved it: links followed, absolute */
    int64_t (*unix_ms)(void);
    int64_t read_timeout_ms;
    int64_t idempotency_ms;
    int lock_file;
    /* Log sizes in pages: at which to copy it into the database under load and when idle, and at which to hold reads
     * for the moment that lets it start again. */
    int64_t checkpoint_pages;
    int64_t checkpoint_idle_pages;
    int64_t gate_pages;
    size_t index_generation; /* postings that a deferred index gathers before it writes them out */

    /* The writing side's own. */
    struct connection writer;
    bool ready; /* the schema was seen to be this program's */
    bool in_batch;
    bool keeps_log;              /* a sync failed over a checkpoint: none is trusted any more, see store_keeps_log */
    int64_t kept_log_warning_us; /* not again before */
    int64_t place_look_us;       /* whether the file is still in its place is not looked at again before */
    int64_t now_ms;              /* the last `now` given out */
    int64_t clock_ahead_ms;      /* the clock was so far ahead, and what it put off is to be recalled; 0: it was not */
    struct variant_cache *variants;
    int64_t data_version;         /* moves when another process has written: what the cache knows is old then */
    bool recount_holds;           /* because another process wrote */
    int64_t recount_at_us;        /* and not again before */
    const struct facts *saved;    /* in a batch: what its commit will make true */
    int64_t live_holds_delta;     /* what the batch adds to live_holds once it commits */
    int64_t copied_pages;         /* of the log, already in the database */
    int64_t gate_closed_until_us; /* 0: open */
    int64_t gate_next_us;         /* not to be closed again before */
    struct arena *endpoint_arena; /* of the endpoints, as they were last committed */
    struct webhook_endpoint **endpoints;
    size_t endpoint_count;
    bool endpoints_known;
    bool prune_round;               /* a round is under way */
    int64_t prune_round_at_ms;      /* when the next round through the idempotency keys begins */
    int64_t prune_before_ms;        /* of the round under way: keys made before go */
    struct prune_wanted prune_jobs; /* in a batch that prunes: what to delete */

    /* Any thread: immutable once the store is ready, with a mutex of their own inside. */
    struct deferred_index *indexes[DEFERRED_INDEX_COUNT];

    /* Any thread. */
    struct read_gate gate;
    _Atomic int64_t live_holds;
    _Atomic int64_t log_pages;
    _Atomic int64_t own_commits;
    _Atomic bool displaced; /* for good: who else used the names meanwhile is not known */
};

struct reader {
    struct store *store;
    struct connection connection;
};

/* sqlite_store.c */
MUST_USE bool store_lock_writing(struct store *store, struct fault *fault); /* waits, bounded */
MUST_USE bool store_try_lock_writing(struct store *store);
void store_unlock_writing(struct store *store);
/* Under the write lock: whether a checkpoint's sync has failed, here or in another process, since the database was opened
 * by somebody who was alone. No checkpoint may be made then, and the log not be removed. */
bool store_keeps_log(struct store *store);
void store_note_checkpoint(struct store *store, int code); /* SQLite's: of a checkpoint that was made */
/* A read is one short transaction: begin (which may wait at the gate), any statements, end. */
MUST_USE bool read_begin(struct reader *reader, struct fault *fault);
void read_end(struct reader *reader);

/* database_file.c */
MUST_USE bool store_check_name(struct store *store, struct fault *fault); /* false: the file has more than one */
/* False once the file was seen not to be at its path any more. Nothing is read or written then. The first is the writing
 * side's and looks once a second, the second any thread's. */
MUST_USE bool store_check_place(struct store *store, struct fault *fault);
MUST_USE bool store_known_in_place(const struct store *store, struct fault *fault);
void store_look_at_place(struct store *store); /* now */

/* migrate.c */
MUST_USE bool store_check_identity(struct store *store, struct fault *fault); /* ours or empty, never someone else's */
bool sqlite_migrate(struct store *store, struct migration_report *ret_report, struct fault *fault);
bool sqlite_schema_check(struct store *store, struct fault *fault);
MUST_USE bool store_get_ready(struct store *store, struct fault *fault);

/* batch_load.c */
bool sqlite_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                      bool *ret_more, struct fault *fault);
bool sqlite_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault);
bool sqlite_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault);

/* batch_save.c */
bool sqlite_batch_save(struct store *store, struct facts *facts, struct fault *fault);

/* batch_insert.c: what a batch adds, a statement a table. Rows get their numbers here. */
MUST_USE bool insert_orders(struct store *store, struct facts *facts, struct fault *fault);
MUST_USE bool insert_log(struct store *store, struct facts *facts, struct fault *fault); /* movements and events */
MUST_USE bool insert_keys(struct store *store, struct facts *facts, struct fault *fault);

/* maintenance.c */
bool sqlite_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault);
bool sqlite_try_write(struct store *store, struct fault *fault);

/* read_orders.c */
bool sqlite_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                       struct fault *fault);
bool sqlite_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault);

/* read_reservations.c */
MUST_USE bool begin_variant_search(struct reader *reader, struct arena *arena, struct text sku,
                                   struct posting_search *ret_search, struct fault *fault);
bool sqlite_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                              const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                              bool *ret_more, struct fault *fault);

/* read_catalogue.c */
bool sqlite_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                         struct product **ret_product, struct fault *fault);
bool sqlite_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault);
bool sqlite_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                         struct fault *fault);
bool sqlite_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                           struct fault *fault);

/* read_events.c */
bool sqlite_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault);
bool sqlite_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault);

/* keys.c */
bool sqlite_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault);
bool sqlite_key_create(struct store *store, const struct key_row *key, struct fault *fault);
bool sqlite_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                       struct fault *fault);

/* audit.c */
bool sqlite_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault);

#endif
