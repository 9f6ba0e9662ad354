#ifndef HOLDFAST_DOMAIN_FACTS_H
#define HOLDFAST_DOMAIN_FACTS_H

/* The working set of one batch: what the store loaded for it, and, as decisions change it, what the store has to
 * save. Deciding is a pure function of the working set, its `now_ms` and its id source: throwing the set away and
 * loading it afresh replans the batch. Everything lives in the batch's arena: a decision copies what it takes over
 * from its command, since other commands' outcomes may show it after that command is gone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/table.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/event.h"
#include "domain/job.h"
#include "domain/job_queue.h"
#include "domain/job_schedule.h"
#include "domain/order.h"
#include "domain/product.h"
#include "domain/stock.h"
#include "domain/webhook_endpoint.h"

#define FINGERPRINT_BYTES 32 /* SHA-256 of method, path and body */

/* A request that was answered and may come again (I8). */
struct idempotency_record {
    struct text key;
    uint8_t fingerprint[FINGERPRINT_BYTES];
    int64_t created_at_ms;
    /* Either the creation of one order, whose answer is made again from the order, ... */
    struct order *order; /* NULL otherwise */
    /* ... or the answer itself, as it was given. */
    int status;
    struct text body;
    struct text location; /* absent where the answer had none */
    int64_t version;      /* the ETag; 0 where the answer had none */
    bool is_new;          /* made by this batch: to be saved */
};

/* What is recorded under a payment reference anywhere in the database. */
struct payment_owner {
    struct uuid order_id;
};

/* Units of one variant that one customer has in paid orders and live holds. */
struct purchase {
    struct text customer_id;
    struct text sku;
    int64_t quantity;
};

/* What old rows a batch wants to be rid of, a slice at a time. */
struct prune_wanted {
    size_t max;                 /* rows of each; 0: nothing is pruned */
    int64_t finished_before_ms; /* completed and cancelled jobs that finished before go; INT64_MIN: none */
    size_t finished_keep;       /* and all but the newest so many of them */
    int64_t dead_before_ms;     /* dead jobs that died before go; INT64_MIN: none */
    int64_t events_before_ms;   /* events from before go, but for the last one there is; INT64_MIN: none */
};

/* Drafts whose deadline is near, in the order of (deadline, id). */
struct notice_wanted {
    size_t max;      /* 0: none are asked for */
    int64_t lead_ms; /* how long before its deadline an order is near it */
};

/* What a batch wants loaded. Tables are keyed as in struct facts; values are unused but for purchases. */
struct wanted {
    struct table skus;
    struct table order_ids;
    struct table due_ids; /* orders whose timeout is due: another server that has one in hand is not waited for */
    struct table product_ids;
    struct table payment_references;
    struct table idempotency_keys;
    struct table purchases;  /* value: struct purchase *; looked up only where the variant has max_per_customer */
    size_t due_known;        /* how many due orders the caller knows of, whether it asks for them or not */
    bool skip_locked;        /* leave out what somebody else keeps locked, and say what that is */
    bool products_of_skus;   /* also the product, with all its variants, of every SKU that exists */
    struct table job_ids;    /* brings along the scheduled job that has the same kind and key */
    struct table job_keys;   /* job_key(): scheduled jobs */
    struct table queues;     /* names */
    struct table schedules;  /* names */
    size_t claim_max;        /* jobs to look for that may be claimed */
    size_t claim_reserve;    /* of these at most so many are left for queues that are not in claim_held */
    struct table claim_held; /* names of queues of which the worker runs something */
    struct prune_wanted prune;
    struct notice_wanted notice;
};

struct movement_list {
    struct movement **items;
    size_t count;
    size_t capacity;
};
struct event_list {
    struct event **items;
    size_t count;
    size_t capacity;
};

struct job_list {
    struct job **items;
    size_t count;
    size_t capacity;
};

