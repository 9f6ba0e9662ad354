#ifndef HOLDFAST_STORE_POSTGRES_POSTGRES_INTERNAL_H
#define HOLDFAST_STORE_POSTGRES_POSTGRES_INTERNAL_H

/* What the files of the PostgreSQL store share. One session does all writing; each reader has its own, and one more to
 * the replica where there is one. The functions of struct store_ops that live in a file of their own are declared here
 * under their names there. */

#include <stdatomic.h>

#include "store/postgres/session.h"
#include "store/store.h"

/* Drafts that are due, as they were when it was last looked. */
#define DUE_MAX 1500
struct due_list {
    struct uuid ids[DUE_MAX];
    int64_t run_at_ms[DUE_MAX];
    size_t count; /* the first is the earliest deadline there is, even where that is far away */
    int64_t asked_until_ms;
    int64_t from_ms;      /* none is due before, as far as the last full look could tell */
    int64_t full_look_us; /* when to look again without that, ... */
    int64_t wide_look_us; /* ... and with a little less of it */
    int64_t until_ms;     /* there are no others up to here */
    bool is_cut;          /* there are more behind the last */
    bool is_known;        /* false: look before using it */
    bool is_fresh;        /* nobody has asked since */
};

/* One run over old rows, slice by slice, and where to go on: what was deleted may be walked over by whoever begins
 * before it (see due.c). */
struct prune_look {
    struct prune_wanted wanted; /* in a batch that prunes */
    bool is_begun;              /* the rest holds for the next slice, too */
    int64_t finished_before_ms; /* what finished before goes */
    int64_t finished_from_ms;   /* none is left before */
    int64_t first_event;        /* none is left before */
    int64_t last_event;         /* that goes; -1: none does */
};

struct store {
    /* Immutable after open. */
    char *uri;
    char *read_uri;           /* NULL: no replica */
    int64_t (*unix_ms)(void); /* NULL: the database's clock */
    int64_t read_timeout_ms;
    int64_t idempotency_ms;
    struct uuid writer_id; /* this process's row in writers */

    /* The writing side's own. */
    struct session *session;
    bool ready; /* the schema was seen to be this program's */
    bool in_batch;
    int64_t impatient_until_us;
    bool must_lock;              /* this batch locks the stock that it loads */
    bool has_saved;              /* it has something to write */
    bool has_turn;               /* the next batch has begun already, by waiting for its turn */
    bool in_turn;                /* this one has */
    int64_t take_turns_until_us; /* after another server was met at the same rows */
    bool has_begun;              /* the server knows of the batch */
    int64_t batch;               /* number of the last one that was saved, as in writers */
    int64_t committed_batch;     /* what writers said when the connection was taken over */
    int64_t connection;          /* its number, once it was taken over */
    size_t counted;              /* where in the exchange under way the commit's results are: counters, ... */
    size_t looked;               /* ... and deadlines */
    int64_t now_ms;              /* the last `now` given out */
    int64_t clock_ahead_ms;      /* the clock was so far ahead, and what it put off is to be recalled; 0: it was not */
    struct due_list due;
    struct head_memory *heads; /* jobs.h */
    struct prune_look prune;
    int64_t *near_ms;      /* of the orders in facts->notice: the deadlines that they were found by */
    int64_t noticed_to_ms; /* up to where no deadline was left to be told of, as it was last looked */
    int64_t prune_at_us;   /* the next slice of old idempotency keys, on the monotonic clock */
    int64_t measure_at_us;

    /* Any thread. */
    _Atomic int64_t clock_offset_us; /* what the database's clock is ahead of our monotonic one */
    _Atomic int64_t live_holds;
    _Atomic int64_t database_bytes;
    _Atomic int64_t let_in_us; /* of the sessions to the primary */
    _Atomic int64_t replica_let_in_us;
    _Atomic int64_t replica_fallbacks;
    _Atomic int64_t replica_warned_us; /* when its failing was last logged; 0: never */
};

struct reader {
    struct store *store;
    char settings[600]; /* SQL for each new connection */
    struct session *primary;
    struct session *replica; /* NULL: none */
    int64_t made_at; /* when the schema was made, in the server's microseconds: known where there is a replica */
    int64_t replica_is_of_number; /* its connection that was seen to lead to the same shop */
};

/* due.c: the database's clock, and what is due by it. */
int64_t postgres_now(const struct store *store);
bool postgres_next_due(struct store *store, int64_t *ret_due_ms, struct fault *fault);
bool postgres_batch_due(struct store *store, int64_t now_ms, size_t max, struct uuid *ret_ids, size_t *ret_count,
                        bool *ret_more, struct fault *fault);
MUST_USE bool store_look(struct store *store,
                         struct fault *fault); /* an exchange of its own: clock, deadlines, holds */
/* The same deadlines as part of another exchange: queue, and take what came of it. */
size_t store_queue_due(struct store *store);
void store_take_due(struct store *store, const PGresult *result);
void store_set_clock(struct store *store, int64_t database_unix_us);
int64_t store_advance(struct store *store); /* the next `now` to give out */

/* turn.c */
void postgres_await_turn(struct store *store);
void store_note_load(struct store *store, int64_t load_us, size_t row_count); /* was anybody waited for? */
void store_note_fault(struct store *store, enum fault_kind kind);             /* of a statement */
bool store_meets_others(const struct store *store); /* other servers were at the same rows just now */

