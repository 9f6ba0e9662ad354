#ifndef HOLDFAST_CLI_PROGRESS_H
#define HOLDFAST_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"

/* One line at a terminal that is redrawn as work goes on, at most ten times a second. Where standard error is no
 * terminal nothing is shown. Other output is printed between progress_hide and the next update. */
struct progress {
    bool is_shown; /* there is somebody to see it */
    bool is_drawn; /* the line is on the screen now */
    int64_t drawn_us;
};

void progress_init(struct progress *progress);
/* "importing [#########           ]  45 %": done of total, in any unit. */
void progress_bar(struct progress *progress, const char *label, int64_t done, int64_t total);
void progress_line(struct progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);
void progress_hide(struct progress *progress);

#endif
