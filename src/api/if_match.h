#ifndef HOLDFAST_API_IF_MATCH_H
#define HOLDFAST_API_IF_MATCH_H

/* If-Match (RFC 9110, section 13.1.1): tags are compared strongly, so weak ones never match; a strong one that no
 * resource here could have (not a number) is well-formed and never matches either. */

#include "base/arena.h"
#include "domain/catalogue.h"

/* False where the header is malformed. `*` is unconditional: a resource that is not there is refused anyway. */
MUST_USE bool if_match_parse(struct text header, struct arena *arena, struct version_condition *ret_condition);

#endif
