#ifndef HOLDFAST_BASE_VERSION_H
#define HOLDFAST_BASE_VERSION_H

extern const char HOLDFAST_VERSION[]; /* "0.1.0": project() in meson.build is its source */

#endif