/* batch.c: begin, commit and rollback */
bool postgres_batch_begin(struct store *store, int64_t *ret_now_ms, struct fault *fault);
bool postgres_batch_commit(struct store *store, struct fault *fault);
void postgres_batch_rollback(struct store *store);
MUST_USE bool store_connect(struct store *store, struct fault *fault); /* and takes the writing over */
void batch_abandon(struct store *store);                               /* ends on the server what it knows of */
void batch_queue_begin(struct store *store); /* where the server does not know of the batch yet */

/* batch_load.c */
bool postgres_batch_load(struct store *store, const struct wanted *wanted, struct facts *facts, struct fault *fault);

/* batch_save.c */
bool postgres_batch_save(struct store *store, struct facts *facts, struct fault *fault);

/* maintenance.c */
MUST_USE bool store_measure(struct store *store, struct fault *fault); /* how large the database is */
bool postgres_maintain(struct store *store, bool idle, bool *ret_more, struct fault *fault);
bool postgres_try_write(struct store *store, struct fault *fault);

/* schema.c */
bool postgres_migrate(struct store *store, struct migration_report *ret_report, struct fault *fault);
bool postgres_schema_check(struct store *store, struct fault *fault);
MUST_USE bool postgres_get_ready(struct store *store, struct fault *fault);

/* reader.c */
bool postgres_reader_open(struct store *store, struct reader **ret_reader, struct fault *fault);
void postgres_reader_close(struct reader *reader);
bool postgres_read_ping(struct reader *reader, struct fault *fault);

/* A read is one exchange, and so one snapshot: what is sent together, without BEGIN, is a transaction of its own. */
enum read_kind {
    READ_ONE,  /* from the primary: what was answered before is seen */
    READ_LIST, /* from the replica where there is one and it answers, else from the primary */
};
struct read {
    enum read_kind kind;
    void (*queue)(struct session *session, void *context); /* the statements; called again where it is tried again */
    void *context;
};
/* The results are the session's until its next exchange. */
MUST_USE bool read_run(struct reader *reader, const struct read *read, struct session **ret_session,
                       struct fault *fault);
/* Of a list's rows, which are one more than its limit where there is more. */
size_t read_page_count(const PGresult *rows, const struct page *page, bool *ret_more);

/* The last there can be (RFC 9562, section 5.10): above every order and product. */
#define UUID_MAX \
    ((struct uuid){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})

/* read_orders.c */
/* Queues a search for orders, the newest first. The ids of those found are FOUND_ORDERS for the statements behind it in
 * the same exchange. */
#define FOUND_ORDERS "current_setting('holdfast.found')::uuid[]"
struct order_search {
    struct uuid first; /* inclusive */
    struct uuid end;   /* exclusive */
    size_t limit;
    struct text customer_id; /* absent: any */
    struct text sku;         /* absent: any */
    unsigned statuses;       /* 1 << status each; 0: any */
};
void queue_order_search(struct session *session, const struct order_search *search);
bool postgres_read_order(struct reader *reader, struct arena *arena, const struct uuid *id, struct order **ret_order,
                         struct fault *fault);
bool postgres_read_orders(struct reader *reader, struct arena *arena, const struct order_filter *filter,
                          const struct page *page, struct order ***ret_orders, size_t *ret_count, bool *ret_more,
                          struct fault *fault);
/* read_reservations.c */
bool postgres_read_reservations(struct reader *reader, struct arena *arena, const struct reservation_filter *filter,
                                const struct page *page, struct reservation_row **ret_rows, size_t *ret_count,
                                bool *ret_more, struct fault *fault);
/* read_catalogue.c */
bool postgres_read_product(struct reader *reader, struct arena *arena, const struct uuid *id,
                           struct product **ret_product, struct fault *fault);
bool postgres_read_products(struct reader *reader, struct arena *arena, const struct page *page,
                            struct product ***ret_products, size_t *ret_count, bool *ret_more, struct fault *fault);
bool postgres_read_variant(struct reader *reader, struct arena *arena, struct text sku, struct variant **ret_variant,
                           struct fault *fault);
bool postgres_read_movements(struct reader *reader, struct arena *arena, struct text sku, const struct page *page,
                             struct movement_row **ret_rows, size_t *ret_count, bool *ret_more, bool *ret_found,
                             struct fault *fault);
/* read_events.c */
bool postgres_read_events(struct reader *reader, struct arena *arena, const struct event_filter *filter,
                          const struct page *page, struct event_row **ret_rows, size_t *ret_count, bool *ret_more,
                          bool *ret_found, struct fault *fault);
bool postgres_read_last_sequence(struct reader *reader, int64_t *ret_sequence, struct fault *fault);
/* keys.c */
bool postgres_read_keys(struct reader *reader, struct arena *arena, struct key_row **ret_rows, size_t *ret_count,
                        struct fault *fault);
bool postgres_key_create(struct store *store, const struct key_row *key, struct fault *fault);
bool postgres_key_revoke(struct store *store, struct text id_or_name, int64_t now_ms, bool *ret_found,
                         struct fault *fault);
/* audit.c */
bool postgres_audit(struct reader *reader, const struct audit_sink *sink, struct fault *fault);

#endif
