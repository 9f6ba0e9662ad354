#include "fake_uv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/arena.h"
#include "base/clock.h"

#define OUTPUT_BYTES_MAX ((size_t)16 << 20)
#define PARTS_MAX 64
#define CLOSING_MAX 8
#define IS_CLOSING 1u /* in a handle's flags, and for good: it is not used again */
#define UNIX_MS INT64_C(1795340460123)

static struct {
    int64_t now_ms;
    uv_stream_t *stream; /* the connection's; NULL: none, or closed */
    uv_alloc_cb alloc;
    uv_read_cb read; /* NULL: it does not read */

    struct buffer output;
    size_t window;
    uv_write_t *write; /* that waits */
    uv_write_cb written;
    uv_buf_t parts[PARTS_MAX];
    size_t part_count;
    uv_shutdown_t *shutdown; /* whose callback is due */
    uv_shutdown_cb shut;
    bool was_shut;

    struct {
        uv_handle_t *handle;
        uv_close_cb closed;
    } closing[CLOSING_MAX];
    size_t closing_count;

    uv_prepare_t *prepare;
    uv_prepare_cb prepared;
    uv_timer_t *timer;
    uv_timer_cb timed;
} fake;

void fake_uv_reset(void)
{
    buffer_done(&fake.output);
    memset(&fake, 0, sizeof(fake));
    buffer_init(&fake.output, OUTPUT_BYTES_MAX);
    fake.now_ms = 1000000;
    fake.window = SIZE_MAX;
}

struct buffer *fake_uv_output(void)
{
    return &fake.output;
}

/* ---- What the test does ---- */

bool fake_uv_is_reading(void)
{
    return fake.read != NULL;
}

/* The bytes lie in memory of their own length, which goes afterwards: nothing may be read behind or after them. */
void fake_uv_read(const void *bytes, size_t length)
{
    uv_buf_t room = {0};
    assert(fake.read != NULL && length > 0);
    fake.alloc((uv_handle_t *)fake.stream, length, &room);
    assert(room.len >= length);
    char *copy = memory_alloc(length);
    memcpy(copy, bytes, length);
    uv_buf_t exact = uv_buf_init(copy, (unsigned)length);
    fake.read(fake.stream, (ssize_t)length, &exact);
    free(copy);
}

void fake_uv_read_end(void)
{
    uv_buf_t none = {0};
    assert(fake.read != NULL);
    fake.read(fake.stream, UV_EOF, &none);
}

void fake_uv_read_error(void)
{
    uv_buf_t none = {0};
    assert(fake.read != NULL);
    fake.read(fake.stream, UV_ECONNRESET, &none);
}

/* Moves what the window allows from the parts to the output. */
static size_t take(uv_buf_t *parts, size_t part_count)
{
    size_t taken = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t length = parts[i].len < fake.window ? parts[i].len : fake.window;
        buffer_append(&fake.output, parts[i].base, length);
        fake.window -= fake.window == SIZE_MAX ? 0 : length;
        parts[i].base += length;
        parts[i].len -= length;
        taken += length;
    }
    assert(!fake.output.overflowed);
    return taken;
}

static size_t left_to_write(void)
{
    size_t left = 0;
    for (size_t i = 0; i < fake.part_count; i++) {
        left += fake.parts[i].len;
    }
    return left;
}

static void end_write(int status)
{
    uv_write_t *write = fake.write;
    fake.write = NULL;
    fake.part_count = 0;
    fake.written(write, status);
}

bool fake_uv_is_writing(void)
{
    return fake.write != NULL && !uv_is_closing((uv_handle_t *)fake.stream);
}

void fake_uv_set_window(size_t bytes)
{
    fake.window = bytes;
    if (fake_uv_is_writing()) {
        (void)take(fake.parts, fake.part_count);
        if (left_to_write() == 0) {
            end_write(0);
        }
    }
}

void fake_uv_fail_write(void)
{
    assert(fake_uv_is_writing());
    end_write(UV_EPIPE);
}

static void end_shutdown(int status)
{
    uv_shutdown_t *shutdown = fake.shutdown;
    fake.shutdown = NULL;
    fake.shut(shutdown, status);
}

static void close_handles(void)
{
    while (fake.closing_count > 0) {
        uv_handle_t *handle = fake.closing[0].handle;
        uv_close_cb closed = fake.closing[0].closed;
        if (handle == (uv_handle_t *)fake.stream) {
            if (fake.write != NULL) {
                end_write(UV_ECANCELED);
            }
            if (fake.shutdown != NULL) {
                end_shutdown(UV_ECANCELED);
            }
            fake.stream = NULL;
        }
        fake.closing_count--;
        memmove(&fake.closing[0], &fake.closing[1], fake.closing_count * sizeof(fake.closing[0]));
        closed(handle);
    }
}

void fake_uv_turn(void)
{
    if (fake.prepare != NULL) {
        fake.prepared(fake.prepare);
    }
    if (fake.shutdown != NULL) {
        end_shutdown(0);
    }
    close_handles();
}