struct policy {
    int64_t hold_seconds_max;
    int64_t webhook_attempts_max;     /* 0: the default */
    int64_t webhook_disable_after_ms; /* an endpoint that fails for so long; 0: the default */
};

/* What may be claimed, as claim_plan shared it out: first the jobs whose lease has run out, then scheduled ones. Each is
 * in facts.jobs, too, and each one's queue in facts.queues. */
struct claim_facts {
    struct job **jobs;
    size_t count;
    int64_t next_ms; /* when the next may be claimed, by its time or because its lease runs out; INT64_MAX: unknown */
    bool more;       /* something else may be claimed now */
};

/* What prune_wanted came to: the store knows which rows they are. */
struct prune_facts {
    size_t job_count;
    size_t event_count;
    bool more;        /* a slice was full */
    bool is_accepted; /* set by the decision: they are deleted */
};

/* A place in the order of payment timeouts. */
struct notice_place {
    int64_t expires_at_ms;
    struct uuid order_id;
};

struct notice_facts {
    struct uuid *order_ids; /* each in facts.orders, unless it was locked elsewhere */
    size_t count;
    bool more;                  /* others are near, too */
    int64_t next_ms;            /* the deadline of the first that is not; INT64_MAX: there is none */
    struct notice_place loaded; /* up to where notice was given before */
    struct notice_place given;  /* and after: to be saved where it differs, guarded by the one loaded */
};

struct facts {
    struct arena *arena;
    int64_t now_ms;
    struct uuid_source *ids;
    struct policy policy;
    /* Set by the store: there are overdue holds beside those that were asked for. */
    bool overdue_left;
    /* Holds that are overdue were left for a later batch: a shortage may be theirs, so it must not be judged yet. */
    bool sweep_pending;

    struct table variants;        /* sku -> struct variant * */
    struct table orders;          /* 16 id bytes -> struct order *, with lines, payments and each line's variant */
    struct table products;        /* 16 id bytes -> struct product *, with all its variants */
    struct table payment_owners;  /* payment reference -> struct payment_owner * */
    struct table idempotency;     /* key -> struct idempotency_record * */
    struct table purchases;       /* purchase_key() -> struct purchase * */
    struct table locked_skus;     /* with skip_locked: what is there and was left out */
    struct table locked_orders;   /* the same, 16 id bytes */
    struct table locked_jobs;     /* the same */
    struct table locked_job_keys; /* the same, job_key() */
    struct table elsewhere;       /* due_ids that another server has in hand, or has had: not loaded */

    struct table jobs;      /* 16 id bytes -> struct job * */
    struct table job_keys;  /* job_key() -> struct job *: scheduled when it was loaded or made */
    struct table queues;    /* name -> struct job_queue *: those wanted, and those of what may be claimed */
    struct table schedules; /* name -> struct job_schedule * */
    struct webhook_endpoint **endpoints; /* all there are, oldest first: loaded with every batch */
    size_t endpoint_count;
    struct claim_facts claim;
    struct prune_facts prune;
    struct notice_facts notice;

    /* New rows, in the order they were decided. Changed rows are found by comparing with loaded_*. */
    struct movement_list movements;
    struct event_list events;
    struct job_list new_jobs;
    int64_t jobs_at_ms;  /* the earliest moment at which what this batch changed lets a job start; INT64_MAX: none */
    size_t change_count; /* decisions that changed something: 0 means that there is nothing to save */
};

void wanted_init(struct wanted *wanted, struct arena *arena);
void wanted_add_sku(struct wanted *wanted, struct text sku);
void wanted_add_order(struct wanted *wanted, const struct uuid *order_id); /* *order_id must outlive the batch */
void wanted_add_due(struct wanted *wanted, const struct uuid *order_id);   /* the same */
void wanted_add_product(struct wanted *wanted, const struct uuid *product_id);
void wanted_add_payment_reference(struct wanted *wanted, struct text reference);
void wanted_add_idempotency_key(struct wanted *wanted, struct text key);
void wanted_add_purchase(struct wanted *wanted, struct text customer_id, struct text sku);

