#ifndef HOLDFAST_STORE_STORE_H
#define HOLDFAST_STORE_STORE_H

/* The store contract: what the engine asks of a database. One conformance suite (tests/store/) runs over every store.
 *
 * Threads: one thread at a time uses a store's writing side (batches, migration, administration). Each reader belongs
 * to one thread at a time; readers and the writing side run side by side.
 *
 * Faults: every function that returns bool fills *fault when it returns false. In a batch FAULT_CONFLICT means that
 * somebody else was faster, by a version guard or otherwise (load afresh, plan again), FAULT_CONSTRAINT that the
 * database refused a row (split the batch), FAULT_TIMEOUT that a row stayed locked for too long, FAULT_UNAVAILABLE that
 * nothing can be written now. FAULT_OUTCOME_UNKNOWN only ever comes from batch_commit.
 * After a fault in a batch the caller rolls back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/fault.h"
#include "domain/facts.h"

struct store;
struct reader;
struct watch;

struct store_options {
    const char *location;      /* what follows the scheme: a path, or the whole URI */
    const char *read_location; /* a replica, for lists and never for what decides; NULL: none */
    bool create;               /* make the database where there is none */
    bool serve;                /* this process serves it: at most one at a time on an embedded database */
    bool write;                /* open only what can be written to; else a file may be one to read */
    int64_t (*unix_ms)(void);  /* the clock; NULL: the store's own (the system's, or the database server's) */
    size_t cache_bytes;        /* page cache of the writing side; 0: the store's default */
    int64_t read_timeout_ms;   /* a read that takes longer ends with FAULT_TIMEOUT; 0: the store's default */
    int64_t idempotency_ms;    /* how long keys are kept at least; 0: 24 hours */
};

struct migration_report {
    int from_version;
    int to_version;
};

/* One page of a list: the newest first where the list is by time, else in ascending order. `ret_more`: there is more
 * behind the last row. Positions are exclusive. */
struct page {
    size_t limit;
    bool has_after;
    struct uuid after_id; /* orders, products */
    int64_t after_number; /* events, movements: their sequence */
    size_t after_line;    /* reservations: (after_id, after_line) */
};

struct order_filter {
    bool has_status;
    enum order_status status;
    struct text customer_id; /* absent: any */
    struct text sku;         /* absent: any */
    bool has_created_after;
    int64_t created_after_ms; /* inclusive */
    bool has_created_before;
    int64_t created_before_ms; /* exclusive */
};

struct reservation_filter {
    struct text sku; /* absent: any */
    bool has_status;
    enum reservation_status status;
};

struct reservation_row {
    struct uuid order_id;
    size_t line;
    struct text sku;
    int64_t quantity;
    enum reservation_status status;
    int64_t expires_at_ms; /* the order's deadline */
};

struct movement_row {
    int64_t sequence;         /* position in the ledger */
    struct movement movement; /* .variant NULL */
};

struct event_filter {
    bool has_type;
    enum event_type type;
    bool has_order;
    struct uuid order_id;
    bool is_complete; /* what was committed before is there: not from a replica, which may be behind */
};

struct event_row {
    int64_t sequence;
    struct uuid id;
    enum event_type type;
    int64_t created_at_ms;
    struct text data;
};

struct job_filter {
    bool has_state;
    enum job_state state;
    struct text queue; /* absent: any */
    struct text kind;  /* absent: any */
    struct text key;   /* absent: any */
};

/* Counting is dear where there are many jobs. */
enum queue_detail {
    QUEUE_SETTINGS, /* those that have a row, and nothing counted */
    QUEUE_COUNTS    /* those that have a row or jobs */
};

struct queue_row {
    struct job_queue queue; /* .running and the versions are not filled in */
    int64_t counts[JOB_STATE_COUNT];
    int64_t oldest_due_at_ms; /* of its scheduled jobs the earliest that is due; 0: none is */
};

enum key_scope { KEY_SCOPE_READ, KEY_SCOPE_WRITE, KEY_SCOPE_ADMIN };

