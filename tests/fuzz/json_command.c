/* Requests of the API, from what they say to the command that they become, its decision and its answer. The input: a
 * digit (odd: webhooks may go to private addresses), "METHOD target", header lines, an empty line, and the body; lines
 * end with LF.
 *
 * What is accepted is within the bounds of the contract. What is refused says so in JSON. A request that comes again
 * under its idempotency key gets the same answer (I8), and no stock is oversold whatever is asked (I1). */

#include "fuzz.h"

#include <jansson.h>

#include "api/idempotency_key.h"
#include "api/routes.h"
#include "domain/limits.h"
#include "http/url.h"
#include "support/desk.h"

/* ---- What a command may be ---- */

static void check_text(struct text text, size_t min, size_t max)
{
    assert(text.length >= min && text.length <= max && text_is_utf8(text) && !text_has_control(text));
}

static void check_optional_text(struct text text, size_t min, size_t max)
{
    if (text.bytes != NULL) {
        check_text(text, min, max);
    }
}

/* Of a path: one with a control character in it is nobody's, and looked for in vain. */
static void check_path_sku(struct text sku)
{
    assert(sku.length <= SKU_BYTES_MAX && text_is_utf8(sku));
    assert(sku.length == 0 || memchr(sku.bytes, '\0', sku.length) == NULL);
}

static void check_range(int64_t value, int64_t min, int64_t max)
{
    assert(value >= min && value <= max);
}

static void check_money(const struct money *money, int64_t amount_max)
{
    check_range(money->amount, 0, amount_max);
    assert(currency_is_active(text_from_c(money->currency)));
}

