#ifndef HOLDFAST_HTTP_RECEIVE_H
#define HOLDFAST_HTTP_RECEIVE_H

#include "http/connection.h"
#include "http/head.h"

/* A connection's incoming half: reads as long as there is room for what comes, makes requests of the bytes, refuses those
 * that are none, and hands the others to the handler. */

void receive_start(struct http_connection *connection);
void receive_stop(struct http_connection *connection);
bool receive_has_room(const struct http_connection *connection);
/* Goes on, where there is room: first with what was read before there was none. */
void receive_resume(struct http_connection *connection);
void receive_drop_leftover(struct http_connection *connection);
/* Nothing that follows can be understood or is wanted: the refusal is the connection's last reply. */
void receive_refuse(struct http_connection *connection, struct refusal refusal);

#endif