#define KEY_HASH_BYTES 32
struct key_row {
    struct uuid id;
    struct text name;
    enum key_scope scope;
    uint8_t hash[KEY_HASH_BYTES]; /* SHA-256 of the key; the key itself is never stored */
    struct text hint;             /* the first characters, to tell keys apart in a list */
    int64_t created_at_ms;
    int64_t revoked_at_ms; /* 0: in force */
};

/* What the store knows of itself, for metrics. */
struct store_stats {
    int64_t live_holds; /* drafts */
    int64_t database_bytes;
    int64_t log_bytes;         /* write-ahead log */
    int64_t replica_fallbacks; /* lists that came from the primary because the replica did not answer */
};

struct audit_sink {
    void *context;
    void (*progress)(void *context, const char *check, int number, int total);
    void (*count)(void *context, const char *what, int64_t count); /* "orders", 1234 */
    /* "I2", "sku tee-m: reserved 3, ...", 1; behind a hundred rows of one check what is left: "ledger: and 7 more", 7. */
    void (*violation)(void *context, const char *invariant, const char *row, int64_t rows);
    /* How many drafts are past their deadline, and the latest of them by how much. */
    void (*overdue)(void *context, int64_t drafts, int64_t late_ms);
    int64_t late_ms_max; /* those later than this break I10; -1: none does */
};

struct store_ops {
    const char *name; /* "sqlite" */
    bool embedded;    /* this program's alone: whoever writes to it brings its schema up to date without being asked */

    /* Lifecycle. open does not migrate; migrate brings an older schema (or none) to this program's, and refuses a
     * newer one with FAULT_SCHEMA. schema_check: FAULT_SCHEMA where the schema is not exactly this program's. */
    bool (*open)(const struct store_options *options, struct store **ret_store, struct fault *fault) MUST_USE;
    bool (*migrate)(struct store *store, struct migration_report *ret_report, struct fault *fault) MUST_USE;
    bool (*schema_check)(struct store *store, struct fault *fault) MUST_USE;
    void (*close)(struct store *store); /* takes NULL; readers are closed before */

    /* The clock that deadlines are measured by, as far as it is known without asking. Any thread. */
    int64_t (*now)(const struct store *store);

    /* Called when there is something to do and before it is taken: where other processes have the same rows in hand,
     * waits (bounded) until it is this one's turn, so that meanwhile more gathers. NULL: a store that is never
     * shared so. */
    void (*await_turn)(struct store *store);

    /* A batch: begin, (due,) load, save, commit; or rollback at any point after begin. `now` never goes back within one
     * open store, but for a clock that was far ahead and was put right; load moves facts->now_ms on to what it is once
     * everything is loaded (where rows had to be waited for, later than begin said). due: ids of drafts whose deadline
     * is at or before now_ms, earliest first, at most `max`; *ret_more: others are left. load: fills the facts with
     * whatever of `wanted` exists; orders come with their lines, payments and variants, products with their variants;
     * may be called again for further keys. Every load fills facts->endpoints; those of jobs fill facts->claim,
     * facts->prune and facts->notice as wanted: what may be claimed is locked, or left out where somebody else has it in
     * hand; claim_share (domain/claim_jobs.h) shares it out over the queues. A job is one struct, however it is found; jobs
     * found by id come with their log. save: every new and changed row with guards (a version that is not the
     * loaded one is FAULT_CONFLICT), the events' numbers, and exactly one timeout job per draft; the facts stay until
     * commit or rollback. Where facts->jobs_at_ms is set, watches elsewhere are told. A store may do the writing in commit, where the faults of save come from then. */
    bool (*batch_begin)(struct store *store, int64_t *ret_now_ms, struct fault *fault) MUST_USE;
    bool (*batch_due)(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                      bool *ret_more, struct fault *fault) MUST_USE;
    bool (*batch_load)(struct store *store, const struct wanted *wanted, struct facts *facts,
                       struct fault *fault) MUST_USE;
    bool (*batch_save)(struct store *store, struct facts *facts, struct fault *fault) MUST_USE;
    bool (*batch_commit)(struct store *store, struct fault *fault) MUST_USE;
    void (*batch_rollback)(struct store *store);
    /* The earliest deadline of a payment there is, INT64_MAX where none. Outside a batch. */
    bool (*next_due)(struct store *store, int64_t *ret_due_ms, struct fault *fault) MUST_USE;
    /* Housekeeping between batches (checkpoints, pruning; what a clock that was far ahead has put off is recalled once
     * it is put right), bounded to a few milliseconds a call; idle: nothing waits. *ret_more: call again soon. */
    bool (*maintain)(struct store *store, bool idle, bool *ret_more, struct fault *fault) MUST_USE;
    /* Between batches, bounded to some seconds: a transaction that changes nothing, and is written all the same. False:
     * nothing can be. */
    bool (*try_write)(struct store *store, struct fault *fault) MUST_USE;
    void (*stats)(struct store *store, struct store_stats *ret_stats); /* any thread */

