#ifndef HOLDFAST_HTTP_CHUNKED_H
#define HOLDFAST_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"
#include "http/head.h"

/* The chunked transfer coding (RFC 9112, 7.1), read strictly: CRLF everywhere, hexadecimal sizes and nothing around
 * them, no control bytes in extensions, no framing in trailers. Extensions and trailers are read and dropped. */

#define CHUNK_TRAILER_NAME_MAX 32 /* longer than every name that is refused */

struct chunk_decoder {
    int state;
    uint64_t chunk_left;
    size_t digits;
    size_t overhead_left; /* bytes of extensions and trailers that may still come */
    size_t name_length;
    char name[CHUNK_TRAILER_NAME_MAX];
};

void chunk_decoder_init(struct chunk_decoder *decoder, size_t overhead_max);
/* Decodes from `input` into `body`, whose maximum is the limit for the whole body; *ret_used says how far it came. */
MUST_USE enum http_progress chunk_decode(struct chunk_decoder *decoder, struct text input, struct buffer *body,
                                         size_t *ret_used, struct refusal *ret_refusal);

#endif
