#ifndef HOLDFAST_API_EVENT_STREAM_H
#define HOLDFAST_API_EVENT_STREAM_H

/* GET /v1/events/stream: Server-Sent Events for any number of listeners. Each takes what it can at its own pace: an event
 * is made into text once, in a block that all of them are sent from, and the next page of the log is read when a
 * listener has taken all there is. A listener that falls behind what is kept in memory is cut off; it comes again with
 * Last-Event-ID, and reads pages of its own until it has caught up. All of it is the loop's thread's, but for what says
 * otherwise. */

#include <uv.h>

#include "base/buffer.h"
#include "engine/reader_pool.h"

struct api;
struct call;
struct event_streams;

struct event_streams *event_streams_new(struct api *api);
/* Ends all streams, and frees itself with its last handle; `closed` is called then. */
void event_streams_close(struct event_streams *streams, void (*closed)(struct api *api));
void event_streams_end_all(struct event_streams *streams);    /* the server drains */
void event_streams_check_keys(struct event_streams *streams); /* ends those whose key is no longer in force */
/* Events were committed. Any thread. */
void event_streams_notify(struct event_streams *streams);
/* A task that came back: false where it is not one of these. */
bool event_streams_take(struct event_streams *streams, struct read_task *task);
void event_streams_write_metrics(const struct event_streams *streams, struct buffer *out);

#endif
