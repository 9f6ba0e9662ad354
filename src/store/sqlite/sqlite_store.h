#ifndef HOLDFAST_STORE_SQLITE_SQLITE_STORE_H
#define HOLDFAST_STORE_SQLITE_SQLITE_STORE_H

/* The embedded store: one SQLite file in WAL mode, synchronous=FULL. */

#include "store/store.h"

extern const struct store_ops SQLITE_STORE;

#endif