    /* Reading. Results live in the arena. Not found: true with *ret_found false. */
    bool (*reader_open)(struct store *store, struct reader **ret_reader, struct fault *fault) MUST_USE;
    void (*reader_close)(struct reader *reader);
    bool (*read_ping)(struct reader *reader, struct fault *fault) MUST_USE; /* the store answers */
    bool (*read_order)(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                       struct fault *fault) MUST_USE; /* NULL where there is none */
    bool (*read_orders)(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault) MUST_USE; /* newest first, with payments */
    bool (*read_product)(struct reader *reader, struct arena *arena, const struct uuid *id,
                         struct product **ret_product, struct fault *fault) MUST_USE;
    bool (*read_products)(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more,
                          struct fault *fault) MUST_USE; /* newest first */
    bool (*read_variant)(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                         struct fault *fault) MUST_USE;
    bool (*read_movements)(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                           struct fault *fault) MUST_USE; /* oldest first; ret_found: the SKU exists */
    bool (*read_reservations)(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                              const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                              bool *ret_more, struct fault *fault) MUST_USE; /* newest first */
    bool (*read_events)(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault) MUST_USE; /* oldest first; ret_found: the order exists */
    /* The newest event's; 0 before the first. What was answered before is seen, whatever lags. */
    bool (*read_last_sequence)(struct reader *reader, int64_t *ret_sequence, struct fault *fault) MUST_USE;
    bool (*read_jobs)(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault) MUST_USE; /* newest first, without logs; page->after_id */
    bool (*read_job)(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault) MUST_USE; /* with its log; NULL where there is none */
    bool (*read_queues)(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault) MUST_USE; /* by name */
    bool (*read_schedules)(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault) MUST_USE; /* by name */
    bool (*read_endpoints)(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                           size_t *ret_count, struct fault *fault) MUST_USE; /* oldest first, secrets included */
    bool (*read_keys)(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault) MUST_USE; /* revoked ones too, oldest first */

    /* Calls `changed` on a thread of its own when another process has committed something that lets a job start at
     * job_at_ms, or may have; that may be missed (a connection was lost), so whoever relies on it looks now and then,
     * too. watch_stop: no call after it; before close. */
    bool (*watch_start)(struct store *store, void (*changed)(void *context, int64_t job_at_ms), void *context,
                        struct watch **ret_watch, struct fault *fault) MUST_USE;
    void (*watch_stop)(struct watch *watch); /* takes NULL */

    /* Administration, on the writing side, each a transaction of its own. */
    bool (*key_create)(struct store *store, const struct key_row *key, struct fault *fault) MUST_USE;
    bool (*key_revoke)(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                       struct fault *fault) MUST_USE;
    /* I1 to I11 over the whole database in one snapshot, on a reader. */
    bool (*audit)(struct reader *reader, const struct audit_sink *sink, struct fault *fault) MUST_USE;
};

#endif
