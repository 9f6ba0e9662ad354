#include "http/head.h"

#include <assert.h>
#include <llhttp/llhttp.h>
#include <string.h>

static bool refuse(struct refusal *ret_refusal, enum http_refusal kind, const char *detail)
{
    *ret_refusal = (struct refusal){kind, detail};
    return false;
}

static enum http_progress scan_refuse(struct refusal *ret_refusal, enum http_refusal kind, const char *detail)
{
    *ret_refusal = (struct refusal){kind, detail};
    return HTTP_PROGRESS_REFUSED;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

bool header_name_equal(struct text name, struct text other)
{
    if (name.length != other.length) {
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        if (ascii_lower(name.bytes[i]) != ascii_lower(other.bytes[i])) {
            return false;
        }
    }
    return true;
}

bool http_is_token(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_alphanumeric(text.bytes[i]) && !is_one_of(text.bytes[i], "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return text.length > 0;
}

/* Horizontal tabs and everything printable, obs-text included: what needs no second look while scanning. */
static bool is_field_byte(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 ? byte != 0x7F : byte == '\t';
}

static enum http_progress scan_overflow(const struct head_scan *scan, struct refusal *ret_refusal)
{
    if (scan->line_count == 0) {
        return scan_refuse(ret_refusal, HTTP_REFUSAL_URI_TOO_LONG, "request line too long");
    }
    return scan_refuse(ret_refusal, HTTP_REFUSAL_HEADERS_TOO_LARGE, "header fields too large");
}

enum http_progress head_scan(struct head_scan *scan, struct text bytes, size_t bytes_max, struct refusal *ret_refusal)
{
    const char *b = bytes.bytes;
    size_t end = bytes.length < bytes_max ? bytes.length : bytes_max;
    size_t at = scan->next;
    while (at < end) {
        if (is_field_byte(b[at])) {
            at++;
            continue;
        }
        if (b[at] != '\r') {
            return scan_refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST,
                               b[at] == '\n' ? "line feed without carriage return" : "control byte in the head");
        }
        if (at + 1 == end) {
            break;
        }
        if (b[at + 1] != '\n') {
            return scan_refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "carriage return without line feed");
        }
        at += 2;
        if (at - 2 > scan->line_start) {
            if (b[scan->line_start] == ' ' || b[scan->line_start] == '\t') {
                return scan_refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "line starts with white space");
            }
            scan->line_count++;
            if (scan->line_count > 1 + HTTP_HEADERS_MAX) {
                return scan_refuse(ret_refusal, HTTP_REFUSAL_HEADERS_TOO_LARGE, "too many header fields");
            }
        } else if (scan->line_count > 0) {
            scan->next = at;
            return HTTP_PROGRESS_COMPLETE;
        } else if (scan->start > 0) {
            return scan_refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "empty lines before the request");
        } else {
            scan->start = at;
        }
        scan->line_start = at;
    }
    scan->next = at;
    if (end == bytes_max) {
        return scan_overflow(scan, ret_refusal);
    }
    /* A request line that outgrows any acceptable target is refused before it fills the whole budget. */
    if (scan->line_count == 0 && at - scan->start > HTTP_TARGET_BYTES_MAX + 64) {
        return scan_overflow(scan, ret_refusal);
    }
    return HTTP_PROGRESS_INCOMPLETE;
}

/* What llhttp reports while it reads one head, which it is given in one piece: each span comes whole or in adjoining
 * parts. */
struct head_reader {
    llhttp_t parser;
    struct http_head *head;
    size_t headers_max;
};

static void span_extend(struct text *span, const char *at, size_t length)
{
    if (span->bytes == NULL) {
        span->bytes = at;
    }
    span->length = (size_t)(at + length - span->bytes);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length)
{
    struct head_reader *reader = parser->data;
    struct http_head *head = reader->head;
    bool begins = head->header_count == 0 || head->headers[head->header_count - 1].value.bytes != NULL;
    if (begins) {
        assert(head->header_count < reader->headers_max);
        head->header_count++;
    }
    span_extend(&head->headers[head->header_count - 1].name, at, length);
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length)
{
    struct head_reader *reader = parser->data;
    span_extend(&reader->head->headers[reader->head->header_count - 1].value, at, length);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct head_reader *reader = parser->data;
    struct text *value = &reader->head->headers[reader->head->header_count - 1].value;
    if (value->bytes == NULL) {
        value->bytes = "";
    }
    while (value->length > 0 && is_one_of(value->bytes[value->length - 1], " \t")) {
        value->length--;
    }
    return 0;
}

