#ifndef HOLDFAST_TESTS_SIMULATION_MEMORY_INTERNAL_H
#define HOLDFAST_TESTS_SIMULATION_MEMORY_INTERNAL_H

/* What the files of the memory store share. Rows are the domain's own structures, in the database's arena; their texts
 * are never changed in place. */

#include "memory_index.h"
#include "memory_store.h"

/* Of what batches load to decide by. */
struct row {
    int64_t changed_in; /* the number of the commit that changed it last */
    size_t holders;     /* open batches that loaded it */
};

struct stored_hold {
    const struct variant *variant;
    int64_t quantity;
    enum reservation_status status;
};

struct stored_order {
    struct row row;
    struct order order;        /* its lines' variants are the database's */
    struct stored_hold *holds; /* one a line */
};

struct stored_job {
    struct row row;
    struct job job;
    int64_t run_at_us; /* finer than the job's own: deliveries of one millisecond keep the order of their commits */
};

struct stored_queue {
    struct row row;
    struct job_queue queue;
};

struct stored_notices {
    struct row row;
    struct notice_place place;
};

struct stored_event {
    struct event_row event;
    bool has_order;
    struct uuid order_id;
};

struct stored_answer {
    struct idempotency_record record; /* .order NULL: */
    bool has_order;
    struct uuid order_id;
};

enum index_name {
    PRODUCTS,           /* id: struct product, its variants are the database's */
    VARIANTS,           /* SKU: struct variant */
    ORDERS,             /* id: struct stored_order */
    ORDERS_OF_CUSTOMER, /* customer, id: struct stored_order */
    PAYMENTS,           /* reference: struct stored_order */
    TIMEOUTS,           /* deadline, order's id: struct stored_order */
    ANSWERS,            /* idempotency key: struct stored_answer */
    ANSWERS_BY_AGE,     /* created_at, idempotency key: struct stored_answer */
    JOBS,               /* id: struct stored_job, and so are the following */
    JOBS_SCHEDULED,     /* queue, priority, run_at, id */
    JOBS_RUNNING,       /* lease's end, id */
    JOBS_FINISHED,      /* completed and cancelled ones: finished_at, id */
    JOBS_DEAD,          /* finished_at, id */
    JOB_KEYS,           /* kind, key: of scheduled ones */
    QUEUES,             /* name: struct stored_queue */
    SCHEDULES,          /* name: struct job_schedule */
    ENDPOINTS,          /* id: struct webhook_endpoint */
    API_KEYS,           /* created_at, id: struct key_row */
    MOVEMENTS,          /* sequence: struct movement_row */
    EVENTS,             /* sequence: struct stored_event */
    INDEX_COUNT
};

struct memory_database {
    char *location;
    struct memory_database *next;
    struct store *stores; /* that have it open, in the order in which they came */
    struct arena *arena;
    bool is_migrated;
    struct index indexes[INDEX_COUNT];
    struct stored_notices notices;
    int64_t commits;
    int64_t variant_count;
    int64_t last_movement;
    int64_t last_sequence;
    int64_t live_holds;
    int64_t last_delivery_at_us;
};

/* What a batch loaded, and after how many commits. */
struct held_row {
    struct row *row;
    int64_t since;
};

struct watch {
    struct store *store;
    struct watch *next;
    void (*changed)(void *context, int64_t job_at_ms);
    void *context;
};

struct store {
    struct memory_database *database;
    struct store *next;
    int64_t (*unix_ms)(void);
    int64_t idempotency_ms;
    struct watch *watches;
    int64_t now_ms;         /* the last `now` given out */
    int64_t clock_ahead_ms; /* the clock was so far ahead, and what it put off is to be recalled; 0: it was not */
    bool in_batch;
    struct facts *saved; /* NULL: nothing to write */
    struct held_row *held;
    size_t held_count;
    size_t held_capacity;
    struct prune_wanted prune; /* of a batch that prunes, with the ages that the numbers come to */
    int64_t prune_events_to;   /* the last that goes */
};

struct reader {
    struct store *store;
};

/* memory_database.c */
MUST_USE bool memory_schema_check(struct store *store, struct fault *fault);
int64_t store_advance(struct store *store); /* the next `now` to give out */

