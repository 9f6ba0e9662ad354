#ifndef HOLDFAST_HTTP_URL_H
#define HOLDFAST_HTTP_URL_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/text.h"

/* What the URL of a receiver has to look like. Nothing here asks a name server; the address itself is checked when it is
 * connected to (http/client.h). */

#define HTTP_URL_BYTES_MAX 2048

/* An absolute https URL (or http, where allowed) with a host, in ASCII (a name in Punycode), without user info and
 * fragment. False: *ret_reason is a lasting text that completes "the URL ...": "must begin with https://". */
MUST_USE bool http_url_check(struct text url, bool allow_http, const char **ret_reason);

/* Whether the host of a URL that passed http_url_check is this machine's name (localhost, *.localhost) or an address that
 * is not public, however it is spelled (127.1, 0x7f.1, 2130706433, [::ffff:127.0.0.1]). A name that is only found to be
 * private by asking for its address is no such literal. */
bool http_url_is_private_literal(struct text url);

#endif