/* The body is framed by our own, stricter code, and an upgrade is not for us: llhttp's work ends here. */
static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t HEAD_SETTINGS = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
};

static enum http_method method_from_llhttp(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* Method, target and version, with exactly one space between them. llhttp is laxer here, and knows RTSP as well. */
static bool read_request_line(struct text line, struct text *ret_target, struct refusal *ret_refusal)
{
    const char *space = memchr(line.bytes, ' ', line.length);
    const char *version = line.length > 10 ? line.bytes + line.length - 8 : NULL; /* "HTTP/x.y" */
    bool is_well_formed = space != NULL && version != NULL && version - 1 > space + 1 &&
                          http_is_token((struct text){line.bytes, (size_t)(space - line.bytes)}) &&
                          memchr(space + 1, ' ', (size_t)(version - space - 1)) == version - 1 &&
                          memcmp(version, "HTTP/", 5) == 0 && is_digit(version[5]) && version[6] == '.' &&
                          is_digit(version[7]);
    if (!is_well_formed) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "malformed request line");
    }
    if (memcmp(version, "HTTP/1.0", 8) != 0 && memcmp(version, "HTTP/1.1", 8) != 0) {
        return refuse(ret_refusal, HTTP_REFUSAL_VERSION, "HTTP version not supported");
    }
    *ret_target = (struct text){space + 1, (size_t)(version - 1 - (space + 1))};
    return true;
}

/* Host and authority: a name or IPv4 address, or an address in brackets; then perhaps a port (RFC 3986, 3.2). */
static bool is_authority(struct text text)
{
    size_t at = 0;
    if (text.length > 0 && text.bytes[0] == '[') {
        at = 1;
        while (at < text.length && (is_alphanumeric(text.bytes[at]) || is_one_of(text.bytes[at], ":."))) {
            at++;
        }
        if (at < 3 || at == text.length || text.bytes[at] != ']') {
            return false;
        }
        at++;
    } else {
        while (at < text.length && (is_alphanumeric(text.bytes[at]) || is_one_of(text.bytes[at], "-._~%!$&'()*+,;="))) {
            at++;
        }
    }
    if (at == 0 || at == text.length) {
        return at > 0;
    }
    if (text.bytes[at] != ':' || text.length - at > 6) {
        return false;
    }
    for (at++; at < text.length; at++) {
        if (!is_digit(text.bytes[at])) {
            return false;
        }
    }
    return true;
}

/* Origin form, absolute form (whose path is used: the server serves one site, so the authority says nothing), or '*'
 * with OPTIONS. CONNECT and its authority form are refused: this is no proxy. */
static bool read_target(struct text target, struct http_head *head, struct refusal *ret_refusal)
{
    if (target.length > HTTP_TARGET_BYTES_MAX) {
        return refuse(ret_refusal, HTTP_REFUSAL_URI_TOO_LONG, "request target too long");
    }
    for (size_t i = 0; i < target.length; i++) {
        if (target.bytes[i] <= 0x20 || target.bytes[i] == 0x7F || target.bytes[i] == '#') {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "forbidden byte in the request target");
        }
    }
    if (text_equal_c(target, "*") && head->method == HTTP_METHOD_OPTIONS) {
        head->path = target;
        return true;
    }
    if (text_equal_c(head->method_name, "CONNECT")) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "CONNECT is for proxies");
    }
    size_t at = 0;
    size_t scheme_length = 0;
    if (target.length >= 7 && header_name_equal((struct text){target.bytes, 7}, TEXT_LITERAL("http://"))) {
        scheme_length = 7;
    } else if (target.length >= 8 && header_name_equal((struct text){target.bytes, 8}, TEXT_LITERAL("https://"))) {
        scheme_length = 8;
    }
    if (scheme_length > 0) {
        at = scheme_length;
        while (at < target.length && target.bytes[at] != '/' && target.bytes[at] != '?') {
            at++;
        }
        if (!is_authority((struct text){target.bytes + scheme_length, at - scheme_length})) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid authority in the request target");
        }
    } else if (target.length == 0 || target.bytes[0] != '/') {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid request target");
    }
    struct text rest = {target.bytes + at, target.length - at};
    const char *mark = rest.length > 0 ? memchr(rest.bytes, '?', rest.length) : NULL;
    size_t path_length = mark != NULL ? (size_t)(mark - rest.bytes) : rest.length;
    head->path = path_length > 0 ? (struct text){rest.bytes, path_length} : TEXT_LITERAL("/");
    if (mark != NULL) {
        head->query = (struct text){mark + 1, rest.length - path_length - 1};
    }
    return true;
}

