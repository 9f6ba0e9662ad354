#ifndef HOLDFAST_TESTS_UNIT_CMOCKA_ALL_H
#define HOLDFAST_TESTS_UNIT_CMOCKA_ALL_H

/* cmocka.h uses, but does not include, what comes before it here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
