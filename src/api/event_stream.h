#ifndef HOLDFAST_API_EVENT_STREAM_H
#define HOLDFAST_API_EVENT_STREAM_H

/* Everybody who follows the event log live. An event is read and rendered once, whoever listens; listeners pull: each
 * is given the next page when it has taken the last, and the log is read on only when somebody at its end wants more.
 * So a busy server slows all of them evenly. Who falls out of what is kept in memory, or takes nothing, is dropped and
 * may come back with the last sequence that it saw.
 *
 * The loop's thread, but for event_stream_appended. */

#include <uv.h>

#include "engine/reader_pool.h"
#include "http/server.h"

struct event_stream;

/* heartbeat_ms: who was told nothing for so long is told that. take_ms: for a page of the past to be taken. */
struct event_stream *event_stream_new(uv_loop_t *loop, int64_t heartbeat_ms, int64_t take_ms);
void event_stream_attach(struct event_stream *stream, struct reader_pool *readers);
/* The log has grown. Any thread. */
void event_stream_appended(struct event_stream *stream);
/* Answers the request with what follows that sequence. `newest`: as the store has it now. */
void event_stream_join(struct event_stream *stream, struct http_request *request, int64_t after, int64_t newest);
/* True: the task was the stream's own. */
bool event_stream_take_read(struct event_stream *stream, struct read_task *task);
/* Ends the streams of those who may not listen any more. */
void event_stream_recheck(struct event_stream *stream,
                          bool (*may_listen)(const struct http_request *request, void *context), void *context);
void event_stream_drain(struct event_stream *stream); /* ends all streams; none may join any more */
void event_stream_write_metrics(const struct event_stream *stream, struct buffer *out);
/* After the HTTP server, which ends all streams, and the reader pool. The loop must run once more, which frees it. */
void event_stream_free(struct event_stream *stream);

#endif
