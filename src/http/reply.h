#ifndef HOLDFAST_HTTP_REPLY_H
#define HOLDFAST_HTTP_REPLY_H

#include "base/text.h"
#include "http/exchange.h"

/* Formats the reply's head for exchange->status, with a small body behind it, into the exchange's arena, and sets
 * exchange->unsent. A body that `stays` where it is for as long as the exchange, and is not small, is written from there;
 * otherwise it is copied. A stream has none yet. */
void reply_format(struct exchange *exchange, const char *content_type, const struct http_header *headers,
                  size_t header_count, struct text body, bool stays);

#define HTTP_DATE_LINE_LENGTH 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
void reply_format_date(int64_t unix_seconds, char ret_line[HTTP_DATE_LINE_LENGTH + 1]);

#endif
