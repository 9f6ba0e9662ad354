#include "http/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "http/server_state.h"

/* A taken body up to this size is cheaper to copy behind the head than to write from its own place. */
#define REPLY_BODY_COPIED_MAX 2048

static const struct {
    int status;
    const char *line;
} STATUS_LINES[] = {
    {201, "HTTP/1.1 201 Created\r\n"},
    {200, "HTTP/1.1 200 OK\r\n"},
    {409, "HTTP/1.1 409 Conflict\r\n"},
    {202, "HTTP/1.1 202 Accepted\r\n"},
    {204, "HTTP/1.1 204 No Content\r\n"},
    {304, "HTTP/1.1 304 Not Modified\r\n"},
    {400, "HTTP/1.1 400 Bad Request\r\n"},
    {401, "HTTP/1.1 401 Unauthorized\r\n"},
    {403, "HTTP/1.1 403 Forbidden\r\n"},
    {404, "HTTP/1.1 404 Not Found\r\n"},
    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {406, "HTTP/1.1 406 Not Acceptable\r\n"},
    {408, "HTTP/1.1 408 Request Timeout\r\n"},
    {412, "HTTP/1.1 412 Precondition Failed\r\n"},
    {413, "HTTP/1.1 413 Content Too Large\r\n"},
    {414, "HTTP/1.1 414 URI Too Long\r\n"},
    {415, "HTTP/1.1 415 Unsupported Media Type\r\n"},
    {417, "HTTP/1.1 417 Expectation Failed\r\n"},
    {422, "HTTP/1.1 422 Unprocessable Content\r\n"},
    {429, "HTTP/1.1 429 Too Many Requests\r\n"},
    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
    {501, "HTTP/1.1 501 Not Implemented\r\n"},
    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
};

static const char *status_line(int status)
{
    for (size_t i = 0; i < sizeof(STATUS_LINES) / sizeof(STATUS_LINES[0]); i++) {
        if (STATUS_LINES[i].status == status) {
            return STATUS_LINES[i].line;
        }
    }
    assert(!"a status without a line in STATUS_LINES");
    return "";
}

void reply_format_date(int64_t unix_seconds, char ret_line[HTTP_DATE_LINE_LENGTH + 1])
{
    static const char DAYS[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)unix_seconds;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char line[96];
    int length = snprintf(line, sizeof(line), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", DAYS[tm.tm_wday],
                          tm.tm_mday, MONTHS[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert(length == HTTP_DATE_LINE_LENGTH);
    memcpy(ret_line, line, HTTP_DATE_LINE_LENGTH + 1);
}

static struct text date_line(struct http_server *server)
{
    int64_t now = clock_unix_ms() / 1000;
    if (now != server->date_second) {
        server->date_second = now;
        reply_format_date(now, server->date_line);
    }
    return (struct text){server->date_line, HTTP_DATE_LINE_LENGTH};
}

/* A header value that ends its own line would let a client's text write our headers. */
static void assert_header_value(struct text value)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.bytes[i];
        assert(byte == '\t' || (byte >= 0x20 && byte != 0x7F));
    }
}

static char *put(char *at, struct text text)
{
    if (text.length > 0) {
        memcpy(at, text.bytes, text.length);
    }
    return at + text.length;
}

static char *put_header(char *at, struct text name, struct text value)
{
    at = put(put(at, name), TEXT_LITERAL(": "));
    return put(put(at, value), TEXT_LITERAL("\r\n"));
}

static size_t head_bytes_max(struct text content_type, const struct http_header *headers, size_t header_count)
{
    size_t bytes = 256 + HTTP_DATE_LINE_LENGTH + HTTP_REQUEST_ID_MAX + content_type.length;
    for (size_t i = 0; i < header_count; i++) {
        bytes += strlen(headers[i].name) + headers[i].value.length + 4;
    }
    return bytes;
}

void reply_format(struct exchange *exchange, const char *content_type, const struct http_header *headers,
                  size_t header_count, struct text body, bool stays)
{
    int status = exchange->status;
    bool has_content = status != 204 && status != 304;
    bool sends_body = has_content && !exchange->is_stream && exchange->request.method != HTTP_METHOD_HEAD;
    bool is_copied = sends_body && (!stays || body.length <= REPLY_BODY_COPIED_MAX);
    struct text type = text_from_c(content_type);

    size_t bytes_max = head_bytes_max(type, headers, header_count) + (is_copied ? body.length : 0);
    char *reply = arena_alloc(exchange->request.arena, bytes_max);
    char *at = put(reply, text_from_c(status_line(status)));
    at = put(at, date_line(exchange->server));
    if (type.length > 0 && has_content) {
        at = put_header(at, TEXT_LITERAL("Content-Type"), type);
    }
    if (exchange->is_stream && !exchange->head.http_1_0) {
        at = put(at, TEXT_LITERAL("Transfer-Encoding: chunked\r\n"));
    } else if (has_content && !exchange->is_stream) {
        char digits[24];
        int length = snprintf(digits, sizeof(digits), "%zu", body.length);
        at = put_header(at, TEXT_LITERAL("Content-Length"), (struct text){digits, (size_t)length});
    }
    for (size_t i = 0; i < header_count; i++) {
        assert_header_value(headers[i].value);
        at = put_header(at, text_from_c(headers[i].name), headers[i].value);
    }
    at = put_header(at, TEXT_LITERAL("X-Request-Id"), exchange->request.request_id);
    if (!exchange->keep_alive) {
        at = put(at, TEXT_LITERAL("Connection: close\r\n"));
    } else if (exchange->head.http_1_0) {
        at = put(at, TEXT_LITERAL("Connection: keep-alive\r\n"));
    }
    at = put(at, TEXT_LITERAL("\r\n"));
    at = put(at, is_copied ? body : TEXT_ABSENT);
    assert((size_t)(at - reply) <= bytes_max);

    exchange->unsent[0] = uv_buf_init(reply, (unsigned)(at - reply));
    if (sends_body && !is_copied) {
        exchange->unsent[1] = uv_buf_init((char *)(uintptr_t)body.bytes, (unsigned)body.length); /* only read */
    }
}
