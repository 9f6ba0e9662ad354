#include "api/problem.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"

struct problem_row {
    int status;
    const char *code; /* public and stable */
    const char *title;
    const char *detail;
};

static const struct problem_row PROBLEMS[PROBLEM_KIND_COUNT] = {
    [PROBLEM_INVALID_JSON] = {400, "invalid_json", "The body is not valid JSON.", "The body must be one JSON object."},
    [PROBLEM_UNAUTHENTICATED] = {401, "unauthenticated", "A valid API key is needed.",
                                 "Send it as `Authorization: Bearer hf_...`."},
    [PROBLEM_FORBIDDEN] = {403, "forbidden", "The API key's scope does not allow this.",
                           "Use a key with a wider scope."},
    [PROBLEM_NOT_FOUND] = {404, "not_found", "There is nothing at this path.", "See /openapi.json for what there is."},
    [PROBLEM_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", "This path does not know this method.",
                                    "The Allow header names the methods that it knows."},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type", "The body's media type is not supported.",
                                        "Send JSON in UTF-8, as application/json."},
    [PROBLEM_REPLY_TOO_LARGE] = {500, "internal_error", "The server could not make the answer.",
                                 "The answer is too large; ask for fewer elements."},
    [PROBLEM_READ_TIMEOUT] = {503, "read_timeout", "The read took too long.",
                              "Try again, with narrower filters or a smaller limit."},
    [PROBLEM_DRAINING] = {503, "draining", "The server is shutting down.", "Send requests to another server."},
};

static const struct problem_row REFUSALS[] = {
    [HTTP_REFUSAL_BAD_REQUEST] = {400, "bad_request", "The request is not well-formed HTTP.",
                                  "The connection was closed; nothing was changed."},
    [HTTP_REFUSAL_TIMEOUT] = {408, "request_timeout", "The request took too long to arrive.",
                              "The connection was closed; nothing was changed."},
    [HTTP_REFUSAL_BODY_TOO_LARGE] = {413, "body_too_large", "The body is too large.", "A body may have up to 1 MiB."},
    [HTTP_REFUSAL_URI_TOO_LONG] = {414, "uri_too_long", "The request target is too long.",
                                   "Shorten the path or the query."},
    [HTTP_REFUSAL_EXPECTATION_FAILED] = {417, "expectation_failed", "The expectation cannot be met.",
                                         "The only expectation that is known is 100-continue."},
    [HTTP_REFUSAL_HEADERS_TOO_LARGE] = {431, "headers_too_large", "The request's headers are too large.",
                                        "Send fewer or shorter headers."},
    [HTTP_REFUSAL_NOT_IMPLEMENTED] = {501, "not_implemented", "The transfer coding is not known.",
                                      "Send a Content-Length, or Transfer-Encoding: chunked."},
    [HTTP_REFUSAL_TOO_MANY_CONNECTIONS] = {503, "too_many_connections", "Too many connections are open.",
                                           "Try again in a moment, and reuse connections."},
    [HTTP_REFUSAL_OVERLOADED] = {503, "overloaded", "The server holds too much to take a request of this size.",
                                 "The connection was closed; nothing was changed. Try again in a moment."},
    [HTTP_REFUSAL_VERSION] = {505, "http_version_not_supported", "The HTTP version is not supported.",
                              "Use HTTP/1.1 or HTTP/1.0."},
};

void problem_begin(struct json_writer *json, int status, const char *code, const char *title, struct text detail)
{
    json_object_begin(json);
    char type[96] = "urn:holdfast:problem:";
    assert(strlen(type) + strlen(code) < sizeof(type));
    strcat(type, code);
    json_c_field(json, "type", type);
    json_c_field(json, "title", title);
    json_int64_field(json, "status", status);
    json_string_field(json, "detail", detail);
    json_c_field(json, "code", code);
}

static int write_row(struct json_writer *json, const struct problem_row *row, struct text detail)
{
    problem_begin(json, row->status, row->code, row->title, detail.bytes != NULL ? detail : text_from_c(row->detail));
    json_object_end(json);
    return row->status;
}

int problem_write(struct json_writer *json, enum problem_kind kind, struct text detail)
{
    return write_row(json, &PROBLEMS[kind], detail);
}

int problem_write_refusal(struct json_writer *json, enum http_refusal refusal)
{
    return write_row(json, &REFUSALS[refusal], TEXT_ABSENT);
}

void problem_write_errors_member(struct json_writer *json, const struct field_error *errors, size_t count)
{
    json_key(json, "errors");
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_string_field(json, "field", errors[i].field);
        json_c_field(json, "code", errors[i].code);
        json_string_field(json, "detail", errors[i].detail);
        json_object_end(json);
    }
    json_array_end(json);
}

static const struct problem_row *field_errors_row(const struct field_errors *errors)
{
    static const struct problem_row INVALID = {422, "invalid_request", "The request has fields that are not valid.",
                                               "See errors for each of them."};
    static const struct problem_row UNIFORM[] = {
        {422, FIELD_UNKNOWN, "The request has fields that are not known.", "See errors for each of them."},
        {422, FIELD_UNKNOWN_PARAMETER, "The query has parameters that are not known.", "See errors for each of them."},
        {422, FIELD_INVALID_QUANTITY, "A quantity is not valid.", "A line's quantity is an integer from 1 to 1000000."},
    };
    for (size_t i = 0; i < sizeof(UNIFORM) / sizeof(UNIFORM[0]); i++) {
        size_t same = 0;
        while (same < errors->count && strcmp(errors->items[same].code, UNIFORM[i].code) == 0) {
            same++;
        }
        if (same == errors->count) {
            return &UNIFORM[i];
        }
    }
    return &INVALID;
}

int problem_write_field_errors(struct json_writer *json, const struct field_errors *errors)
{
    assert(errors->count > 0);
    const struct problem_row *row = field_errors_row(errors);
    problem_begin(json, row->status, row->code, row->title, text_from_c(row->detail));
    json_string_field(json, "field", errors->items[0].field); /* the first, for a program that mends one thing */
    problem_write_errors_member(json, errors->items, errors->count);
    json_object_end(json);
    return row->status;
}
