// SPDX-License-Identifier: GPL-2.0-or-later
// The [trigger] table: which udev event makes dmaraced start the
// job. Pure: attributes are asked for through a function.
#pragma once

#include "job/job.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::job {

// An event as udev tells it. attribute: a sysfs file of the device by its path
// below it; nothing when there is none.
struct TriggerEvent {
    std::string action, subsystem, name, driver;
    std::function<std::optional<std::string>(const std::string&)> attribute;
};

// Names and values are globs (fnmatch(3)); a device has to match all of them.
bool matches(const Trigger& trigger, const TriggerEvent& event);

// What a [trigger] may name as its action (kobject_actions of the kernel).
const std::vector<std::string>& trigger_actions();

} // namespace dmarace::job
