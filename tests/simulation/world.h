#ifndef HOLDFAST_TESTS_SIMULATION_WORLD_H
#define HOLDFAST_TESTS_SIMULATION_WORLD_H

/* One simulated world: servers on one store, clients, receivers of webhooks, a clock, and what goes wrong. All of it
 * runs in one thread; who acts next, and what fails, is the seed's choice alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/committer.h"
#include "jobs/job_kinds.h"
#include "jobs/job_runner.h"
#include "model.h"
#include "random.h"

#define SERVERS_MAX 3
#define CLIENTS_MAX 24
#define ENDPOINTS_MAX 3
#define RECEIVER_MS_MAX 3000 /* one that answers does within */
#define SILENT_MS 15000      /* one that does not is waited for so long */
#define LEASE_MS 60000
#define START_UNIX_MS INT64_C(1795340460123) /* 2026-11-22T09:41:00.123Z */

/* Everything that may go wrong; each can be switched off, which shortens the story of a failure. */
enum trouble {
    TROUBLE_BEGIN_FAILS,
    TROUBLE_DUE_FAILS,
    TROUBLE_LOAD_FAILS,
    TROUBLE_LOAD_TIMES_OUT,
    TROUBLE_SAVE_FAILS,
    TROUBLE_SAVE_REFUSED, /* a constraint, or a bug */
    TROUBLE_SAVE_CONFLICTS,
    TROUBLE_COMMIT_FAILS,
    TROUBLE_COMMIT_LOST_APPLIED, /* its answer never comes, and it happened */
    TROUBLE_COMMIT_LOST_DROPPED, /* the same, and it did not */
    TROUBLE_READ_FAILS,
    TROUBLE_HOUSEKEEPING_FAILS,
    TROUBLE_WATCH_MISSED,
    TROUBLE_OUTAGE, /* nothing works for a while */
    TROUBLE_CRASH,
    TROUBLE_CRASH_IN_COMMIT,
    TROUBLE_CLEAN_RESTART,
    TROUBLE_STALL_COMMITTER,
    TROUBLE_STALL_WORKER, /* past its lease */
    TROUBLE_CLOCK_FORWARD,
    TROUBLE_CLOCK_BACK,
    TROUBLE_ANSWER_LOST,
    TROUBLE_QUEUE_FULL,
    TROUBLE_RECEIVER_FAILS,
    TROUBLE_RECEIVER_SILENT,
    TROUBLE_RECEIVER_GONE,
    TROUBLE_COUNT
};
const char *trouble_name(enum trouble trouble);

struct sim_options {
    uint64_t seed;
    int64_t steps;         /* of the wild part */
    int64_t servers;       /* 0: the seed's choice */
    int64_t clients;       /* the same */
    bool is_sqlite;        /* the embedded store; else the shared one, in memory */
    uint32_t calm;         /* 1 << enum trouble: never happens */
    bool tells_history;    /* on a violation */
    const char *folder;    /* of database files */
    _Atomic int64_t *step; /* where to note how far it has come */
};

struct sim_stats {
    int64_t seeds;
    int64_t batches; /* committed */
    int64_t answers;
    int64_t orders;
    int64_t payments;
    int64_t deliveries;
    int64_t audits;
    int64_t read_back; /* orders */
    int64_t simulated_ms;
    int64_t troubles[TROUBLE_COUNT];
    int64_t events[EVENT_TYPE_COUNT];
    uint64_t trace; /* of everything that happened: the same seed gives the same */
};

/* What a server's batch under way came to so far. */
struct open_batch {
    struct model_batch *model; /* NULL: none is open */
    struct facts *facts;
    GPtrArray *decided; /* struct command * of clients, and of nobody else */
};

/* A process. A crashed one is cut off: its store fails, and nobody hears its answers; what is left of it is taken away
 * when its own code has returned. */
struct server {
    int number;
    bool is_up;
    bool is_cut_off;
    bool is_in_committer;
    bool is_in_runner;
    int64_t committer_stalled_until_us;
    int64_t runner_stalled_until_us;
    int64_t down_until_us;
    int64_t out_until_us;       /* its store cannot be reached */
    int64_t set_aside_until_us; /* a timeout of it may rest until then */
    int conflicts;              /* in a row */
    int64_t runner_next_us;
    struct store *store;
    struct reader *reader;  /* the runner's */
    struct reader *auditor; /* what is stored, past all troubles */
    struct committer *committer;
    struct job_runner *runner;
    struct job_kinds *kinds;
    struct job_metrics *job_metrics;
    struct engine_metrics *engine_metrics;
    struct open_batch batch;
};

