#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const FAULT_KIND_NAMES[] = {
    [FAULT_NONE] = "none",
    [FAULT_UNAVAILABLE] = "unavailable",
    [FAULT_CONFLICT] = "conflict",
    [FAULT_CONSTRAINT] = "constraint",
    [FAULT_OUTCOME_UNKNOWN] = "outcome_unknown",
    [FAULT_TIMEOUT] = "timeout",
    [FAULT_SCHEMA] = "schema",
    [FAULT_INTERNAL] = "internal",
};

bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    /* By way of a copy: callers wrap a fault by naming its own detail among the arguments. */
    struct fault filled = {.kind = kind};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(filled.detail, sizeof(filled.detail), format, arguments);
    va_end(arguments);
    *fault = filled;
    return false;
}

const char *fault_kind_name(enum fault_kind kind)
{
    return FAULT_KIND_NAMES[kind];
}
