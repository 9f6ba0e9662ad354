#ifndef HOLDFAST_API_ENDPOINT_URL_H
#define HOLDFAST_API_ENDPOINT_URL_H

/* Where a webhook endpoint may be. A private address is refused when the endpoint is made, so that whoever made it learns
 * of it; that is a courtesy: names may come to mean another address, and every delivery checks the one that it connects
 * to. So a name that cannot be resolved, or not soon, is let pass. */

#include "api/call.h"

/* The field `url`; what is wrong with it goes to the call's errors. */
void endpoint_url_read(struct call *call, struct json_fields *fields, enum presence presence, struct text *ret_url);
/* Submits the call's command once the addresses of the URL's host are known; at once where it is absent or everything is
 * allowed. */
void endpoint_url_submit(struct call *call, struct text url);
/* Answers all that still wait. */
void endpoint_url_abandon(struct api *api);

#endif
