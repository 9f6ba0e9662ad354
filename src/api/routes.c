#include "api/routes.h"

#include <assert.h>
#include <string.h>

#include "api/resources.h"

/* The busiest first, and paths that are written out before those with a parameter: it is searched from its top. */
const struct route ROUTES[] = {
    {HTTP_METHOD_POST, "/v1/orders", ACCESS_WRITE, BODY_REQUIRED, NULL, order_place_handle},
    {HTTP_METHOD_POST, "/v1/orders/batch", ACCESS_WRITE, BODY_REQUIRED, NULL, order_batch_handle},
    {HTTP_METHOD_POST, "/v1/orders/{order_id}/pay", ACCESS_WRITE, BODY_REQUIRED, NULL, order_pay_handle},
    {HTTP_METHOD_POST, "/v1/orders/{order_id}/cancel", ACCESS_WRITE, BODY_OPTIONAL, NULL, order_cancel_handle},
    {HTTP_METHOD_POST, "/v1/orders/{order_id}/extend", ACCESS_WRITE, BODY_REQUIRED, NULL, order_extend_handle},
    {HTTP_METHOD_GET, "/v1/orders", ACCESS_READ, BODY_NONE, ORDER_LIST_PARAMETERS, order_list_handle},
    {HTTP_METHOD_GET, "/v1/orders/{order_id}", ACCESS_READ, BODY_NONE, NULL, order_get_handle},
    {HTTP_METHOD_GET, "/v1/orders/{order_id}/events", ACCESS_READ, BODY_NONE, ORDER_EVENT_LIST_PARAMETERS,
     order_event_list_handle},
    {HTTP_METHOD_GET, "/v1/stock/{sku}", ACCESS_READ, BODY_NONE, NULL, stock_get_handle},
    {HTTP_METHOD_POST, "/v1/stock/{sku}/adjustments", ACCESS_WRITE, BODY_REQUIRED, NULL, stock_adjust_handle},
    {HTTP_METHOD_GET, "/v1/stock/{sku}/movements", ACCESS_READ, BODY_NONE, MOVEMENT_LIST_PARAMETERS,
     movement_list_handle},
    {HTTP_METHOD_POST, "/v1/products", ACCESS_ADMIN, BODY_REQUIRED, NULL, product_create_handle},
    {HTTP_METHOD_GET, "/v1/products", ACCESS_READ, BODY_NONE, PRODUCT_LIST_PARAMETERS, product_list_handle},
    {HTTP_METHOD_GET, "/v1/products/{product_id}", ACCESS_READ, BODY_NONE, NULL, product_get_handle},
    {HTTP_METHOD_PATCH, "/v1/products/{product_id}", ACCESS_ADMIN, BODY_REQUIRED, NULL, product_update_handle},
    {HTTP_METHOD_GET, "/v1/variants/{sku}", ACCESS_READ, BODY_NONE, NULL, variant_get_handle},
    {HTTP_METHOD_PATCH, "/v1/variants/{sku}", ACCESS_ADMIN, BODY_REQUIRED, NULL, variant_update_handle},
    {HTTP_METHOD_GET, "/v1/reservations", ACCESS_READ, BODY_NONE, RESERVATION_LIST_PARAMETERS, reservation_list_handle},
    {HTTP_METHOD_GET, "/v1/events", ACCESS_READ, BODY_NONE, EVENT_LIST_PARAMETERS, event_list_handle},
    {HTTP_METHOD_GET, "/v1/events/stream", ACCESS_READ, BODY_NONE, EVENT_STREAM_PARAMETERS, event_stream_handle},
    {HTTP_METHOD_GET, "/v1/jobs", ACCESS_READ, BODY_NONE, JOB_LIST_PARAMETERS, job_list_handle},
    {HTTP_METHOD_GET, "/v1/jobs/{job_id}", ACCESS_READ, BODY_NONE, NULL, job_get_handle},
    {HTTP_METHOD_POST, "/v1/jobs/{job_id}/retry", ACCESS_ADMIN, BODY_OPTIONAL, NULL, job_retry_handle},
    {HTTP_METHOD_POST, "/v1/jobs/{job_id}/cancel", ACCESS_ADMIN, BODY_OPTIONAL, NULL, job_cancel_handle},
    {HTTP_METHOD_POST, "/v1/jobs/{job_id}/promote", ACCESS_ADMIN, BODY_OPTIONAL, NULL, job_promote_handle},
    {HTTP_METHOD_GET, "/v1/queues", ACCESS_READ, BODY_NONE, NULL, queue_list_handle},
    {HTTP_METHOD_PATCH, "/v1/queues/{queue}", ACCESS_ADMIN, BODY_REQUIRED, NULL, queue_update_handle},
    {HTTP_METHOD_POST, "/v1/queues/{queue}/pause", ACCESS_ADMIN, BODY_OPTIONAL, NULL, queue_pause_handle},
    {HTTP_METHOD_POST, "/v1/queues/{queue}/resume", ACCESS_ADMIN, BODY_OPTIONAL, NULL, queue_resume_handle},
    {HTTP_METHOD_GET, "/v1/schedules", ACCESS_READ, BODY_NONE, NULL, schedule_list_handle},
    {HTTP_METHOD_POST, "/v1/webhook_endpoints", ACCESS_ADMIN, BODY_REQUIRED, NULL, endpoint_create_handle},
    {HTTP_METHOD_GET, "/v1/webhook_endpoints", ACCESS_READ, BODY_NONE, ENDPOINT_LIST_PARAMETERS, endpoint_list_handle},
    {HTTP_METHOD_GET, "/v1/webhook_endpoints/{endpoint_id}", ACCESS_READ, BODY_NONE, NULL, endpoint_get_handle},
    {HTTP_METHOD_PATCH, "/v1/webhook_endpoints/{endpoint_id}", ACCESS_ADMIN, BODY_REQUIRED, NULL,
     endpoint_update_handle},
    {HTTP_METHOD_DELETE, "/v1/webhook_endpoints/{endpoint_id}", ACCESS_ADMIN, BODY_NONE, NULL, endpoint_delete_handle},
    {HTTP_METHOD_POST, "/v1/webhook_endpoints/{endpoint_id}/test", ACCESS_ADMIN, BODY_OPTIONAL, NULL,
     endpoint_test_handle},
    {HTTP_METHOD_POST, "/v1/webhook_endpoints/{endpoint_id}/rotate_secret", ACCESS_ADMIN, BODY_OPTIONAL, NULL,
     endpoint_rotate_secret_handle},
    {HTTP_METHOD_GET, "/v1/webhook_deliveries", ACCESS_READ, BODY_NONE, DELIVERY_LIST_PARAMETERS, delivery_list_handle},
    {HTTP_METHOD_GET, "/v1/webhook_deliveries/{delivery_id}", ACCESS_READ, BODY_NONE, NULL, delivery_get_handle},
    {HTTP_METHOD_POST, "/v1/webhook_deliveries/{delivery_id}/redeliver", ACCESS_ADMIN, BODY_OPTIONAL, NULL,
     delivery_redeliver_handle},
    {HTTP_METHOD_GET, "/healthz", ACCESS_OPERATIONS, BODY_NONE, NULL, health_handle},
    {HTTP_METHOD_GET, "/readyz", ACCESS_OPERATIONS, BODY_NONE, NULL, readiness_handle},
    {HTTP_METHOD_GET, "/metrics", ACCESS_OPERATIONS, BODY_NONE, NULL, metrics_handle},
    {HTTP_METHOD_GET, "/openapi.json", ACCESS_OPEN, BODY_NONE, NULL, openapi_handle},
};
const size_t ROUTE_COUNT = sizeof(ROUTES) / sizeof(ROUTES[0]);

