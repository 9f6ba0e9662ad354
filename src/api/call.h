#ifndef HOLDFAST_API_CALL_H
#define HOLDFAST_API_CALL_H

/* One API call from its request to its reply: what a handler works with. It lives in the request's arena and is gone
 * with its answer: nothing may be touched after a function that answers or submits. */

#include "api/api_state.h"
#include "api/json_input.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/routes.h"

/* On a pool thread, which has the whole call to itself meanwhile: reads and makes the reply. */
typedef bool call_read(struct call *call, const struct store_ops *ops, struct reader *reader, struct fault *fault);

struct call {
    struct api *api;
    struct http_request *request;
    struct text parameter; /* of the path, as it was sent; absent where the route has none */
    struct query query;
    const struct json_t *json; /* the body, until the handler returns; NULL where there is none */
    struct field_errors errors;
    struct text idempotency_key; /* absent: none */

    /* the reply in the making */
    int status;
    const char *content_type;
    struct buffer body;
    struct json_writer writer; /* into body */
    struct text location;      /* absent: no such header */
    struct text allow;         /* absent: no such header */
    struct text challenge;     /* WWW-Authenticate; absent: no such header */
    int64_t version;           /* ETag; 0: no such header */
    bool replayed;

    /* what was submitted */
    struct command command;
    struct read_task task;
    call_read *read;
    const void *input; /* of the read, in the request's arena */
    bool is_list;
    /* Called instead of sending, after a read that went well: answers. NULL: the read has made the reply. */
    void (*proceed)(struct call *call);
    int64_t last_sequence; /* read for `proceed` */
    bool is_stream;        /* answered as long as its client likes: its time is no latency */
    size_t reply_bytes;    /* counted in *unsent_bytes until the answer was handed over */
    size_t *unsent_bytes;  /* of which kind the answer is */
};

/* Of large answers that no connection has taken yet: past that no other is begun, and none that was read is sent. */
#define CALL_UNSENT_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define CALL_LARGE_REPLY_BYTES ((size_t)16 * 1024)

struct call *call_new(struct api *api, struct http_request *request, struct text parameter);

/* Makes a reply, without sending it. Any of them may be called on a pool thread from within a read. */
struct json_writer *call_begin_body(struct call *call, int status); /* an empty body to be written; 200 as JSON */
void call_set_problem(struct call *call, enum problem_kind kind, struct text detail);
void call_set_outcome(struct call *call, enum outcome_code code); /* a refusal without further members */

/* Answers; the call is gone. */
void call_send(struct call *call);
void call_refuse(struct call *call, enum problem_kind kind, struct text detail);
void call_refuse_outcome(struct call *call, enum outcome_code code);
/* 422 and true where something was found wrong. */
MUST_USE bool call_refuse_errors(struct call *call);

/* 503 busy and true where clients are slow to take so much already: for answers that may be large. */
MUST_USE bool call_refuse_large(struct call *call);
/* Counts so much of an answer that has to be given, however large it becomes. */
void call_reserve_reply(struct call *call, size_t bytes);

/* The path's parameter. False: it is no id or no SKU, so there is no such resource, and the call was answered so (or
 * with the errors gathered until here). */
MUST_USE bool call_take_id(struct call *call, enum outcome_code not_found, struct uuid *ret_id);
MUST_USE bool call_take_sku(struct call *call, struct text *ret_sku);

/* If-Match; what is wrong with it goes to the call's errors. */
void call_read_condition(struct call *call, struct version_condition *ret_condition);
/* A body that may be left out and has nothing to say: an empty object. */
void call_read_no_fields(struct call *call);

/* Hand the call on; it is answered when it comes back, or at once where a queue is full. Errors that were gathered
 * refuse it first. */
void call_submit_command(struct call *call);
void call_submit_read(struct call *call, call_read *read, const void *input);

/* Coming back, on the loop's thread. */
void call_command_completed(struct command *command);
void call_read_completed(struct read_task *task);

#endif