/* memory_rows.c: from the database to the facts, or to a reader's arena. A row is one struct, however it is found. */
#define ID_KEY(id) ((struct text){(const char *)(id)->bytes, sizeof((id)->bytes)})
struct variant *rows_put_variant(struct facts *facts, const struct variant *stored);
struct product *rows_put_product(struct facts *facts, const struct product *stored);
struct order *rows_put_order(struct facts *facts, const struct stored_order *stored);
struct job *rows_put_job(struct facts *facts, const struct stored_job *stored);
struct job_queue *rows_put_queue(struct facts *facts, const struct memory_database *database, struct text name);
struct job *rows_copy_job(struct arena *arena, const struct stored_job *stored);
struct job_schedule *rows_copy_schedule(struct arena *arena, const struct job_schedule *stored);
struct webhook_endpoint *rows_copy_endpoint(struct arena *arena, const struct webhook_endpoint *stored);

/* memory_load.c */
bool memory_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault);
bool memory_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                      bool *ret_more, struct fault *fault);
bool memory_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault);
bool memory_batch_save(struct store *store, struct facts *facts, struct fault *fault);
void memory_batch_rollback(struct store *store);
bool memory_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault);
void store_hold(struct store *store, struct row *row); /* it was loaded, to decide by */

/* memory_load_jobs.c */
void load_jobs(struct store *store, const struct wanted *wanted, struct facts *facts);

/* memory_claim.c */
void load_claim(struct store *store, const struct wanted *wanted, struct facts *facts);

/* memory_commit.c */
bool memory_batch_commit(struct store *store, struct fault *fault);
MUST_USE bool fault_moved(struct fault *fault, const char *table);   /* not at the version that was loaded */
MUST_USE bool fault_taken(struct fault *fault, const char *table);   /* somebody else was first with this key */
MUST_USE bool fault_refused(struct fault *fault, const char *table); /* CHECK and the like */

/* memory_commit_jobs.c: first all checks, then, where none fails, the changes. */
MUST_USE bool jobs_check(const struct memory_database *database, struct facts *facts, struct fault *fault);
void jobs_apply(struct store *store, struct facts *facts, int64_t first_sequence);
void job_enter(struct memory_database *database, struct stored_job *job); /* into the indexes, by what it is now */
void job_leave(struct memory_database *database, struct stored_job *job);

/* memory_maintain.c */
bool memory_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault);
bool memory_try_write(struct store *store, struct fault *fault);
bool memory_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                      struct fault *fault);
bool memory_key_create(struct store *store, const struct key_row *key, struct fault *fault);
bool memory_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                       struct fault *fault);

/* memory_read.c */
bool memory_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                       struct fault *fault);
bool memory_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                        const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                        struct fault *fault);
bool memory_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                         struct product **ret_product, struct fault *fault);
bool memory_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                          struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault);
bool memory_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                         struct fault *fault);
bool memory_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                           struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                           struct fault *fault);
bool memory_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                              const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                              bool *ret_more, struct fault *fault);
bool memory_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                        const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                        bool *ret_found, struct fault *fault);
bool memory_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault);

/* memory_read_jobs.c */
bool memory_read_jobs(struct reader *reader, struct arena *arena, const struct job_filter *filter,
                      const struct page *page, struct job ***ret_jobs, size_t *ret_count, bool *ret_more,
                      struct fault *fault);
bool memory_read_job(struct reader *reader, struct arena *arena, const struct uuid *id, struct job **ret_job,
                     struct fault *fault);
bool memory_read_queues(struct reader *reader, struct arena *arena, enum queue_detail detail, int64_t now_ms,
                        struct queue_row **ret_rows, size_t *ret_count, struct fault *fault);
bool memory_read_schedules(struct reader *reader, struct arena *arena, struct job_schedule ***ret_schedules,
                           size_t *ret_count, struct fault *fault);
bool memory_read_endpoints(struct reader *reader, struct arena *arena, struct webhook_endpoint ***ret_endpoints,
                           size_t *ret_count, struct fault *fault);

/* memory_audit.c */
bool memory_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault);

#endif