static void check_metadata(struct text metadata)
{
    const char *key;
    json_t *value;
    if (metadata.bytes == NULL) {
        return;
    }
    json_t *object = json_loadb(metadata.bytes, metadata.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert(json_is_object(object) && json_object_size(object) <= METADATA_KEYS_MAX);
    json_object_foreach(object, key, value)
    {
        assert(strlen(key) >= 1 && strlen(key) <= METADATA_KEY_BYTES_MAX);
        assert(json_is_string(value) && json_string_length(value) <= METADATA_VALUE_BYTES_MAX);
    }
    json_decref(object);
}

static void check_order(const struct place_order *order)
{
    check_text(order->customer_id, 1, CUSTOMER_ID_BYTES_MAX);
    assert(order->line_count >= 1 && order->line_count <= ORDER_LINES_MAX);
    for (size_t i = 0; i < order->line_count; i++) {
        check_text(order->lines[i].sku, 1, SKU_BYTES_MAX);
        check_range(order->lines[i].quantity, 1, LINE_QUANTITY_MAX);
    }
    check_range(order->hold_seconds, 1, HOLD_SECONDS_MAX_DEFAULT);
    check_metadata(order->metadata);
}

static void check_orders(const struct place_orders *orders)
{
    assert(orders->member_count >= 1 && orders->member_count <= BATCH_ORDERS_MAX);
    for (size_t i = 0; i < orders->member_count; i++) {
        const struct place_orders_member *member = &orders->members[i];
        if (member->refused == NULL) {
            check_order(&member->order);
            assert(member->idempotency.key.bytes == NULL || idempotency_key_is_valid(member->idempotency.key));
        }
    }
}

static void check_adjustment(const struct adjust_stock *adjust)
{
    check_path_sku(adjust->sku);
    if (adjust->is_set) {
        check_range(adjust->set_to, 0, STOCK_QUANTITY_MAX);
        check_range(adjust->expected, 0, STOCK_QUANTITY_MAX);
    } else {
        check_range(adjust->delta, -STOCK_QUANTITY_MAX, STOCK_QUANTITY_MAX);
        assert(adjust->delta != 0);
    }
    assert(movement_reason_is_for_clients(adjust->reason));
    check_optional_text(adjust->reference, 1, REFERENCE_BYTES_MAX);
}

static void check_product(const struct create_product *product)
{
    check_text(product->title, 1, TITLE_BYTES_MAX);
    assert(product->variant_count >= 1 && product->variant_count <= PRODUCT_VARIANTS_MAX);
    for (size_t i = 0; i < product->variant_count; i++) {
        const struct create_variant *variant = &product->variants[i];
        check_text(variant->sku, 1, SKU_BYTES_MAX);
        check_text(variant->title, 1, TITLE_BYTES_MAX);
        check_money(&variant->price, PRICE_AMOUNT_MAX);
        check_range(variant->stock_quantity, 0, STOCK_QUANTITY_MAX);
        check_range(variant->max_per_customer, 0, 1000000000);
        check_range(variant->low_stock_threshold, -1, STOCK_QUANTITY_MAX);
        for (size_t j = 0; j < i; j++) {
            assert(!text_equal(variant->sku, product->variants[j].sku));
        }
    }
}

static void check_url(struct text url, bool allow_private)
{
    const char *reason;
    assert(http_url_check(url, allow_private, &reason));
    assert(allow_private || !http_url_is_private_literal(url));
}

static void check_queue(const struct update_queue *update)
{
    assert(job_name_is_good(update->name));
    check_range(update->concurrency, 0, JOB_QUEUE_CONCURRENCY_MAX);
    check_range(update->rate_max, 0, JOB_QUEUE_RATE_MAX);
    check_range(update->rate_period_ms, 0, JOB_QUEUE_RATE_PERIOD_MS_MAX);
    assert((update->rate_max == 0) == (update->rate_period_ms == 0));
}

static void check_endpoint_update(const struct update_endpoint *update, bool allow_private)
{
    if (update->url.bytes != NULL) {
        check_url(update->url, allow_private);
    }
    assert(update->types >> EVENT_TYPE_COUNT == 0);
    check_optional_text(update->description, 0, WEBHOOK_DESCRIPTION_BYTES_MAX);
    check_range(update->concurrency, 0, WEBHOOK_CONCURRENCY_MAX);
}

static void check_of_catalogue(const struct command *command)
{
    switch (command->kind) {
    case COMMAND_CREATE_PRODUCT:
        check_product(&command->input.create_product);
        break;
    case COMMAND_UPDATE_PRODUCT:
        check_optional_text(command->input.update_product.title, 1, TITLE_BYTES_MAX);
        break;
    case COMMAND_UPDATE_VARIANT: {
        const struct update_variant *update = &command->input.update_variant;
        check_path_sku(update->sku);
        check_optional_text(update->title, 1, TITLE_BYTES_MAX);
        if (update->has_price) {
            check_money(&update->price, PRICE_AMOUNT_MAX);
        }
        check_range(update->max_per_customer, 0, 1000000000);
        check_range(update->low_stock_threshold, -1, STOCK_QUANTITY_MAX);
        break;
    }
    default:
        break;
    }
}

static void check_command(const struct command *command, bool allow_private)
{
    assert(command->idempotency.key.bytes == NULL || idempotency_key_is_valid(command->idempotency.key));
    switch (command->kind) {
    case COMMAND_PLACE_ORDER:
        check_order(&command->input.place_order);
        break;
    case COMMAND_PLACE_ORDERS:
        check_orders(&command->input.place_orders);
        break;
    case COMMAND_PAY_ORDER:
        check_text(command->input.pay_order.payment_reference, 1, PAYMENT_REFERENCE_BYTES_MAX);
        if (command->input.pay_order.has_amount) {
            check_money(&command->input.pay_order.amount, INT64_MAX);
        }
        break;
    case COMMAND_CANCEL_ORDER:
        check_optional_text(command->input.cancel_order.reason, 0, REASON_BYTES_MAX);
        break;
    case COMMAND_EXTEND_HOLD:
        check_range(command->input.extend_hold.seconds, 1, HOLD_SECONDS_MAX_LIMIT);
        break;
    case COMMAND_ADJUST_STOCK:
        check_adjustment(&command->input.adjust_stock);
        break;
    case COMMAND_UPDATE_QUEUE:
        check_queue(&command->input.update_queue);
        break;
    case COMMAND_CREATE_ENDPOINT:
        check_url(command->input.create_endpoint.url, allow_private);
        check_optional_text(command->input.create_endpoint.description, 0, WEBHOOK_DESCRIPTION_BYTES_MAX);
        check_range(command->input.create_endpoint.concurrency, 1, WEBHOOK_CONCURRENCY_MAX);
        assert(command->input.create_endpoint.types >> EVENT_TYPE_COUNT == 0);
        break;
    case COMMAND_UPDATE_ENDPOINT:
        check_endpoint_update(&command->input.update_endpoint, allow_private);
        break;
    default:
        check_of_catalogue(command);
        break;
    }
}

/* ---- What comes of it ---- */

static void check_shop(void)
{
    const struct facts *facts = &desk_shop()->facts;
    for (size_t i = 0; i < facts->variants.count; i++) {
        const struct variant *variant = facts->variants.entries[i].value;
        const struct stock_level *stock = &variant->stock;
        assert(stock->reserved_quantity >= 0 && stock->reserved_quantity <= stock->stock_quantity);
        check_text(variant->sku, 1, SKU_BYTES_MAX);
        check_text(variant->title, 1, TITLE_BYTES_MAX);
    }
    for (size_t i = 0; i < facts->orders.count; i++) {
        const struct order *order = facts->orders.entries[i].value;
        check_text(order->customer_id, 1, CUSTOMER_ID_BYTES_MAX);
        check_metadata(order->metadata);
    }
    for (size_t i = 0; i < facts->events.count; i++) {
        assert(text_is_utf8(facts->events.items[i]->data));
    }
}

static void check_reply(const struct desk_reply *reply)
{
    if (reply->status == 0 || (reply->status == 204 && reply->body.length == 0)) {
        return;
    }
    json_t *json = json_loadb(reply->body.bytes, reply->body.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert(json_is_object(json));
    bool is_problem = json_object_get(json, "code") != NULL && json_object_get(json, "title") != NULL;
    assert(reply->status < 500 && (reply->status < 400 || is_problem));
    json_decref(json);
}

/* ---- The request ---- */

static bool is_header_text(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_target(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] <= ' ' || text.bytes[i] >= 0x7f || text.bytes[i] == '#') {
            return false;
        }
    }
    return text.length > 0 && text.bytes[0] == '/';
}

