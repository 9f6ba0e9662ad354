#ifndef HOLDFAST_DOMAIN_WEBHOOK_ENDPOINT_H
#define HOLDFAST_DOMAIN_WEBHOOK_ENDPOINT_H

/* Where events are delivered to. Each endpoint has a queue of its own, which starts one delivery at a time unless it is
 * told otherwise: deliveries keep the order of events as far as retries allow, and no endpoint waits for another.
 *
 *              days of failure, or 410 Gone, or by hand
 *   enabled --------------------------------------------> disabled: nothing new is queued for it, its queue pauses
 *      ^------------------------by hand----------------------+                                                   */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/uuid.h"
#include "domain/event.h"

enum {
    WEBHOOK_ENDPOINTS_MAX = 100,
    WEBHOOK_URL_BYTES_MAX = 2048,
    WEBHOOK_DESCRIPTION_BYTES_MAX = 500,
    WEBHOOK_CONCURRENCY_MAX = 100
};
#define WEBHOOK_PREVIOUS_SECRET_MS (INT64_C(24) * 60 * 60 * 1000) /* how long a rotated secret still signs */
/* One that fails again and again is asked again after as long as it has failed so far, within these. */
#define WEBHOOK_HOLD_MS_MIN INT64_C(100)
#define WEBHOOK_HOLD_MS_MAX INT64_C(60000)
#define WEBHOOK_DELIVERED TEXT_LITERAL("delivered") /* what the log says of an attempt that did it */
#define WEBHOOK_QUEUE_PREFIX "webhook:"

enum webhook_status { WEBHOOK_ENABLED, WEBHOOK_DISABLED };

struct webhook_endpoint {
    struct uuid id;
    struct text url;
    struct text description; /* absent: none */
    uint32_t types;          /* 1 << enum event_type each; 0: all (bit 31 stands for none) */
    enum webhook_status status;
    struct text disabled_reason; /* absent while enabled */
    struct text secret;          /* whsec_... */
    struct text previous_secret; /* absent: none */
    int64_t previous_until_ms;   /* until when it signs, too */
    int64_t failing_since_ms;    /* since when every delivery failed; 0: the last one did not */
    int64_t held_until_ms;       /* no delivery starts before; 0: they may */
    int64_t created_at_ms;
    int64_t version;

    int64_t loaded_version; /* 0: new */
    bool is_touched;        /* how it fares has changed, which leaves its version: to be saved */
    bool is_deleted;
};

const char *webhook_status_name(enum webhook_status status);
bool webhook_status_parse(struct text name, enum webhook_status *ret_status);
bool webhook_endpoint_wants(const struct webhook_endpoint *endpoint, enum event_type type);
/* "webhook:<id>"; and back: false where it is no endpoint's queue. */
struct text webhook_queue_name(struct arena *arena, struct uuid endpoint_id);
bool webhook_queue_endpoint(struct text queue, struct uuid *ret_endpoint_id);
/* Types as they are stored: names with commas between, absent for all. Names that are not known are left out. */
struct text webhook_types_format(struct arena *arena, uint32_t types);
uint32_t webhook_types_parse(struct text names);

#endif
