#include "cli/environment.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/options.h"

/* One file of settings may serve all commands. */
static const struct command_usage *const USAGES[] = {
    &SERVE_USAGE, &WORK_USAGE, &IMPORT_USAGE, &JOBS_LIST_USAGE, &KEYS_CREATE_USAGE, &AUDIT_USAGE, &RUSH_USAGE, NULL,
};

/* What others set: this project's tests, and Kubernetes for a service that is named holdfast. */
static const char *const OTHERS[] = {
    "HOLDFAST_TEST_",    "HOLDFAST_BIN=",  "HOLDFAST_POWER_SEEDS=",
    "HOLDFAST_SERVICE_", "HOLDFAST_PORT_", "HOLDFAST_PORT=tcp://",
};

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_of_others(const char *variable)
{
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(*OTHERS); i++) {
        if (begins_with(variable, OTHERS[i])) {
            return true;
        }
    }
    return false;
}

static bool is_option(const char *name, size_t length)
{
    for (const struct command_usage *const *usage = USAGES; *usage != NULL; usage++) {
        if (options_has_variable(*usage, name, length)) {
            return true;
        }
    }
    return false;
}

void environment_warn(void)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        size_t length = strcspn(*variable, "=");
        if (begins_with(*variable, "HOLDFAST_") && !is_option(*variable, length) && !is_of_others(*variable)) {
            log_message(LOG_WARN, "unknown_variable", "%.*s is set, and no option has that name: it changes nothing",
                        (int)length, *variable);
        }
    }
}
