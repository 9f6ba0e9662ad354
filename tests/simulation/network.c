/* The outside world that webhooks are sent to: linked in the place of the HTTP client. Receivers answer, fail, or say
 * nothing; what they took is held against what the committed events owe them. */

#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "http/client.h"

#define RECEIVER_MS_MAX 3000
#define SILENT_MS 15000

struct http_transfer {
    struct http_client *client;
    void (*done)(void *context, const struct http_client_result *result);
    void *context;
    char *owed; /* what a success settles */
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
static GHashTable *owed;         /* "endpoint event" */
static GHashTable *switched_off; /* endpoints */

void network_init(void)
{
    owed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    switched_off = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void network_done(void)
{
    g_hash_table_unref(owed);
    g_hash_table_unref(switched_off);
}

/* ---- What is owed ---- */

static char *owed_name(struct text url, struct uuid event_id)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(event_id, id);
    return g_strdup_printf("%.*s %s", (int)url.length, url.bytes, id);
}

static gboolean is_of_endpoint(gpointer key, gpointer value, gpointer url)
{
    (void)value;
    return g_str_has_prefix(key, url);
}

/* One that was disabled or deleted is owed nothing more, nor what has waited for it. A batch that overlapped with that
 * one does not know yet. */
static void note_endpoint(const struct webhook_endpoint *endpoint)
{
    bool is_off = endpoint->is_deleted || endpoint->status == WEBHOOK_DISABLED;
    if (!is_off && endpoint->version != endpoint->loaded_version) {
        (void)g_hash_table_remove(switched_off, endpoint->url.bytes);
    } else if (is_off) {
        g_autofree char *prefix = g_strdup_printf("%.*s ", (int)endpoint->url.length, endpoint->url.bytes);
        (void)g_hash_table_foreach_remove(owed, is_of_endpoint, prefix);
        (void)g_hash_table_add(switched_off, g_strdup(endpoint->url.bytes));
    }
}

void network_note_events(const struct facts *facts)
{
    for (size_t i = 0; i < facts->endpoint_count; i++) {
        const struct webhook_endpoint *endpoint = facts->endpoints[i];
        note_endpoint(endpoint);
        for (size_t j = 0; j < facts->events.count; j++) {
            if (!g_hash_table_contains(switched_off, endpoint->url.bytes) &&
                webhook_endpoint_wants(endpoint, facts->events.items[j]->type)) {
                (void)g_hash_table_add(owed, owed_name(endpoint->url, facts->events.items[j]->id));
            }
        }
    }
}

size_t network_owed(void)
{
    return g_hash_table_size(owed);
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
    struct text id = header_value(request, "webhook-id");
    bool is_silent = trouble(TROUBLE_RECEIVER_SILENT);
    bool fails = !is_silent && trouble(TROUBLE_RECEIVER_FAILS);
    int64_t takes_ms = is_silent ? SILENT_MS : random_magnitude(&world->random, RECEIVER_MS_MAX);
    transfer->client = client;
    transfer->done = request->done;
    transfer->context = request->context;
    transfer->posted_us = world->now_us;
    transfer->due_us = world->now_us + takes_ms * 1000;
    transfer->status = is_silent ? 0 : fails ? 500 : 200;
    transfer->owed = g_strdup_printf("%s %.*s", request->url, (int)id.length, id.bytes);
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
    g_free(transfer->owed);
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
    if (transfer->status == 200) {
        (void)g_hash_table_remove(owed, transfer->owed);
    }
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
