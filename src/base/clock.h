#ifndef HOLDFAST_BASE_CLOCK_H
#define HOLDFAST_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define TIME_TEXT_LENGTH 24 /* 2026-11-22T09:41:00.123Z */

int64_t clock_unix_ms(void);      /* CLOCK_REALTIME */
int64_t clock_monotonic_us(void); /* CLOCK_MONOTONIC */

/* A clock that was set back by less than this is waited out. One that was further ahead was wrong, and deadlines could
 * never come if its time was kept. */
#define CLOCK_STEP_KEPT_MS (INT64_C(10) * 60 * 1000)
/* Moves *now_ms on to what the clock shows: never back, but to a clock that was far ahead and was put right; then
 * *ahead_ms is by how much it was, else it stays. */
void clock_advance(int64_t shown_ms, int64_t *now_ms, int64_t *ahead_ms);

/* Times outside 1970 to 9999 are shown as the nearest end. */
void time_format(int64_t unix_ms, char ret_text[TIME_TEXT_LENGTH + 1]);
/* RFC 3339 with 'Z' or an offset, 0 to 9 fractional digits (truncated to milliseconds), no leap second, years 1970 to 9999. */
MUST_USE bool time_parse(struct text text, int64_t *ret_unix_ms);

#endif