/* A {parameter} stands for one segment that is not empty. */
static bool pattern_matches(const char *pattern, struct text path, struct text *ret_parameter)
{
    struct text parameter = TEXT_ABSENT;
    size_t at = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '{') {
            if (at == path.length || path.bytes[at] != *pattern) {
                return false;
            }
            at++;
            continue;
        }
        pattern = strchr(pattern, '}');
        const char *slash = memchr(path.bytes + at, '/', path.length - at);
        size_t end = slash == NULL ? path.length : (size_t)(slash - path.bytes);
        if (end == at) {
            return false;
        }
        parameter = (struct text){path.bytes + at, end - at};
        at = end;
    }
    if (at != path.length) {
        return false;
    }
    *ret_parameter = parameter;
    return true;
}

const struct route *routes_find(enum http_method method, struct text path, struct arena *arena,
                                struct text *ret_parameter, struct text *ret_allow)
{
    struct text parameter;
    struct text allow = TEXT_ABSENT;
    bool is_literal = false;
    method = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &ROUTES[i];
        /* A path that is written out is no parameter's: /v1/orders/batch is no order. */
        if (!pattern_matches(route->pattern, path, &parameter) || (is_literal && parameter.bytes != NULL)) {
            continue;
        }
        is_literal = is_literal || parameter.bytes == NULL;
        if (route->method == method) {
            *ret_parameter = parameter;
            return route;
        }
        allow = arena_printf(arena, "%.*s%s%s%s", (int)allow.length, allow.length > 0 ? allow.bytes : "",
                             allow.length > 0 ? ", " : "", routes_method_name(route->method),
                             route->method == HTTP_METHOD_GET ? ", HEAD" : "");
    }
    *ret_allow = allow;
    return NULL;
}

const char *routes_method_name(enum http_method method)
{
    switch (method) {
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    case HTTP_METHOD_DELETE:
        return "DELETE";
    default:
        assert(!"no route has this method");
        return "";
    }
}
