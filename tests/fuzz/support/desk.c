#include "desk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_state.h"
#include "api/call.h"
#include "domain/limits.h"
#include "engine/committer.h"
#include "engine/reader_pool.h"
#include "http/head.h"
#include "http/stream.h"

static struct {
    struct api api;
    struct shop *shop;
    desk_check *check;

    /* of the request that is asked */
    const struct desk_request *request;
    struct desk_reply *reply;
    struct command *command; /* decided, to be completed */
    bool is_read;
} desk;

/* ---- The shop: what a store would have loaded, whatever is wanted ---- */

static void add_job(struct shop *shop, enum job_state state, const char *key)
{
    struct job *job = arena_zalloc(shop->arena, sizeof(*job));
    job->id = uuid_source_next(&shop->ids, SHOP_NOW_MS);
    job->queue = TEXT_LITERAL("default");
    job->kind = TEXT_LITERAL("prune");
    job->key = text_from_c(key);
    job->state = job->loaded_state = state;
    job->max_attempts = 3;
    job->progress = JOB_PROGRESS_NONE;
    job->created_at_ms = SHOP_NOW_MS;
    job->finished_at_ms = job_state_is_finished(state) ? SHOP_NOW_MS : 0;
    facts_put_job(&shop->facts, job);
}

static void add_endpoint(struct shop *shop)
{
    struct webhook_endpoint *endpoint = arena_zalloc(shop->arena, sizeof(*endpoint));
    endpoint->id = uuid_source_next(&shop->ids, SHOP_NOW_MS);
    endpoint->url = TEXT_LITERAL("https://shop.example/hook");
    endpoint->secret = TEXT_LITERAL("whsec_MDEyMzQ1Njc4OWFiY2RlZg==");
    endpoint->created_at_ms = SHOP_NOW_MS;
    endpoint->version = endpoint->loaded_version = 1;
    facts_put_endpoint(&shop->facts, endpoint);
}

static void add_queue(struct shop *shop, const char *name)
{
    struct job_queue *queue = arena_zalloc(shop->arena, sizeof(*queue));
    queue->name = text_from_c(name);
    queue->is_known = true;
    queue->version = queue->loaded_version = 1;
    facts_put_queue(&shop->facts, queue);
}

void desk_open(bool allow_private, desk_check *check)
{
    static struct digest *digest;
    digest = digest == NULL ? digest_new() : digest;
    memset(&desk, 0, sizeof(desk));
    desk.api.options.insecure = true;
    desk.api.options.hold_seconds_max = HOLD_SECONDS_MAX_DEFAULT;
    desk.api.options.webhook_allow_private = allow_private;
    desk.api.digest = digest;
    desk.check = check;
    desk.shop = shop_open();
    struct shop *shop = desk.shop;
    (void)shop_product(shop, "Tee");
    struct variant *variant = shop_variant(shop, "a", 10);
    (void)shop_variant(shop, "b", 0);
    shop_variant(shop, "limited", 5)->max_per_customer = 2;
    (void)shop_order(shop, variant, 1, ORDER_DRAFT);
    (void)shop_order(shop, variant, 1, ORDER_PAID);
    (void)shop_order(shop, variant, 1, ORDER_CANCELLED);
    (void)shop_order(shop, variant, 1, ORDER_EXPIRED);
    add_job(shop, JOB_DEAD, "k");
    add_job(shop, JOB_SCHEDULED, NULL);
    add_job(shop, JOB_COMPLETED, NULL);
    add_endpoint(shop);
    add_queue(shop, "default");
}

struct shop *desk_shop(void)
{
    return desk.shop;
}

void desk_close(void)
{
    shop_close(desk.shop);
    desk.shop = NULL;
}

static struct text make_webhook_secret(struct arena *arena)
{
    return arena_text(arena, TEXT_LITERAL("whsec_ZmVkY2JhOTg3NjU0MzIxMA=="));
}

static void count_in_stats(struct store *store, struct store_stats *ret_stats)
{
    (void)store;
    *ret_stats = (struct store_stats){.live_holds = 1};
}

static int64_t tell_now(const struct store *store)
{
    (void)store;
    return SHOP_NOW_MS;
}

/* In memory of its own length: nothing may be read behind it. */
static void make_exact(struct text *text)
{
    if (text->bytes != NULL) {
        char *copy = memory_alloc(text->length + (text->length == 0));
        memcpy(copy, text->bytes, text->length);
        text->bytes = copy;
    }
}

static struct desk_request copy_exactly(const struct desk_request *request)
{
    struct desk_request copy = *request;
    make_exact(&copy.path);
    make_exact(&copy.query);
    for (size_t i = 0; i < copy.header_count; i++) {
        make_exact(&copy.headers[i].value);
    }
    return copy;
}

static void free_text(struct text text)
{
    free((void *)(uintptr_t)text.bytes);
}

static void free_copy(const struct desk_request *copy)
{
    free_text(copy->path);
    free_text(copy->query);
    for (size_t i = 0; i < copy->header_count; i++) {
        free_text(copy->headers[i].value);
    }
}