static struct text cut(struct text *rest, char separator)
{
    const char *found = rest->length == 0 ? NULL : memchr(rest->bytes, separator, rest->length);
    struct text before = {rest->bytes, found == NULL ? rest->length : (size_t)(found - rest->bytes)};
    *rest = found == NULL ? TEXT_ABSENT : (struct text){found + 1, rest->length - before.length - 1};
    return before;
}

/* False where http/ would have let no such request pass. */
static bool read_request(struct fuzz_input *input, struct desk_request *ret_request)
{
    static const enum http_method METHODS[] = {HTTP_METHOD_GET, HTTP_METHOD_POST, HTTP_METHOD_PATCH,
                                               HTTP_METHOD_DELETE};
    struct desk_request request = {.method = HTTP_METHOD_OTHER};
    struct text target = fuzz_take_until(input, '\n');
    request.method_name = cut(&target, ' ');
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        if (text_equal_c(request.method_name, routes_method_name(METHODS[i]))) {
            request.method = METHODS[i];
        }
    }
    request.query = target;
    request.path = cut(&request.query, '?');
    if (!is_target(target)) {
        return false;
    }
    for (struct text line = fuzz_take_until(input, '\n'); line.length > 0; line = fuzz_take_until(input, '\n')) {
        struct desk_header *header = &request.headers[request.header_count++];
        header->value = line;
        header->name = cut(&header->value, ':');
        while (header->value.length > 0 && header->value.bytes[0] == ' ') {
            header->value.bytes++;
            header->value.length--;
        }
        if (!is_header_text(line) || header->value.bytes == NULL || request.header_count == DESK_HEADERS_MAX) {
            return false;
        }
    }
    request.body = fuzz_rest(input);
    *ret_request = request;
    return true;
}

static bool is_stream(const struct desk_request *request)
{
    return text_equal_c(request->path, "/v1/events/stream");
}

/* Of these the answer is no JSON, or needs a running server. */
static bool is_operation(const struct desk_request *request)
{
    struct text parameter;
    struct text allow;
    struct arena *arena = arena_new(1024);
    const struct route *route = routes_find(request->method, request->path, arena, &parameter, &allow);
    arena_free(arena);
    return route != NULL && route->access < ACCESS_READ;
}

static size_t key_count(const struct desk_request *request)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        count += text_equal_c(request->headers[i].name, "Idempotency-Key");
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct desk_request request;
    bool allow_private = fuzz_take(&input, 1) % 2 == 1;
    if (!read_request(&input, &request) || is_stream(&request) || is_operation(&request)) {
        return 0;
    }
    struct desk_reply first;
    struct desk_reply second;
    desk_open(allow_private, check_command);
    desk_ask(&request, &first);
    check_reply(&first);
    check_shop();
    desk_ask(&request, &second);
    check_reply(&second);
    check_shop();
    if (request.method == HTTP_METHOD_POST && key_count(&request) == 1) {
        assert(first.status == second.status);
        assert(text_equal(buffer_text(&first.body), buffer_text(&second.body)));
    }
    buffer_done(&first.body);
    buffer_done(&second.body);
    desk_close();
    return 0;
}
