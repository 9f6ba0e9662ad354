#include "api/endpoint_url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "domain/webhook_endpoint.h"
#include "http/address.h"
#include "http/url.h"

#define LOOKUP_MS_MAX 2000
#define LOOKUPS_MAX 32

/* One question to the name servers, which goes on after the call was answered without it: it cannot be taken back. */
struct host_lookup {
    uv_getaddrinfo_t request;
    uv_timer_t timer;
    struct call *call;        /* NULL: it waits no longer */
    struct host_lookup *next; /* of those whose call waits */
    int open;                 /* of the question and the timer: what still has to end */
};

void endpoint_url_read(struct call *call, struct json_fields *fields, enum presence presence, struct text *ret_url)
{
    static const struct field_place PLACE = {.name = "url"};
    bool allow_private = call->api->options.webhook_allow_private;
    const char *reason;
    struct text url;
    if (!json_fields_text(fields, PLACE.name, presence, 1, WEBHOOK_URL_BYTES_MAX, &url)) {
        return;
    }
    if (!http_url_check(url, true, &reason)) {
        field_errors_add(&call->errors, &PLACE, FIELD_INVALID_URL, "The URL %s.", reason);
    } else if (!allow_private && !http_url_check(url, false, &reason)) {
        field_errors_add(&call->errors, &PLACE, FIELD_HTTPS_REQUIRED, "The URL %s.", reason);
    } else if (!allow_private && http_url_is_private_literal(url)) {
        field_errors_add(&call->errors, &PLACE, FIELD_PRIVATE_ADDRESS, "The URL's host is not a public address.");
    }
    *ret_url = url;
}

/* The host of a URL that was checked: it has no user info. NULL: an IPv6 address, which was judged as it is. */
static const char *host_of(struct arena *arena, struct text url)
{
    const char *start = strstr(arena_text(arena, url).bytes, "://") + strlen("://");
    if (*start == '[') {
        return NULL;
    }
    return arena_text(arena, (struct text){start, strcspn(start, ":/?#")}).bytes;
}

static void free_when_over(struct host_lookup *lookup)
{
    if (--lookup->open == 0) {
        free(lookup);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_over(handle->data);
}

/* The call goes on; the lookup is no longer the API's. */
static struct call *let_go(struct host_lookup *lookup)
{
    struct call *call = lookup->call;
    struct host_lookup **at = &call->api->lookups;
    while (*at != lookup) {
        at = &(*at)->next;
    }
    *at = lookup->next;
    lookup->call = NULL;
    call->api->calls_pending--;
    call->api->lookup_count--;
    uv_close((uv_handle_t *)&lookup->timer, on_timer_closed);
    return call;
}

static void on_late(uv_timer_t *timer)
{
    struct host_lookup *lookup = timer->data;
    (void)uv_cancel((uv_req_t *)&lookup->request);
    call_submit_command(let_go(lookup));
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct host_lookup *lookup = request->data;
    (void)status; /* whatever it is: no addresses then */
    if (lookup->call != NULL) {
        struct call *call = let_go(lookup);
        bool is_public = true;
        for (const struct addrinfo *one = addresses; one != NULL; one = one->ai_next) {
            is_public = is_public && http_address_is_public(one->ai_addr);
        }
        if (!is_public) {
            field_errors_add_named(&call->errors, TEXT_LITERAL("url"), FIELD_PRIVATE_ADDRESS,
                                   "The URL's host has an address that is not public.");
        }
        call_submit_command(call);
    }
    uv_freeaddrinfo(addresses);
    free_when_over(lookup);
}

void endpoint_url_submit(struct call *call, struct text url)
{
    struct api *api = call->api;
    if (call_refuse_errors(call)) {
        return;
    }
    const char *host =
        url.bytes == NULL || api->options.webhook_allow_private ? NULL : host_of(call->request->arena, url);
    if (host == NULL) {
        call_submit_command(call);
        return;
    }
    if (api->lookup_count >= LOOKUPS_MAX) {
        call_refuse_outcome(call, OUTCOME_BUSY);
        return;
    }
    static const struct addrinfo HINTS = {.ai_socktype = SOCK_STREAM};
    struct host_lookup *lookup = memory_zalloc(1, sizeof(*lookup));
    lookup->request.data = lookup;
    if (uv_getaddrinfo(api->options.loop, &lookup->request, on_resolved, host, NULL, &HINTS) != 0) {
        free(lookup);
        call_submit_command(call); /* no name that could be asked for */
        return;
    }
    int failed = uv_timer_init(api->options.loop, &lookup->timer);
    assert(failed == 0);
    failed = uv_timer_start(&lookup->timer, on_late, LOOKUP_MS_MAX, 0);
    assert(failed == 0);
    lookup->timer.data = lookup;
    lookup->call = call;
    lookup->open = 2;
    lookup->next = api->lookups;
    api->lookups = lookup;
    api->lookup_count++;
    api->calls_pending++;
}

void endpoint_url_abandon(struct api *api)
{
    while (api->lookups != NULL) {
        struct host_lookup *lookup = api->lookups;
        (void)uv_cancel((uv_req_t *)&lookup->request);
        call_refuse_outcome(let_go(lookup), OUTCOME_STORE_UNAVAILABLE);
    }
}
