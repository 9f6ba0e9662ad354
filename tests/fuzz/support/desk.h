#ifndef HOLDFAST_TESTS_FUZZ_SUPPORT_DESK_H
#define HOLDFAST_TESTS_FUZZ_SUPPORT_DESK_H

/* The API between two fakes: requests that come from no server, and an engine that decides each command at once, in
 * memory, against a small shop (tests/unit/support/shop.h). The functions of http/ and engine/ that the API calls are
 * defined here and so linked in the place of the real ones. Reads are taken and never run: there is no store. */

#include <stdbool.h>
#include <stddef.h>

#include "../../unit/support/shop.h"
#include "base/buffer.h"
#include "engine/command.h"
#include "http/server.h"

#define DESK_HEADERS_MAX 8

struct desk_header {
    struct text name;
    struct text value;
};

struct desk_request {
    enum http_method method;
    struct text method_name;
    struct text path;
    struct text query; /* absent: none */
    struct desk_header headers[DESK_HEADERS_MAX];
    size_t header_count;
    struct text body;
};

struct desk_reply {
    int status; /* 0: none, since a read was submitted */
    struct buffer body;
};

/* Called with each command before it is decided. */
typedef void desk_check(const struct command *command, bool allow_private);

/* A new shop, each time the same. */
void desk_open(bool allow_private, desk_check *check);
/* All that the request was made of is gone when this returns, but for the reply, which is the caller's to free: what the
 * shop knows must be its own. */
void desk_ask(const struct desk_request *asked, struct desk_reply *ret_reply);
struct shop *desk_shop(void);
void desk_close(void);

#endif