void desk_ask(const struct desk_request *asked, struct desk_reply *ret_reply)
{
    static struct store_ops ops;
    const struct desk_request copy = copy_exactly(asked);
    const struct desk_request *request = &copy;
    ops.stats = count_in_stats;
    ops.now = tell_now;
    desk.api.options.ops = &ops;
    desk.api.options.make_webhook_secret = make_webhook_secret;
    desk.request = request;
    desk.reply = ret_reply;
    desk.command = NULL;
    desk.is_read = false;
    *ret_reply = (struct desk_reply){0};
    struct http_request http = {
        .method = request->method,
        .method_name = request->method_name,
        .path = request->path,
        .query = request->query,
        .body = request->body,
        .request_id = TEXT_LITERAL("desk"),
        .arena = arena_new(4096),
        .route = -1,
    };
    api_handle(&http, &desk.api);
    if (desk.command != NULL) {
        call_command_completed(desk.command);
    }
    assert((ret_reply->status != 0) != desk.is_read);
    assert(desk.api.calls_pending == (desk.is_read ? 1 : 0));
    desk.api.calls_pending = 0;
    desk.api.lists_pending = 0;
    desk.api.unsent_bytes = 0;
    arena_free(http.arena);
    free_copy(&copy);
}

/* ---- In the place of engine/ ---- */

bool committer_submit(struct committer *committer, struct command *command)
{
    struct facts *facts = &desk.shop->facts;
    struct wanted wanted;
    (void)committer;
    assert(desk.command == NULL && desk.reply->status == 0);
    desk.check(command, desk.api.options.webhook_allow_private);
    wanted_init(&wanted, desk.shop->arena);
    command_want(command, &wanted);
    for (size_t i = 0; i < wanted.purchases.count; i++) {
        const struct purchase *purchase = wanted.purchases.entries[i].value;
        const struct variant *variant = facts_variant(facts, purchase->sku);
        if (variant != NULL && facts_purchase(facts, purchase->customer_id, purchase->sku) == NULL) {
            struct purchase *copy = arena_zalloc(desk.shop->arena, sizeof(*copy));
            copy->customer_id = arena_text(desk.shop->arena, purchase->customer_id);
            copy->sku = variant->sku;
            facts_put_purchase(facts, copy);
        }
    }
    command_decide(command, facts);
    desk.command = command;
    return true;
}

void committer_release(struct committer *committer, struct command *command)
{
    (void)committer;
    assert(command == desk.command);
}

struct command *committer_take_completed(struct committer *committer)
{
    (void)committer;
    return NULL;
}

bool committer_is_failing(const struct committer *committer)
{
    (void)committer;
    return false;
}

int64_t committer_next_due_ms(const struct committer *committer)
{
    (void)committer;
    return INT64_MAX;
}

bool reader_pool_submit(struct reader_pool *pool, struct read_task *task)
{
    (void)pool;
    assert(task->run != NULL && !desk.is_read && desk.reply->status == 0);
    desk.is_read = true;
    return true;
}

struct read_task *reader_pool_take_completed(struct reader_pool *pool)
{
    (void)pool;
    return NULL;
}

/* ---- In the place of http/ ---- */

struct text http_request_header(const struct http_request *request, const char *name)
{
    (void)request;
    for (size_t i = 0; i < desk.request->header_count; i++) {
        if (header_name_equal(desk.request->headers[i].name, text_from_c(name))) {
            return desk.request->headers[i].value;
        }
    }
    return TEXT_ABSENT;
}

size_t http_request_header_count(const struct http_request *request, const char *name)
{
    size_t count = 0;
    (void)request;
    for (size_t i = 0; i < desk.request->header_count; i++) {
        count += header_name_equal(desk.request->headers[i].name, text_from_c(name));
    }
    return count;
}

/* The checks are those of http/reply.c. */
void http_reply_take(struct http_request *request, int status, const char *content_type,
                     const struct http_header *headers, size_t header_count, struct buffer *body)
{
    (void)request;
    assert(desk.reply->status == 0 && !desk.is_read && !body->overflowed);
    assert(status >= 200 && status < 600 && (content_type != NULL || body->length == 0));
    for (size_t i = 0; i < header_count; i++) {
        for (size_t j = 0; j < headers[i].value.length; j++) {
            unsigned char byte = (unsigned char)headers[i].value.bytes[j];
            assert(byte == '\t' || (byte >= 0x20 && byte != 0x7F));
        }
    }
    desk.reply->status = status;
    desk.reply->body = *body;
    buffer_init(body, body->max);
}

void http_request_count_memory(struct http_request *request)
{
    (void)request;
}

void http_reply_constant(struct http_request *request, int status, const char *content_type, struct text body)
{
    struct buffer copy;
    buffer_init(&copy, body.length);
    buffer_append_text(&copy, body);
    http_reply_take(request, status, content_type, NULL, 0, &copy);
}

struct http_server_stats http_server_stats(const struct http_server *server)
{
    (void)server;
    return (struct http_server_stats){0};
}

/* No request is for a stream. */

void http_block_release(struct http_block *block)
{
    (void)block;
    assert(!"nothing streams");
}

bool http_stream_begin(struct http_request *request, int status, const char *content_type,
                       const struct http_header *headers, size_t header_count, const struct http_stream_owner *owner,
                       void *context)
{
    (void)request;
    (void)status;
    (void)content_type;
    (void)headers;
    (void)header_count;
    (void)owner;
    (void)context;
    assert(!"nothing streams");
    return false;
}

void http_stream_write(struct http_request *request, struct http_block *block, size_t offset)
{
    (void)request;
    (void)block;
    (void)offset;
    assert(!"nothing streams");
}

void http_stream_end(struct http_request *request)
{
    (void)request;
    assert(!"nothing streams");
}

/* Hosts are not looked up. */
int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb found, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    (void)loop;
    (void)request;
    (void)found;
    (void)service;
    (void)hints;
    assert(node[0] != '\0');
    return UV_EINVAL;
}
