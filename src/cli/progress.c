#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/console.h"

#define BAR_WIDTH 40
#define REDRAW_US 100000

void progress_init(struct progress *progress)
{
    *progress = (struct progress){.is_shown = console_is_terminal()};
}

static bool is_time_to_draw(struct progress *progress)
{
    if (!progress->is_shown) {
        return false;
    }
    int64_t now_us = clock_monotonic_us();
    if (progress->is_drawn && now_us - progress->drawn_us < REDRAW_US) {
        return false;
    }
    progress->drawn_us = now_us;
    return true;
}

void progress_bar(struct progress *progress, const char *label, int64_t done, int64_t total)
{
    static const char FULL[BAR_WIDTH + 1] = "########################################";
    if (!is_time_to_draw(progress)) {
        return;
    }
    double share = total > 0 ? (double)done / (double)total : 1;
    int width = (int)(share * BAR_WIDTH);
    fprintf(stderr, "\r\033[K%s [%.*s%*s] %3d %%", label, width, FULL, BAR_WIDTH - width, "", (int)(share * 100));
    progress->is_drawn = true;
}

void progress_line(struct progress *progress, const char *format, ...)
{
    if (!is_time_to_draw(progress)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    progress->is_drawn = true;
}

void progress_hide(struct progress *progress)
{
    if (progress->is_drawn) {
        fputs("\r\033[K", stderr);
        progress->is_drawn = false;
    }
}