void wanted_add_job(struct wanted *wanted, const struct uuid *job_id); /* *job_id must outlive the batch */
void wanted_add_job_key(struct wanted *wanted, struct text kind, struct text key);
void wanted_add_queue(struct wanted *wanted, struct text name);
void wanted_add_schedule(struct wanted *wanted, struct text name);

/* The key of the tables job_keys: neither a kind nor a key has a NUL. */
struct text job_key(struct arena *arena, struct text kind, struct text key);

void facts_init(struct facts *facts, struct arena *arena, int64_t now_ms, struct uuid_source *ids,
                struct policy policy);

/* For the store while loading, and for decisions that make new rows. The object's own id or sku is the key. */
void facts_put_variant(struct facts *facts, struct variant *variant);
void facts_put_order(struct facts *facts, struct order *order);
void facts_put_product(struct facts *facts, struct product *product);
void facts_put_payment_owner(struct facts *facts, struct text reference, struct uuid order_id);
void facts_put_idempotency(struct facts *facts, struct idempotency_record *record);
void facts_put_locked_sku(struct facts *facts, struct text sku);
void facts_put_locked_order(struct facts *facts, const struct uuid *order_id); /* *order_id outlives the facts */
void facts_put_elsewhere(struct facts *facts, const struct uuid *order_id);    /* *order_id outlives the facts */
void facts_put_purchase(struct facts *facts, struct purchase *purchase);

void facts_put_job(struct facts *facts,
                   struct job *job); /* by its id, and by its key where it has one and is scheduled */
void facts_put_queue(struct facts *facts, struct job_queue *queue);
void facts_put_schedule(struct facts *facts, struct job_schedule *schedule);
void facts_put_endpoint(struct facts *facts, struct webhook_endpoint *endpoint);

struct variant *facts_variant(const struct facts *facts, struct text sku); /* NULL where there is none */
struct order *facts_order(const struct facts *facts, const struct uuid *id);
void facts_put_locked_job(struct facts *facts, const struct uuid *job_id); /* *job_id outlives the facts */
void facts_put_locked_job_key(struct facts *facts, struct text kind, struct text key);
bool facts_have_locked(const struct facts *facts); /* was anything left out? */
/* Of what `wanted` names, was anything? */
bool facts_lack_locked(const struct facts *facts, const struct wanted *wanted);
bool facts_is_elsewhere(const struct facts *facts, const struct uuid *order_id);
struct product *facts_product(const struct facts *facts, const struct uuid *id);
const struct payment_owner *facts_payment_owner(const struct facts *facts, struct text reference);
struct idempotency_record *facts_idempotency(const struct facts *facts, struct text key);
struct purchase *facts_purchase(const struct facts *facts, struct text customer_id, struct text sku);

struct job *facts_job(const struct facts *facts, const struct uuid *id);
/* The one that is scheduled under that key now. */
struct job *facts_scheduled_job(const struct facts *facts, struct text kind, struct text key);
struct job_queue *facts_queue(const struct facts *facts, struct text name);
struct job_schedule *facts_schedule(const struct facts *facts, struct text name);
struct webhook_endpoint *facts_endpoint(const struct facts *facts, const struct uuid *id); /* not a deleted one */

void facts_add_job(struct facts *facts, struct job *job); /* a new one */
/* Something was changed that lets a job start at that time. */
void facts_note_job_at(struct facts *facts, int64_t at_ms);
void facts_add_event(struct facts *facts, struct event *event);
/* Appends the movement that led to the variant's present stock_quantity. */
struct movement *facts_add_movement(struct facts *facts, struct variant *variant, int64_t delta,
                                    enum movement_reason reason, struct text reference, const struct order *order);
struct payment *facts_add_payment(struct facts *facts, struct order *order, const struct payment *payment);

#endif
