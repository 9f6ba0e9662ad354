#ifndef HOLDFAST_DOMAIN_MONEY_H
#define HOLDFAST_DOMAIN_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* Money is integer minor units (cents) and an ISO 4217 code. Never a float. */
struct money {
    int64_t amount;
    char currency[4]; /* NUL-terminated */
};

/* Three upper-case letters of an active ISO 4217 currency; funds codes and metals are not money to pay with. */
bool currency_is_active(struct text code);
int currency_exponent(const char *code); /* digits behind the point: EUR 2, JPY 0, KWD 3; -1 where unknown */
bool money_equal(struct money a, struct money b);
/* "19.99" in major units to minor units of the currency: no sign, no exponent, no more digits than the currency has
 * (further zeros are fine). False where it is anything else or too large. */
bool money_parse_major(struct text text, const char *currency, int64_t *ret_amount);

#endif
