#include "domain/version_condition.h"

bool version_condition_holds(const struct version_condition *condition, int64_t version)
{
    if (!condition->is_set) {
        return true;
    }
    for (size_t i = 0; i < condition->version_count; i++) {
        if (condition->versions[i] == version) {
            return true;
        }
    }
    return false;
}
