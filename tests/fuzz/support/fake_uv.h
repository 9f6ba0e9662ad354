#ifndef HOLDFAST_TESTS_FUZZ_SUPPORT_FAKE_UV_H
#define HOLDFAST_TESTS_FUZZ_SUPPORT_FAKE_UV_H

/* The part of libuv that the HTTP server uses, defined here and so linked in its place: no sockets, no system calls, one
 * connection, and a clock that is set. Whoever drives it decides what the client sends in which pieces, how much of an
 * answer the socket takes, and when. The clocks of base/clock.h and the kernel's random bytes are fakes, too, so that two
 * runs of the same events are the same to the byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* A new world: one client that is about to connect, and whose socket takes everything. */
void fake_uv_reset(void);
/* The output so far; the buffer is the fake's. */
struct buffer *fake_uv_output(void);

bool fake_uv_is_reading(void);
void fake_uv_read(const void *bytes, size_t length); /* while it is reading */
void fake_uv_read_end(void);                         /* the client has shut its side; the same */
void fake_uv_read_error(void);                       /* a reset; the same */

/* How many bytes the socket takes from now on until it is full; a write that waits goes on. SIZE_MAX: any. */
void fake_uv_set_window(size_t bytes);
bool fake_uv_is_writing(void); /* a write waits */
void fake_uv_fail_write(void); /* the one that waits */

/* What the loop does once a turn: the server's flush, callbacks of shutdowns, closed handles. */
void fake_uv_turn(void);
void fake_uv_pass_time(int64_t ms); /* the server's sweep is called */

#endif
