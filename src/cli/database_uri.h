#ifndef HOLDFAST_CLI_DATABASE_URI_H
#define HOLDFAST_CLI_DATABASE_URI_H

/* PostgreSQL's connection URIs before anybody connects: can they be read, and how may they be shown? */

#include <stdbool.h>

#include "base/attributes.h"

#define DATABASE_URI_SHOWN_BYTES_MAX 512

bool database_uri_is_postgres(const char *uri); /* postgresql://... or postgres://... */
/* False, with a message that begins with `source` ("--database") and quotes nothing of the URI: libpq could not read
 * it, or would take a part of a password for something else. */
MUST_USE bool database_uri_check(const char *source, const char *uri);
/* The URI with *** for its password and for passwords among its parameters; cut off where it is longer. Of one that did
 * not pass the check rather too much is hidden than too little. */
void database_uri_show(const char *uri, char ret_shown[DATABASE_URI_SHOWN_BYTES_MAX]);

#endif