void fake_uv_pass_time(int64_t ms)
{
    fake.now_ms += ms;
    if (fake.timer != NULL) {
        fake.timed(fake.timer);
    }
}

/* ---- What the server sees ---- */

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *handle)
{
    (void)loop;
    (void)handle;
    return 0;
}

int uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned int flags)
{
    (void)handle;
    (void)address;
    (void)flags;
    return 0;
}

int uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb connected)
{
    (void)stream;
    (void)backlog;
    (void)connected;
    return 0;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb found, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    static struct addrinfo nowhere;
    (void)loop;
    (void)node;
    (void)service;
    (void)hints;
    assert(found == NULL);
    request->addrinfo = &nowhere;
    return 0;
}

void uv_freeaddrinfo(struct addrinfo *addresses)
{
    (void)addresses;
}

int uv_accept(uv_stream_t *server, uv_stream_t *client)
{
    (void)server;
    assert(fake.stream == NULL);
    fake.stream = client;
    return 0;
}

int uv_tcp_nodelay(uv_tcp_t *handle, int enable)
{
    (void)handle;
    (void)enable;
    return 0;
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
    assert(stream == fake.stream && !uv_is_closing((uv_handle_t *)stream));
    fake.alloc = alloc;
    fake.read = read;
    return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
    assert(stream == fake.stream);
    fake.read = NULL;
    return 0;
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t parts[], unsigned int part_count)
{
    uv_buf_t copy[PARTS_MAX];
    assert(stream == fake.stream && !uv_is_closing((uv_handle_t *)stream) && fake.write == NULL && !fake.was_shut);
    assert(part_count > 0 && part_count <= PARTS_MAX);
    memcpy(copy, parts, part_count * sizeof(copy[0]));
    size_t taken = take(copy, part_count);
    return taken == 0 ? UV_EAGAIN : (int)taken;
}

int uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t parts[], unsigned int part_count,
             uv_write_cb written)
{
    assert(stream == fake.stream && !uv_is_closing((uv_handle_t *)stream) && fake.write == NULL && !fake.was_shut);
    assert(part_count > 0 && part_count <= PARTS_MAX);
    request->handle = stream;
    fake.write = request;
    fake.written = written;
    memcpy(fake.parts, parts, part_count * sizeof(fake.parts[0]));
    fake.part_count = part_count;
    return 0;
}

size_t uv_stream_get_write_queue_size(const uv_stream_t *stream)
{
    assert(stream == fake.stream);
    return left_to_write();
}

int uv_shutdown(uv_shutdown_t *request, uv_stream_t *stream, uv_shutdown_cb shut)
{
    assert(stream == fake.stream && !uv_is_closing((uv_handle_t *)stream) && fake.write == NULL && !fake.was_shut);
    request->handle = stream;
    fake.shutdown = request;
    fake.shut = shut;
    fake.was_shut = true;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
    assert(!uv_is_closing(handle) && fake.closing_count < CLOSING_MAX);
    fake.closing[fake.closing_count].handle = handle;
    fake.closing[fake.closing_count].closed = closed;
    fake.closing_count++;
    handle->flags = IS_CLOSING;
    fake.read = handle == (uv_handle_t *)fake.stream ? NULL : fake.read;
    fake.prepare = handle == (uv_handle_t *)fake.prepare ? NULL : fake.prepare;
    fake.timer = handle == (uv_handle_t *)fake.timer ? NULL : fake.timer;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return handle->flags == IS_CLOSING;
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *handle)
{
    (void)loop;
    (void)handle;
    return 0;
}

int uv_prepare_start(uv_prepare_t *handle, uv_prepare_cb prepared)
{
    fake.prepare = handle;
    fake.prepared = prepared;
    return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    (void)loop;
    (void)handle;
    return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb timed, uint64_t timeout, uint64_t repeat)
{
    (void)timeout;
    (void)repeat;
    fake.timer = handle;
    fake.timed = timed;
    return 0;
}

void uv_unref(uv_handle_t *handle)
{
    (void)handle;
}

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return (uint64_t)fake.now_ms;
}

int64_t clock_unix_ms(void)
{
    return UNIX_MS;
}

int64_t clock_monotonic_us(void)
{
    return fake.now_ms * 1000;
}

ssize_t getrandom(void *bytes, size_t length, unsigned int flags);
ssize_t getrandom(void *bytes, size_t length, unsigned int flags)
{
    (void)flags;
    memset(bytes, 0x5a, length);
    return (ssize_t)length;
}

/* Of log lines, which nobody reads here. With it the whole of base/clock.c is replaced. */
void time_format(int64_t unix_ms, char ret_text[TIME_TEXT_LENGTH + 1])
{
    (void)unix_ms;
    memset(ret_text, '0', TIME_TEXT_LENGTH);
    ret_text[TIME_TEXT_LENGTH] = '\0';
}
