/* The outside world that webhooks are sent to: linked in the place of the HTTP client. Receivers answer, fail, say that
 * they are gone, or nothing; what they are sent is held against what was ever queued for them by what has committed, and
 * what counts as delivered against what they took. */

#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "http/client.h"

#define STATUS_GONE 410

struct http_transfer {
    struct http_client *client;
    void (*done)(void *context, const struct http_client_result *result);
    void *context;
    struct owed *owed;
    int64_t due_us;
    int64_t posted_us;
    int status; /* 0: no answer comes */
    TAILQ_ENTRY(http_transfer) link;
};

struct http_client {
    TAILQ_HEAD(, http_transfer) transfers;
    size_t count;
    size_t max;
    LIST_ENTRY(http_client) link;
};

static LIST_HEAD(, http_client) clients = LIST_HEAD_INITIALIZER(clients);
/* What an endpoint may be sent, whatever became of it: never forgotten. */
struct owed {
    char *name;       /* "URL webhook-id" */
    int64_t sequence; /* of the event; 0: a test */
    int64_t taken;    /* how often the receiver said that it took it */
    int64_t counted;  /* how often it counts as delivered */
    bool is_gone;     /* it said that it is gone for good */
};

static GHashTable *owed; /* by name */

static void free_owed(gpointer value)
{
    struct owed *one = value;
    g_free(one->name);
    g_free(one);
}

void network_init(void)
{
    owed = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_owed);
}

void network_done(void)
{
    g_hash_table_unref(owed);
}

/* ---- What is owed ---- */

static const struct model_event *event_of(int64_t sequence)
{
    return &g_array_index(world->model->events, struct model_event, sequence - 1);
}

static char *name_of(const char *url, const struct uuid *webhook_id)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(*webhook_id, id);
    return g_strdup_printf("%s %s", url, id);
}

static char *name_of_job(const struct model_job *job)
{
    const struct model_endpoint *endpoint = g_hash_table_lookup(world->model->endpoints, &job->endpoint_id);
    return name_of(endpoint->url, job->event_sequence == 0 ? &job->id : &event_of(job->event_sequence)->id);
}

static void note_queued(const struct model_job *job)
{
    g_autofree char *name = name_of_job(job);
    if (!g_hash_table_contains(owed, name)) {
        struct owed *one = g_new0(struct owed, 1);
        one->name = g_steal_pointer(&name);
        one->sequence = job->event_sequence;
        g_hash_table_insert(owed, one->name, one);
    }
}

static void check_end(const struct model_job *job)
{
    g_autofree char *name = name_of_job(job);
    struct owed *one = g_hash_table_lookup(owed, name);
    one->counted += job->state == JOB_COMPLETED;
    if (one->counted > one->taken) {
        sim_violation("delivery", "event %" G_GINT64_FORMAT " counts as delivered, and no receiver took it",
                      job->event_sequence);
    }
    if (job->state == JOB_DEAD && job->attempt < job->max_attempts && !one->is_gone) {
        sim_violation("delivery",
                      "event %" G_GINT64_FORMAT " is given up after %" G_GINT64_FORMAT " attempts of %" G_GINT64_FORMAT,
                      job->event_sequence, job->attempt, job->max_attempts);
    }
}

void network_note_committed(const struct facts *facts)
{
    for (size_t i = 0; i < facts->new_jobs.count; i++) {
        const struct model_job *job = g_hash_table_lookup(world->model->jobs, &facts->new_jobs.items[i]->id);
        if (job->is_delivery) {
            note_queued(job);
        }
    }
    for (size_t i = 0; i < facts->jobs.count; i++) {
        const struct job *real = facts->jobs.entries[i].value;
        const struct model_job *job = g_hash_table_lookup(world->model->jobs, &real->id);
        if (real->is_changed && job->is_delivery) {
            check_end(job);
        }
    }
}

/* The body, but for the number and the data of a test. */
static bool is_body_of(const struct owed *one, const char *webhook_id, struct text body)
{
    g_autofree char *sent = g_strndup(body.bytes, body.length);
    if (one->sequence == 0) {
        return strstr(sent, webhook_id) != NULL && strstr(sent, "\"type\":\"webhook.test\"") != NULL;
    }
    const struct model_event *event = event_of(one->sequence);
    char created_at[TIME_TEXT_LENGTH + 1];
    time_format(event->created_at_ms, created_at);
    g_autofree char *expected =
        g_strdup_printf("{\"type\":\"%s\",\"timestamp\":\"%s\",\"event_id\":\"%s\",\"sequence\":%" G_GINT64_FORMAT
                        ",\"created_at\":\"%s\",\"data\":%s}",
                        event_type_name(event->type), created_at, webhook_id, one->sequence, created_at, event->data);
    return strcmp(sent, expected) == 0;
}

