#include "domain/webhook_endpoint.h"

#include <string.h>

static const char *const STATUS_NAMES[] = {[WEBHOOK_ENABLED] = "enabled", [WEBHOOK_DISABLED] = "disabled"};
#define NO_TYPE (UINT32_C(1) << 31) /* so that types which are none that is known do not become all of them */
#define STATUS_COUNT (sizeof(STATUS_NAMES) / sizeof(STATUS_NAMES[0]))

const char *webhook_status_name(enum webhook_status status)
{
    return STATUS_NAMES[status];
}

bool webhook_status_parse(struct text name, enum webhook_status *ret_status)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (text_equal_c(name, STATUS_NAMES[i])) {
            *ret_status = (enum webhook_status)i;
            return true;
        }
    }
    return false;
}

bool webhook_endpoint_wants(const struct webhook_endpoint *endpoint, enum event_type type)
{
    return endpoint->status == WEBHOOK_ENABLED && !endpoint->is_deleted &&
           (endpoint->types == 0 || (endpoint->types & (UINT32_C(1) << type)) != 0);
}

struct text webhook_queue_name(struct arena *arena, struct uuid endpoint_id)
{
    char id[UUID_TEXT_LENGTH + 1];
    uuid_format(endpoint_id, id);
    return arena_printf(arena, WEBHOOK_QUEUE_PREFIX "%s", id);
}

bool webhook_queue_endpoint(struct text queue, struct uuid *ret_endpoint_id)
{
    size_t prefix = strlen(WEBHOOK_QUEUE_PREFIX);
    return queue.length == prefix + UUID_TEXT_LENGTH && memcmp(queue.bytes, WEBHOOK_QUEUE_PREFIX, prefix) == 0 &&
           uuid_parse((struct text){queue.bytes + prefix, UUID_TEXT_LENGTH}, ret_endpoint_id);
}

struct text webhook_types_format(struct arena *arena, uint32_t types)
{
    struct text names = TEXT_ABSENT;
    for (int type = 0; type < EVENT_TYPE_COUNT; type++) {
        if ((types & (UINT32_C(1) << type)) != 0) {
            names = arena_printf(arena, "%.*s%s%s", (int)names.length, names.bytes == NULL ? "" : names.bytes,
                                 names.bytes == NULL ? "" : ",", event_type_name((enum event_type)type));
        }
    }
    return names;
}

uint32_t webhook_types_parse(struct text names)
{
    if (names.bytes == NULL) {
        return 0;
    }
    uint32_t types = NO_TYPE;
    for (size_t at = 0; at < names.length;) {
        const char *comma = memchr(names.bytes + at, ',', names.length - at);
        size_t end = comma == NULL ? names.length : (size_t)(comma - names.bytes);
        enum event_type type;
        if (event_type_parse((struct text){names.bytes + at, end - at}, &type)) {
            types |= UINT32_C(1) << type;
        }
        at = end + 1;
    }
    return types;
}
