#ifndef HOLDFAST_API_ROUTES_H
#define HOLDFAST_API_ROUTES_H

/* The table of routes: what the API knows, who may call it, and who answers. */

#include <stddef.h>

#include "http/server.h"
#include "store/store.h"

struct call;

/* ACCESS_OPERATIONS is open, too, and answered even by a process that takes no orders. */
enum route_access { ACCESS_OPERATIONS, ACCESS_OPEN, ACCESS_READ, ACCESS_WRITE, ACCESS_ADMIN };
enum route_body { BODY_NONE, BODY_OPTIONAL, BODY_REQUIRED }; /* JSON */

struct route {
    enum http_method method; /* GET is also HEAD */
    const char *pattern;     /* at most one {parameter}, a whole segment; also the metric's label */
    enum route_access access;
    enum route_body body;
    const char *const *parameters; /* of the query, NULL-terminated; NULL: none */
    /* Called with what is before fields checked: access, JSON. Answers once, now or later. */
    void (*handle)(struct call *call);
};

extern const struct route ROUTES[];
extern const size_t ROUTE_COUNT;

/* NULL where there is none; *ret_allow is then the Allow header's value in the arena where the path is known by other
 * methods, else absent. ret_parameter: as it was sent; absent where the pattern has none. */
const struct route *routes_find(enum http_method method, struct text path, struct arena *arena,
                                struct text *ret_parameter, struct text *ret_allow);
const char *routes_method_name(enum http_method method);

#endif
