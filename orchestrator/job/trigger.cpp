// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/trigger.hpp"

#include <fnmatch.h>

#include <algorithm>

namespace dmarace::job {

namespace {

bool fits(const std::string& glob, const std::string& text) {
    return glob.empty() || ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

} // namespace

bool matches(const Trigger& trigger, const TriggerEvent& event) {
    if (event.action != trigger.action || !fits(trigger.subsystem, event.subsystem) ||
        !fits(trigger.device, event.name) || !fits(trigger.driver, event.driver))
        return false;
    return std::ranges::all_of(trigger.attributes, [&](const auto& wanted) {
        const auto value = event.attribute ? event.attribute(wanted.first) : std::nullopt;
        return value && fits(wanted.second, *value);
    });
}

const std::vector<std::string>& trigger_actions() {
    static const std::vector<std::string> actions{"add",    "remove",  "change", "move",
                                                  "online", "offline", "bind",   "unbind"};
    return actions;
}

} // namespace dmarace::job