/* Twice is allowed; what nobody is owed, or nobody knows yet, is not. */
static struct owed *check_post(const struct http_client_request *request, struct text webhook_id)
{
    g_autofree char *id = g_strndup(webhook_id.bytes, webhook_id.length);
    g_autofree char *name = g_strdup_printf("%s %s", request->url, id);
    struct owed *one = g_hash_table_lookup(owed, name);
    if (one == NULL) {
        sim_violation("delivery", "a receiver is sent what nobody owes it: %s", name);
    }
    if (!is_body_of(one, id, request->body)) {
        sim_violation("delivery", "a receiver is sent event %" G_GINT64_FORMAT ", and not what it says: %.*s",
                      one->sequence, (int)request->body.length, request->body.bytes);
    }
    return one;
}

/* ---- The client's functions ---- */

bool http_client_new(const struct http_client_options *options, struct http_client **ret_client, struct fault *fault)
{
    (void)fault;
    *ret_client = memory_zalloc(1, sizeof(**ret_client));
    TAILQ_INIT(&(*ret_client)->transfers);
    (*ret_client)->max = options->concurrency_max;
    LIST_INSERT_HEAD(&clients, *ret_client, link);
    return true;
}

static struct text header_value(const struct http_client_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return TEXT_ABSENT;
}

struct http_transfer *http_client_post(struct http_client *client, const struct http_client_request *request)
{
    if (client->count == client->max) {
        return NULL;
    }
    struct http_transfer *transfer = memory_zalloc(1, sizeof(*transfer));
    bool is_silent = trouble(TROUBLE_RECEIVER_SILENT);
    bool is_gone = !is_silent && trouble(TROUBLE_RECEIVER_GONE);
    bool fails = !is_silent && !is_gone && trouble(TROUBLE_RECEIVER_FAILS);
    int64_t takes_ms = is_silent ? SILENT_MS : random_magnitude(&world->random, RECEIVER_MS_MAX);
    transfer->client = client;
    transfer->done = request->done;
    transfer->context = request->context;
    transfer->posted_us = world->now_us;
    transfer->due_us = world->now_us + takes_ms * 1000;
    transfer->status = is_silent ? 0 : is_gone ? STATUS_GONE : fails ? 500 : 200;
    transfer->owed = check_post(request, header_value(request, "webhook-id"));
    TAILQ_INSERT_TAIL(&client->transfers, transfer, link);
    client->count++;
    world->stats.deliveries++;
    return transfer;
}

size_t http_client_room(const struct http_client *client)
{
    return client->max - client->count;
}

void http_client_cancel(struct http_client *client, struct http_transfer *transfer)
{
    TAILQ_REMOVE(&client->transfers, transfer, link);
    client->count--;
    free(transfer);
}

static void end_transfer(struct http_client *client, struct http_transfer *transfer)
{
    const struct http_client_result result = {.outcome =
                                                  transfer->status == 0 ? HTTP_CLIENT_TIMED_OUT : HTTP_CLIENT_ANSWERED,
                                              .error = transfer->status == 0 ? "no answer" : NULL,
                                              .status = transfer->status,
                                              .duration_ms = (world->now_us - transfer->posted_us) / 1000,
                                              .body_excerpt = TEXT_LITERAL("")};
    void (*done)(void *context, const struct http_client_result *result) = transfer->done;
    void *context = transfer->context;
    transfer->owed->taken += transfer->status == 200;
    transfer->owed->is_gone = transfer->owed->is_gone || transfer->status == STATUS_GONE;
    http_client_cancel(client, transfer);
    done(context, &result);
}

bool http_client_run(struct http_client *client, int descriptor, int64_t timeout_ms)
{
    (void)descriptor;
    (void)timeout_ms;
    struct http_transfer *transfer = TAILQ_FIRST(&client->transfers);
    while (transfer != NULL) {
        struct http_transfer *next = TAILQ_NEXT(transfer, link);
        if (transfer->due_us <= world->now_us) {
            end_transfer(client, transfer);
            next = TAILQ_FIRST(&client->transfers); /* others may have gone with it */
        }
        transfer = next;
    }
    return false;
}

void http_client_wake(struct http_client *client)
{
    (void)client; /* it never waits */
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    struct http_transfer *transfer = TAILQ_FIRST(&client->transfers);
    while (transfer != NULL) {
        struct http_transfer *next = TAILQ_NEXT(transfer, link);
        http_client_cancel(client, transfer);
        transfer = next;
    }
    LIST_REMOVE(client, link);
    free(client);
}

int64_t network_next_us(void)
{
    int64_t next_us = INT64_MAX;
    struct http_client *client;
    LIST_FOREACH(client, &clients, link)
    {
        struct http_transfer *transfer;
        TAILQ_FOREACH(transfer, &client->transfers, link)
        {
            next_us = transfer->due_us < next_us ? transfer->due_us : next_us;
        }
    }
    return next_us;
}
