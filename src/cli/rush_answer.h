#ifndef HOLDFAST_CLI_RUSH_ANSWER_H
#define HOLDFAST_CLI_RUSH_ANSWER_H

/* What a server's JSON answers say, as far as a rush needs it. */

#include "cli/rush.h"

/* The order that a 201 confirms; false where the answer is not one. */
MUST_USE bool rush_answer_order(const struct buffer *answer, struct rush_order *ret_order);
/* What became of the order, from a 200 to asking for it. */
void rush_answer_fate(const struct buffer *answer, struct rush_order *order);
MUST_USE bool rush_answer_stock(const struct buffer *answer, struct rush_stock *ret_stock);
/* A problem's code and detail, or nothing where the answer is none. */
void rush_answer_problem(const struct buffer *answer, char ret_problem[RUSH_PROBLEM_LENGTH_MAX + 1]);

#endif