enum { KNOWN_HOST, KNOWN_CONTENT_LENGTH, KNOWN_TRANSFER_ENCODING, KNOWN_EXPECT, KNOWN_REQUEST_ID, KNOWN_COUNT };

static const struct text KNOWN_NAMES[KNOWN_COUNT] = {
    [KNOWN_HOST] = {"Host", 4},
    [KNOWN_CONTENT_LENGTH] = {"Content-Length", 14},
    [KNOWN_TRANSFER_ENCODING] = {"Transfer-Encoding", 17},
    [KNOWN_EXPECT] = {"Expect", 6},
    [KNOWN_REQUEST_ID] = {"X-Request-Id", 12},
};

struct known_headers {
    struct text values[KNOWN_COUNT]; /* the first of each */
    size_t counts[KNOWN_COUNT];
};

static bool collect_known_headers(const struct http_head *head, struct known_headers *ret_known,
                                  struct refusal *ret_refusal)
{
    struct known_headers known = {0};
    for (size_t i = 0; i < head->header_count; i++) {
        struct header_view header = head->headers[i];
        if (!http_is_token(header.name)) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid header name");
        }
        for (size_t k = 0; k < KNOWN_COUNT; k++) {
            if (header_name_equal(header.name, KNOWN_NAMES[k])) {
                known.counts[k]++;
                known.values[k] = known.counts[k] == 1 ? header.value : known.values[k];
                break;
            }
        }
    }
    *ret_known = known;
    return true;
}

static bool read_content_length(struct text value, uint64_t *ret_length, struct refusal *ret_refusal)
{
    uint64_t length = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (!is_digit(value.bytes[i]) || length > (UINT64_MAX - 9) / 10) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid Content-Length");
        }
        length = length * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    if (value.length == 0) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid Content-Length");
    }
    *ret_length = length;
    return true;
}

/* "chunked" and nothing else. Other codings, alone or before a final chunked, are honest and unsupported (501); a list
 * in which chunked is misplaced or disguised is an attack on some other reader's parser (400). */
static bool read_transfer_encoding(struct text value, struct refusal *ret_refusal)
{
    if (header_name_equal(value, TEXT_LITERAL("chunked"))) {
        return true;
    }
    size_t chunked_count = 0;
    bool chunked_is_last = false;
    const char *at = value.bytes;
    const char *end = value.bytes + value.length;
    for (;;) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        struct text coding = {at, (size_t)((comma != NULL ? comma : end) - at)};
        while (coding.length > 0 && is_one_of(coding.bytes[0], " \t")) {
            coding.bytes++;
            coding.length--;
        }
        while (coding.length > 0 && is_one_of(coding.bytes[coding.length - 1], " \t")) {
            coding.length--;
        }
        if (!http_is_token(coding)) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid Transfer-Encoding");
        }
        chunked_is_last = header_name_equal(coding, TEXT_LITERAL("chunked"));
        chunked_count += chunked_is_last;
        if (comma == NULL) {
            break;
        }
        at = comma + 1;
    }
    if (chunked_count > 1 || (chunked_count == 1 && !chunked_is_last)) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "chunked is not the final transfer coding");
    }
    return refuse(ret_refusal, HTTP_REFUSAL_NOT_IMPLEMENTED, "unsupported transfer coding");
}

/* How long the body is has exactly one reading, or the request is refused (RFC 9112, 6.1 and 6.3). */
static bool read_framing(const struct known_headers *known, struct http_head *head, struct refusal *ret_refusal)
{
    if (known->counts[KNOWN_TRANSFER_ENCODING] > 0) {
        if (known->counts[KNOWN_CONTENT_LENGTH] > 0) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "both Content-Length and Transfer-Encoding");
        }
        if (known->counts[KNOWN_TRANSFER_ENCODING] > 1 || head->http_1_0) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "misplaced Transfer-Encoding");
        }
        head->chunked = true;
        return read_transfer_encoding(known->values[KNOWN_TRANSFER_ENCODING], ret_refusal);
    }
    if (known->counts[KNOWN_CONTENT_LENGTH] > 1) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "repeated Content-Length");
    }
    return known->counts[KNOWN_CONTENT_LENGTH] == 0 ||
           read_content_length(known->values[KNOWN_CONTENT_LENGTH], &head->content_length, ret_refusal);
}

