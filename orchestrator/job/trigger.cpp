// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/trigger.hpp"

#include "base/text.hpp"
#include "job/load_parts.hpp"
#include "job/reader.hpp"

#include <fnmatch.h>

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

bool fits(const std::string& glob, const std::string& text) {
    return glob.empty() || ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
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
