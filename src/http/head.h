#ifndef HOLDFAST_HTTP_HEAD_H
#define HOLDFAST_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/text.h"
#include "http/server.h"

/* A request's head: the request line and the header fields, from raw bytes to checked values. Pure: no sockets.
 *
 * Two passes, each strict where the other is lax. head_scan finds the end of the head and refuses what no honest client
 * sends: bare CR or LF, folded lines, control bytes. head_parse gives the whole head to llhttp in one piece, and then
 * checks what llhttp leaves to its caller: the shape of the target, Host, and everything that decides how long the body
 * is, because two readers that disagree about that is what request smuggling lives on. */

#define HTTP_HEADERS_MAX 100
#define HTTP_TARGET_BYTES_MAX 8192

struct refusal {
    enum http_refusal kind;
    const char *detail; /* static text */
};

enum http_progress { HTTP_PROGRESS_INCOMPLETE, HTTP_PROGRESS_COMPLETE, HTTP_PROGRESS_REFUSED };

/* All zero at the start of a request. */
struct head_scan {
    size_t next;       /* first byte not looked at yet; the head's length once it is complete */
    size_t line_start; /* of the line that `next` is in */
    size_t line_count; /* lines complete, the request line included */
    size_t start;      /* of the request line: behind one empty line that a client may send first (RFC 9112, 2.2) */
};

/* Looks at the bytes that came since the last call; `bytes` is everything from the request's first byte on. */
MUST_USE enum http_progress head_scan(struct head_scan *scan, struct text bytes, size_t bytes_max,
                                      struct refusal *ret_refusal);

struct header_view {
    struct text name; /* as it was sent */
    struct text value;
};

struct http_head {
    enum http_method method;
    struct text method_name;
    struct text path;
    struct text query;
    struct header_view *headers;
    size_t header_count;
    uint64_t content_length;
    bool chunked;
    bool http_1_0;
    bool keep_alive;
    bool expects_continue;
    struct text request_id; /* absent unless the client sent one decent X-Request-Id */
};

/* `head` is what head_scan found complete, from scan->start on; *ret_head points into it. On refusal *ret_head holds
 * what was understood until then. */
MUST_USE bool head_parse(struct text head, size_t line_count, struct arena *arena, struct http_head *ret_head,
                         struct refusal *ret_refusal);

bool header_name_equal(struct text name, struct text other); /* ASCII case-insensitive */
bool http_is_token(struct text text);                        /* RFC 9110, 5.6.2 */

#endif