struct world {
    struct sim_options options;
    struct sim_stats stats;
    struct random random;
    struct store_ops ops; /* with troubles between */
    const struct store_ops *inner;
    char location[256];
    struct server servers[SERVERS_MAX];
    size_t server_count;
    size_t client_count;
    int64_t now_us;               /* monotonic */
    int64_t clock_us;             /* what the wall clock shows */
    int64_t clock_furthest_us;    /* the latest that it ever did */
    int64_t rates[TROUBLE_COUNT]; /* of a thousand, where there is an occasion */
    int64_t sku_count;
    size_t queue_weight_max;
    size_t batch_weight_max;
    size_t sweep_max;
    int64_t patience_ms;     /* with an endpoint that fails */
    bool is_calm;            /* nothing goes wrong: at a start, and at the end */
    bool clock_went_back;    /* ever */
    bool is_ending;          /* the end has begun */
    int64_t ending_since_ms; /* by the clock that shows the time */
    int depth;               /* how many servers' code is interrupted */
    struct model *model;
    int64_t begun;            /* batches */
    struct uuid bad_order_id; /* whose end the store refuses to save */
    int64_t bad_until_us;
    int64_t events_read;
    int64_t audited_at;   /* commits, at the last audit */
    int64_t read_back_at; /* the same, when all was read back last */
};
extern struct world *world;

/* ---- Chance, time, history (world.c) ---- */

/* Does it happen now? Counts it. */
bool trouble(enum trouble trouble);
void history(const char *format, ...) __attribute__((format(printf, 1, 2)));
void advance_us(int64_t us);
void step_clock(int64_t us); /* that which shows the time, by somebody's hand */
int64_t sim_unix_ms(void);
void world_trace(uint64_t value);

/* ---- The store, with troubles between (troubled_store.c) ---- */

void troubled_store_init(struct store_ops *ops, const struct store_ops *under_test);

/* ---- What is stored, against the model (audit.c) ---- */

/* After a commit: what it changed at once, all of it now and then. */
void audit_commit(struct server *server);
/* All there is, by every way that leads to it. */
void audit_end(struct server *server);

/* ---- Servers (servers.c) ---- */

void server_start(struct server *server);
/* From here on nothing that it does reaches the store, and nobody hears its answers. */
void server_cut_off(struct server *server);
void server_stop(struct server *server); /* cleanly where it was not cut off */
bool server_may_act(const struct server *server);
/* False: it could not be given one. */
bool server_committer_turn(struct server *server);
bool server_runner_turn(struct server *server);
bool server_submit(struct server *server, struct command *command);
int64_t server_next_us(const struct server *server);
struct server *server_of(const struct store *store); /* NULL: none's */
struct server *server_deciding(void);                /* whose committer runs, innermost */

/* ---- Clients (clients.c) ---- */

void clients_init(void);
void clients_done(void);
void client_turn(size_t number);
/* Takes the answers of a server. */
void clients_take_answers(struct server *server);
bool clients_are_waiting(void);
/* The first client wants this; what it points at outlives it. */
void clients_give(struct command *command);
/* What its answer must be, if it comes to that; takes it over. The last word counts. */
void clients_expect(struct command *command, struct model_answer *answer);
/* The batch that decided the command has committed. */
void clients_note_applied(struct command *command);

/* ---- Receivers of webhooks (network.c) ---- */

void network_init(void);
void network_done(void);
int64_t network_next_us(void);
/* A batch has committed: what may be sent to whom now, and what counts as sent. */
void network_note_committed(const struct facts *facts);

/* ---- The end, in which all that was begun has to end well (ending.c) ---- */

void end_well(void);
/* A batch has committed. */
void ending_note_committed(const struct facts *facts);

/* ---- A whole run (simulate.c) ---- */

/* Servers that died go, and others come in their place. Nobody's code is under way. */
void tend_servers(void);
/* When something has to be done; INT64_MAX: nothing. */
int64_t next_us(void);
/* Everybody has a turn. */
void round_of_turns(void);

/* Somebody acts: anybody whose own code is not under way. Called between other steps, and in the middle of them. */
void act(void);
/* Adds to the statistics. Ends the process on a violation. */
void simulate(const struct sim_options *options, struct sim_stats *stats);
void sim_stats_add(struct sim_stats *sum, const struct sim_stats *stats);

#endif