static bool read_host(const struct known_headers *known, const struct http_head *head, struct refusal *ret_refusal)
{
    size_t count = known->counts[KNOWN_HOST];
    if (count == 0 && head->http_1_0) {
        return true;
    }
    if (count != 1 || !is_authority(known->values[KNOWN_HOST])) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST,
                      count == 0  ? "no Host"
                      : count > 1 ? "repeated Host"
                                  : "invalid Host");
    }
    return true;
}

static bool read_expect(const struct known_headers *known, struct http_head *head, struct refusal *ret_refusal)
{
    if (known->counts[KNOWN_EXPECT] == 0 || head->http_1_0) {
        return true; /* RFC 9110, 10.1.1: an expectation of HTTP/1.0 is ignored */
    }
    if (known->counts[KNOWN_EXPECT] > 1 ||
        !header_name_equal(known->values[KNOWN_EXPECT], TEXT_LITERAL("100-continue"))) {
        return refuse(ret_refusal, HTTP_REFUSAL_EXPECTATION_FAILED, "unknown expectation");
    }
    head->expects_continue = true;
    return true;
}

static void read_request_id(const struct known_headers *known, struct http_head *head)
{
    struct text value = known->values[KNOWN_REQUEST_ID];
    if (known->counts[KNOWN_REQUEST_ID] != 1 || value.length == 0 || value.length > HTTP_REQUEST_ID_MAX) {
        return;
    }
    for (size_t i = 0; i < value.length; i++) {
        if (!is_alphanumeric(value.bytes[i]) && !is_one_of(value.bytes[i], "._-")) {
            return;
        }
    }
    head->request_id = value;
}

/* Runs llhttp over the head; afterwards head->method and so on are known. */
static bool run_parser(struct text bytes, size_t line_count, struct arena *arena, struct http_head *head,
                       struct refusal *ret_refusal)
{
    head->headers = arena_array(arena, line_count, sizeof(struct header_view));
    struct head_reader reader = {.head = head, .headers_max = line_count};
    llhttp_t *parser = &reader.parser;
    llhttp_init(parser, HTTP_REQUEST, &HEAD_SETTINGS);
    parser->data = &reader;
    llhttp_errno_t result = llhttp_execute(parser, bytes.bytes, bytes.length);
    if (result == HPE_INVALID_METHOD) {
        return refuse(ret_refusal, HTTP_REFUSAL_NOT_IMPLEMENTED, "unknown method");
    }
    if (result != HPE_PAUSED) {
        const char *reason = llhttp_get_error_reason(parser); /* HTTP/2's preface is an error without one */
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, reason != NULL ? reason : "HTTP/2 is not spoken here");
    }
    head->method = method_from_llhttp(parser->method);
    head->method_name = text_from_c(llhttp_method_name((llhttp_method_t)parser->method));
    head->http_1_0 = parser->http_minor == 0;
    head->keep_alive = (parser->flags & F_CONNECTION_CLOSE) == 0 && llhttp_should_keep_alive(parser);
    return true;
}

bool head_parse(struct text bytes, size_t line_count, struct arena *arena, struct http_head *ret_head,
                struct refusal *ret_refusal)
{
    struct http_head *head = ret_head;
    *head = (struct http_head){.method = HTTP_METHOD_OTHER};
    const char *line_end = memchr(bytes.bytes, '\r', bytes.length);
    struct text target;
    struct known_headers known;
    if (!read_request_line((struct text){bytes.bytes, (size_t)(line_end - bytes.bytes)}, &target, ret_refusal) ||
        !run_parser(bytes, line_count, arena, head, ret_refusal) || !collect_known_headers(head, &known, ret_refusal)) {
        return false;
    }
    read_request_id(&known, head);
    return read_target(target, head, ret_refusal) && read_host(&known, head, ret_refusal) &&
           read_framing(&known, head, ret_refusal) && read_expect(&known, head, ret_refusal);
}
