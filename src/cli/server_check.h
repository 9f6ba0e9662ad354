#ifndef HOLDFAST_CLI_SERVER_CHECK_H
#define HOLDFAST_CLI_SERVER_CHECK_H

/* What can be known to be wrong with a server's settings before a database is opened, and migrated. */

#include <stdbool.h>

#include "base/attributes.h"
#include "cli/database.h"
#include "cli/server.h"

/* False, with a message: wrong usage. */
MUST_USE bool server_check_settings(const struct server_settings *settings, const struct database *database);

#endif
