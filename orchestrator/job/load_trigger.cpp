// SPDX-License-Identifier: GPL-2.0-or-later
// The [trigger] table of a job file.
#include "base/nearest.hpp"
#include "job/load_parts.hpp"
#include "job/trigger.hpp"

#include <algorithm>
#include <array>

namespace dmarace::job {

namespace {

// The core takes the driver off before it tells of these.
constexpr std::array<std::string_view, 3> kWithoutDriver{"add", "remove", "unbind"};

// A path below the device's directory that stays there.
bool stays_inside(const std::string& path) {
    return !path.empty() && path.front() != '/' && path.find("..") == std::string::npos;
}

void load_action(Section& section, Trigger& trigger) {
    const auto action = section.text("action");
    if (!action) {
        trigger.action = trigger.driver.empty() ? "add" : "bind";
        return;
    }
    trigger.action = action->value;
    if (std::ranges::find(trigger_actions(), action->value) == trigger_actions().end())
        section.error(action->where, "'" + action->value + "' is no action of udev" +
                                         did_you_mean(action->value, trigger_actions()));
    else if (!trigger.driver.empty() && std::ranges::count(kWithoutDriver, action->value) > 0)
        section.error(action->where, "no device has a driver when it is told of by '" +
                                         action->value +
                                         "', so this event never comes; write action = \"bind\"");
}

void load_attributes(Section& section, Trigger& trigger) {
    const auto* table = section.table("attributes");
    if (!table)
        return;
    Section attributes(*table, "attributes", section.file(), section.diagnostics());
    for (const auto& [key, node] : *table) {
        const std::string name(key.str());
        const auto value = attributes.text(name);
        if (!value)
            continue;
        if (!stays_inside(name))
            section.error(value->where, "'" + name +
                                            "' is no attribute: write a file's path below "
                                            "the device's directory in /sys");
        trigger.attributes.emplace_back(name, value->value);
    }
}

} // namespace

void load_trigger(Section& top, Job& job) {
    const auto* table = top.table("trigger");
    if (!table)
        return;
    Section section(*table, "[trigger]", top.file(), top.diagnostics());
    Trigger trigger;
    trigger.where = section.where();
    trigger.subsystem = section.required("subsystem").value;
    trigger.driver = section.line("driver");
    trigger.device = section.line("device");
    load_action(section, trigger);
    load_attributes(section, trigger);
    if (trigger.action == "remove" && !trigger.attributes.empty())
        section.error(trigger.where, "a device that is removed has no attributes any more, so this "
                                     "event never comes; leave [trigger.attributes] out");
    section.done();
    job.trigger = std::move(trigger);
}

} // namespace dmarace::job
