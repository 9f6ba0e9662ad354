#ifndef HOLDFAST_API_PROBLEM_H
#define HOLDFAST_API_PROBLEM_H

/* Problem details (RFC 9457): the body of every refusal. What the engine decides has its table in reply.c; here is
 * what is refused before it is asked. */

#include "api/field_errors.h"
#include "base/json_writer.h"
#include "http/server.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

enum problem_kind {
    PROBLEM_INVALID_JSON,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_REPLY_TOO_LARGE,
    PROBLEM_READ_TIMEOUT,
    PROBLEM_DRAINING
};
#define PROBLEM_KIND_COUNT (PROBLEM_DRAINING + 1)

/* The members that every problem has; the caller may add others, then ends the object. */
void problem_begin(struct json_writer *json, int status, const char *code, const char *title, struct text detail);

/* Whole problems. Each returns its status. detail absent: the kind's own. */
int problem_write(struct json_writer *json, enum problem_kind kind, struct text detail);
int problem_write_refusal(struct json_writer *json, enum http_refusal refusal);
/* 422 with errors[]. Its code is that of the errors where they are all unknown fields, all unknown parameters or all
 * quantities; else invalid_request. */
int problem_write_field_errors(struct json_writer *json, const struct field_errors *errors);
/* The member errors[] alone. */
void problem_write_errors_member(struct json_writer *json, const struct field_error *errors, size_t count);

#endif
