#include "http/chunked.h"

#include <stdbool.h>

/*  SIZE --CR--> SIZE_LF --size > 0--> DATA --> DATA_CR --> DATA_LF --> SIZE
 *   |  ';'          ^  |
 *   v               |  +--size = 0--> LINE_START --CR--> END_LF --> complete
 *  EXTENSION --CR---+                    |  ^
 *                                        v  |
 *                             TRAILER_NAME --':'--> TRAILER_VALUE --CR--> TRAILER_LF        */
enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_LINE_START,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF
};

#define CHUNK_SIZE_DIGITS_MAX 15 /* so that the size cannot overflow */

void chunk_decoder_init(struct chunk_decoder *decoder, size_t overhead_max)
{
    *decoder = (struct chunk_decoder){.state = CHUNK_SIZE, .overhead_left = overhead_max};
}

static bool refuse(struct refusal *ret_refusal, enum http_refusal kind, const char *detail)
{
    *ret_refusal = (struct refusal){kind, detail};
    return false;
}

static bool expect(struct chunk_decoder *decoder, char c, char expected, int next_state, struct refusal *ret_refusal)
{
    if (c != expected) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "malformed chunk framing");
    }
    decoder->state = next_state;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_size(struct chunk_decoder *decoder, char c, struct refusal *ret_refusal)
{
    int value = hex_value(c);
    if (value >= 0 && decoder->digits < CHUNK_SIZE_DIGITS_MAX) {
        decoder->digits++;
        decoder->chunk_left = decoder->chunk_left * 16 + (uint64_t)value;
        return true;
    }
    if (decoder->digits == 0 || (c != '\r' && c != ';')) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid chunk size");
    }
    decoder->state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return true;
}

static bool begin_chunk(struct chunk_decoder *decoder, char c, const struct buffer *body, struct refusal *ret_refusal)
{
    if (decoder->chunk_left > body->max - body->length) {
        return refuse(ret_refusal, HTTP_REFUSAL_BODY_TOO_LARGE, "body too large");
    }
    return expect(decoder, c, '\n', decoder->chunk_left > 0 ? CHUNK_DATA : CHUNK_LINE_START, ret_refusal);
}

/* What would change the meaning of the message had it been in the head. */
static bool trailer_is_refused(struct text name)
{
    static const struct text REFUSED[] = {{"content-length", 14},
                                          {"transfer-encoding", 17},
                                          {"host", 4},
                                          {"connection", 10},
                                          {"upgrade", 7},
                                          {"expect", 6},
                                          {"authorization", 13},
                                          {"idempotency-key", 15}};
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        if (header_name_equal(name, REFUSED[i])) {
            return true;
        }
    }
    return false;
}

static bool read_trailer_name(struct chunk_decoder *decoder, char c, struct refusal *ret_refusal)
{
    if (c != ':') {
        decoder->state = CHUNK_TRAILER_NAME;
        if (decoder->name_length < sizeof(decoder->name)) {
            decoder->name[decoder->name_length++] = c;
        }
        if (!http_is_token((struct text){&c, 1})) {
            return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "invalid trailer name");
        }
        return true;
    }
    struct text name = {decoder->name, decoder->name_length};
    if (name.length == 0 || trailer_is_refused(name)) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "forbidden trailer");
    }
    decoder->name_length = 0;
    decoder->state = CHUNK_TRAILER_VALUE;
    return true;
}

/* The bytes of an extension or a trailer's value, up to the CR. */
static bool skip_text(struct chunk_decoder *decoder, char c, int next_state, struct refusal *ret_refusal)
{
    unsigned char byte = (unsigned char)c;
    if (c == '\r') {
        decoder->state = next_state;
        return true;
    }
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
        return refuse(ret_refusal, HTTP_REFUSAL_BAD_REQUEST, "control byte in chunk framing");
    }
    return true;
}

static bool read_framing(struct chunk_decoder *decoder, char c, const struct buffer *body, struct refusal *ret_refusal)
{
    bool is_overhead = decoder->state == CHUNK_EXTENSION || decoder->state >= CHUNK_LINE_START;
    if (is_overhead && decoder->overhead_left-- == 0) {
        return refuse(ret_refusal, HTTP_REFUSAL_HEADERS_TOO_LARGE, "chunk extensions or trailers too large");
    }
    switch (decoder->state) {
    case CHUNK_SIZE:
        return read_size(decoder, c, ret_refusal);
    case CHUNK_EXTENSION:
        return skip_text(decoder, c, CHUNK_SIZE_LF, ret_refusal);
    case CHUNK_SIZE_LF:
        return begin_chunk(decoder, c, body, ret_refusal);
    case CHUNK_DATA_CR:
        return expect(decoder, c, '\r', CHUNK_DATA_LF, ret_refusal);
    case CHUNK_DATA_LF:
        decoder->digits = 0;
        return expect(decoder, c, '\n', CHUNK_SIZE, ret_refusal);
    case CHUNK_LINE_START:
        if (c == '\r') {
            decoder->state = CHUNK_END_LF;
            return true;
        }
        return read_trailer_name(decoder, c, ret_refusal);
    case CHUNK_TRAILER_NAME:
        return read_trailer_name(decoder, c, ret_refusal);
    case CHUNK_TRAILER_VALUE:
        return skip_text(decoder, c, CHUNK_TRAILER_LF, ret_refusal);
    case CHUNK_TRAILER_LF:
        return expect(decoder, c, '\n', CHUNK_LINE_START, ret_refusal);
    default:
        return expect(decoder, c, '\n', CHUNK_END_LF, ret_refusal);
    }
}

enum http_progress chunk_decode(struct chunk_decoder *decoder, struct text input, struct buffer *body, size_t *ret_used,
                                struct refusal *ret_refusal)
{
    size_t at = 0;
    while (at < input.length) {
        if (decoder->state == CHUNK_DATA) {
            size_t length = input.length - at;
            length = length < decoder->chunk_left ? length : (size_t)decoder->chunk_left;
            buffer_append(body, input.bytes + at, length);
            at += length;
            decoder->chunk_left -= length;
            decoder->state = decoder->chunk_left == 0 ? CHUNK_DATA_CR : CHUNK_DATA;
            continue;
        }
        bool is_last = decoder->state == CHUNK_END_LF;
        if (!read_framing(decoder, input.bytes[at++], body, ret_refusal)) {
            *ret_used = at;
            return HTTP_PROGRESS_REFUSED;
        }
        if (is_last) {
            *ret_used = at;
            return HTTP_PROGRESS_COMPLETE;
        }
    }
    *ret_used = at;
    return HTTP_PROGRESS_INCOMPLETE;
}
