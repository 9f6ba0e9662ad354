#ifndef HOLDFAST_HTTP_HEADER_H
#define HOLDFAST_HTTP_HEADER_H

#include "base/text.h"

/* A header that is sent, in an answer or a request. */
struct http_header {
    const char *name;
    struct text value; /* bytes that are not allowed in a header value are the caller's bug */
};

#endif
