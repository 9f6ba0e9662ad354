#ifndef HOLDFAST_STORE_POSTGRES_POSTGRES_STORE_H
#define HOLDFAST_STORE_POSTGRES_POSTGRES_STORE_H

/* The store on a PostgreSQL server, 15 or later; several processes share one database. Location: a connection URI. */

#include "store/store.h"

extern const struct store_ops POSTGRES_STORE;

#endif
