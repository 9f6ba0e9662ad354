#ifndef HOLDFAST_API_MEDIA_TYPE_H
#define HOLDFAST_API_MEDIA_TYPE_H

#include <stdbool.h>

#include "base/text.h"

/* application/json, in either case, with or without charset=utf-8 and other parameters. An absent Content-Type passes:
 * the body is then judged by what it is. */
bool media_type_is_json(struct text content_type);

#endif
