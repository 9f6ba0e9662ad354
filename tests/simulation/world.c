#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define HISTORY_LINES 4096
#define HISTORY_LINE_BYTES 160
#define HISTORY_TOLD 60

struct world *world;

/* ---- Time: linked in the place of the system's ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c): the linker's names */
int64_t __wrap_clock_monotonic_us(void);
int64_t __wrap_clock_unix_ms(void);

int64_t __wrap_clock_monotonic_us(void)
{
    return world->now_us;
}

int64_t __wrap_clock_unix_ms(void)
{
    return sim_unix_ms();
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c) */

int64_t sim_unix_ms(void)
{
    return world->clock_us / 1000;
}

void step_clock(int64_t us)
{
    world->clock_us += us;
    world->clock_furthest_us = MAX(world->clock_us, world->clock_furthest_us);
    world->clock_went_back = world->clock_went_back || us < 0;
}

void advance_us(int64_t us)
{
    world->now_us += us;
    step_clock(us);
    world->stats.simulated_ms = world->now_us / 1000;
}

/* ---- Chance ---- */

static const char *const TROUBLE_NAMES[TROUBLE_COUNT] = {
    [TROUBLE_BEGIN_FAILS] = "begin fails",
    [TROUBLE_DUE_FAILS] = "look for timeouts fails",
    [TROUBLE_LOAD_FAILS] = "load fails",
    [TROUBLE_LOAD_TIMES_OUT] = "load times out on a lock",
    [TROUBLE_SAVE_FAILS] = "save fails",
    [TROUBLE_SAVE_REFUSED] = "save refused (a constraint)",
    [TROUBLE_SAVE_CONFLICTS] = "save conflicts",
    [TROUBLE_COMMIT_FAILS] = "commit fails",
    [TROUBLE_COMMIT_LOST_APPLIED] = "commit's answer lost, applied",
    [TROUBLE_COMMIT_LOST_DROPPED] = "commit's answer lost, not applied",
    [TROUBLE_READ_FAILS] = "read fails",
    [TROUBLE_HOUSEKEEPING_FAILS] = "housekeeping fails",
    [TROUBLE_WATCH_MISSED] = "notice of jobs missed",
    [TROUBLE_OUTAGE] = "outage of the store",
    [TROUBLE_CRASH] = "crash",
    [TROUBLE_CRASH_IN_COMMIT] = "crash in commit",
    [TROUBLE_CLEAN_RESTART] = "clean restart",
    [TROUBLE_STALL_COMMITTER] = "committer stalls",
    [TROUBLE_STALL_WORKER] = "worker stalls past its lease",
    [TROUBLE_CLOCK_FORWARD] = "clock steps forward",
    [TROUBLE_CLOCK_BACK] = "clock steps back",
    [TROUBLE_ANSWER_LOST] = "answer lost",
    [TROUBLE_QUEUE_FULL] = "queue full",
    [TROUBLE_RECEIVER_FAILS] = "receiver fails",
    [TROUBLE_RECEIVER_SILENT] = "receiver does not answer",
    [TROUBLE_RECEIVER_GONE] = "receiver is gone",
};

const char *trouble_name(enum trouble trouble)
{
    return TROUBLE_NAMES[trouble];
}

bool trouble(enum trouble trouble)
{
    bool happens = random_permille(&world->random, world->rates[trouble]) && !world->is_calm &&
                   (world->options.calm & (UINT32_C(1) << trouble)) == 0;
    if (happens) {
        world->stats.troubles[trouble]++;
        history("trouble: %s", trouble_name(trouble));
    }
    return happens;
}

/* ---- History ---- */

static char history_lines[HISTORY_LINES][HISTORY_LINE_BYTES];
static size_t history_count;

void world_trace(uint64_t value)
{
    world->stats.trace = (world->stats.trace ^ value) * UINT64_C(0x100000001b3);
}

void history(const char *format, ...)
{
    if (!world->options.tells_history) {
        return;
    }
    char *line = history_lines[history_count++ % HISTORY_LINES];
    int length = snprintf(line, HISTORY_LINE_BYTES, "%*s%10.3f s  ", world->depth * 2, "", (double)world->now_us / 1e6);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line + length, HISTORY_LINE_BYTES - (size_t)length, format, arguments);
    va_end(arguments);
}

/* Does the line have one of the names ("order 12", "sku-3") that the violation has? */
static bool concerns(const char *line, const char *detail)
{
    const char *const kinds[] = {"order ", "sku-"};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        for (const char *at = strstr(detail, kinds[i]); at != NULL; at = strstr(at + 1, kinds[i])) {
            size_t length = strlen(kinds[i]) + strspn(at + strlen(kinds[i]), "0123456789");
            const char *found = memmem(line, strlen(line), at, length);
            if (found != NULL && strchr("0123456789", found[length]) == NULL) {
                return true;
            }
        }
    }
    return false;
}

/* The part that has to do with it. */
static void history_tell(const char *detail)
{
    bool has_name = strstr(detail, "order ") != NULL || strstr(detail, "sku-") != NULL;
    size_t first = history_count > HISTORY_LINES ? history_count - HISTORY_LINES : 0;
    size_t told = 0;
    for (size_t i = history_count; i > first && told < HISTORY_TOLD; i--) {
        char *line = history_lines[(i - 1) % HISTORY_LINES];
        bool is_near = history_count - i < HISTORY_TOLD / 3;
        if (is_near || !has_name || concerns(line, detail)) {
            told++;
        } else {
            line[0] = '\0';
        }
        first = told == HISTORY_TOLD ? i - 1 : first;
    }
    for (size_t i = first; i < history_count; i++) {
        const char *line = history_lines[i % HISTORY_LINES];
        if (line[0] != '\0') {
            (void)printf("  %s\n", line);
        }
    }
}

void sim_violation(const char *rule, const char *format, ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    history_tell(detail);
    (void)printf("seed %llu: violation of %s: %s\n", (unsigned long long)world->options.seed, rule, detail);
    (void)fflush(stdout);
    _Exit(EXIT_FAILURE);
}
