#ifndef HOLDFAST_BASE_ATTRIBUTES_H
#define HOLDFAST_BASE_ATTRIBUTES_H

/* Compiler attributes that every room uses (GCC and Clang spell them alike). */

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define NORETURN __attribute__((noreturn))

#endif
