#ifndef HOLDFAST_ENGINE_COMMAND_H
#define HOLDFAST_ENGINE_COMMAND_H

/* A request to change something, on its way through the one door. */

#include <stdint.h>

#include "base/arena.h"
#include "domain/adjust_stock.h"
#include "domain/cancel_order.h"
#include "domain/catalogue.h"
#include "domain/extend_hold.h"
#include "domain/idempotency.h"
#include "domain/outcome.h"
#include "domain/pay_order.h"
#include "domain/place_order.h"

enum command_kind {
    COMMAND_PLACE_ORDER,
    COMMAND_PLACE_ORDERS,
    COMMAND_PAY_ORDER,
    COMMAND_CANCEL_ORDER,
    COMMAND_EXTEND_HOLD,
    COMMAND_ADJUST_STOCK,
    COMMAND_CREATE_PRODUCT,
    COMMAND_UPDATE_PRODUCT,
    COMMAND_UPDATE_VARIANT,
    COMMAND_IMPORT_PRODUCTS
};
#define COMMAND_KIND_COUNT 10

/* An answer that is to be kept under an idempotency key: made before the commit, stored with the effect. */
struct kept_answer {
    int status;
    struct text body;
    struct text location; /* absent: none */
    int64_t version;      /* 0: no ETag */
};

struct batch;

struct command {
    /* Set by the submitter; unchanged until the command was completed. Everything it points at outlives it. */
    enum command_kind kind;
    union {
        struct place_order place_order;
        struct place_orders place_orders;
        struct pay_order pay_order;
        struct cancel_order cancel_order;
        struct extend_hold extend_hold;
        struct adjust_stock adjust_stock;
        struct create_product create_product;
        struct update_product update_product;
        struct update_variant update_variant;
        struct import_products import_products;
    } input;
    struct idempotency idempotency; /* key absent: none */
    /* Renders the answer of a keyed command other than COMMAND_PLACE_ORDER, on the committer's thread, into `arena`
     * (pure: reads only the command and the outcome). NULL where the command has no key. */
    void (*render)(const struct command *command, const struct outcome *outcome, struct arena *arena,
                   struct kept_answer *ret_answer);
    void *context;

    /* Set by the engine, the submitter's to read between completion and command_release. */
    struct outcome outcome;
    struct kept_answer answer; /* body absent: not rendered */

    /* The engine's own. */
    struct command *next;
    struct batch *batch;
    int64_t submitted_us;
};

const char *command_kind_name(enum command_kind kind);
size_t command_weight(const struct command *command); /* orders or rows it carries, at least 1 */
void command_want(const struct command *command, struct wanted *wanted);
/* Key first, then the rule of its kind. Fills command->outcome and command->answer. */
void command_decide(struct command *command, struct facts *facts);

#endif
