#include "cli/rush_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* NULL where it is no JSON; Jansson's getters pass that on. */
static json_t *parse(const struct buffer *answer)
{
    return json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->length, 0, NULL);
}

static const char *get_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool get_time(const json_t *object, const char *name, int64_t *ret_ms)
{
    const char *text = get_text(object, name);
    return text != NULL && time_parse(text_from_c(text), ret_ms);
}

bool rush_answer_order(const struct buffer *answer, struct rush_order *ret_order)
{
    json_t *json = parse(answer);
    struct rush_order order = {0};
    const char *id = get_text(json, "order_id");
    bool ok = id != NULL && strlen(id) == UUID_TEXT_LENGTH && get_time(json, "created_at", &order.created_ms) &&
              get_time(json, "expires_at", &order.expires_ms);
    if (ok) {
        memcpy(order.id, id, UUID_TEXT_LENGTH + 1);
        *ret_order = order;
    }
    json_decref(json);
    return ok;
}

static enum rush_fate fate_of_status(const char *status)
{
    static const struct {
        const char *status;
        enum rush_fate fate;
    } FATES[] = {
        {"draft", RUSH_FATE_HELD},
        {"paid", RUSH_FATE_PAID},
        {"expired", RUSH_FATE_EXPIRED},
    };
    for (size_t i = 0; status != NULL && i < sizeof(FATES) / sizeof(*FATES); i++) {
        if (strcmp(FATES[i].status, status) == 0) {
            return FATES[i].fate;
        }
    }
    return RUSH_FATE_OTHER;
}

void rush_answer_fate(const struct buffer *answer, struct rush_order *order)
{
    json_t *json = parse(answer);
    order->fate = fate_of_status(get_text(json, "status"));
    if (json_is_true(json_object_get(json, "revived"))) {
        const json_t *payment = json_array_get(json_object_get(json, "payments"), 0);
        if (!get_time(payment, "created_at", &order->revived_ms)) {
            order->revived_ms = order->expires_ms;
        }
    }
    json_decref(json);
}

bool rush_answer_stock(const struct buffer *answer, struct rush_stock *ret_stock)
{
    json_t *json = parse(answer);
    const json_t *stock = json_object_get(json, "stock_quantity");
    const json_t *reserved = json_object_get(json, "reserved_quantity");
    bool ok = json_is_integer(stock) && json_is_integer(reserved);
    if (ok) {
        *ret_stock = (struct rush_stock){json_integer_value(stock), json_integer_value(reserved)};
    }
    json_decref(json);
    return ok;
}

void rush_answer_problem(const struct buffer *answer, char ret_problem[RUSH_PROBLEM_LENGTH_MAX + 1])
{
    json_t *json = parse(answer);
    const char *code = get_text(json, "code");
    const char *detail = get_text(json, "detail");
    snprintf(ret_problem, RUSH_PROBLEM_LENGTH_MAX + 1, "%s%s%s", code != NULL ? code : "", detail != NULL ? ": " : "",
             detail != NULL ? detail : "");
    json_decref(json);
}
