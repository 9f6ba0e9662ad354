#ifndef HOLDFAST_API_OPENAPI_H
#define HOLDFAST_API_OPENAPI_H

#include <stddef.h>

/* docs/api/openapi.json, embedded by the build. */
extern const char OPENAPI_JSON[]; /* NUL-terminated behind its length */
extern const size_t OPENAPI_JSON_LENGTH;

#endif
