// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/snapshot.hpp"

#include "board/devices.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace dmarace::campaign {

namespace {

constexpr std::array kBuses{"pci", "platform", "amba"};

void add_module(Snapshot& out, const board::Modules& modules, const std::string& name) {
    const bool known =
        std::ranges::any_of(out.modules, [&](const auto& module) { return module.name == name; });
    // A path is not a name that the kernel could be asked about.
    if (!name.empty() && !known && name.find('/') == std::string::npos)
        out.modules.push_back({name, modules.loaded(name)});
}

void add_named(Snapshot& out, const board::Modules& modules, const std::vector<job::Step>& steps) {
    for (const auto& step : steps)
        if ((catalogue::row_of(step.verb).keeps & catalogue::kept::modules) != 0)
            add_module(out, modules, step.args.front());
}

void add_device(Snapshot& out, const board::Devices& devices, const SurveyedDevice& item) {
    const auto name = item.device.full_name();
    // Who waits for a supplier may bind at any time, and stays bound.
    const auto waiting = devices.deferred().value_or(std::vector<std::string>{});
    if (std::ranges::find(waiting, item.device.name) == waiting.end())
        out.drivers[name] = item.device.driver;
    out.overrides[name] = item.device.driver_override;
    if (item.virtual_functions == 0)
        return;
    const auto now = devices.files().read("/sys/bus/" + item.device.bus + "/devices/" +
                                          item.device.name + "/sriov_numvfs");
    out.functions[name] = now ? static_cast<unsigned>(std::strtoul(now->c_str(), nullptr, 10)) : 0;
}

// "KIND SUBJECT REST": the rest may have spaces, as a driver's name may.
struct Words {
    std::string kind, subject, rest;
};

Words split(const std::string& line) {
    const auto first = line.find(' ');
    const auto second = first == std::string::npos ? first : line.find(' ', first + 1);
    Words out{line.substr(0, first), "", ""};
    if (first != std::string::npos)
        out.subject =
            line.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    if (second != std::string::npos)
        out.rest = line.substr(second + 1);
    return out;
}

bool take(Snapshot& out, const Words& words) {
    const auto& [kind, subject, rest] = words;
    if (subject.empty())
        return false;
    if (kind == "module" && (rest == "loaded" || rest == "absent"))
        out.modules.push_back({subject, rest == "loaded"});
    else if (kind == "override")
        out.overrides[subject] = rest;
    else if (kind == "autoprobe" && (rest == "on" || rest == "off"))
        out.autoprobe[subject] = rest == "on";
    else if (kind == "driver")
        out.drivers[subject] = rest;
    else if (kind == "type")
        out.group_type[subject] = rest;
    else if (kind == "functions")
        out.functions[subject] = static_cast<unsigned>(std::strtoul(rest.c_str(), nullptr, 10));
    else
        return false;
    return true;
}

} // namespace

std::map<std::string, std::string> types_now(const board::Devices& devices) {
    std::map<std::string, std::string> out;
    for (const auto& group : devices.groups()) {
        const auto type = devices.group_type(group.number).value_or("");
        for (const auto& device : group.devices)
            out[device] = type;
    }
    return out;
}

Snapshot take_snapshot(const board::Devices& devices, const board::Modules& modules,
                       const Survey& survey, const job::Plan& plan) {
    Snapshot out;
    add_module(out, modules, survey.iommu_module);
    for (const char* bus : kBuses)
        if (const auto on = devices.autoprobe(bus))
            out.autoprobe[bus] = *on;
    for (const auto& item : survey.devices) {
        if (!item.behind_iommu)
            continue;
        add_device(out, devices, item);
        add_module(out, modules, item.driver_module);
    }
    add_named(out, modules, plan.reset);
    for (const auto& actor : plan.actors)
        add_named(out, modules, actor.steps);
    add_module(out, modules, board::kSimulatedModule);
    out.group_type = types_now(devices);
    return out;
}

std::vector<std::string> to_words(const Snapshot& snapshot) {
    std::vector<std::string> words;
    for (const auto& [name, loaded] : snapshot.modules)
        words.push_back("module " + name + (loaded ? " loaded" : " absent"));
    for (const auto& [device, driver] : snapshot.overrides)
        words.push_back("override " + device + " " + driver);
    for (const auto& [bus, on] : snapshot.autoprobe)
        words.push_back("autoprobe " + bus + (on ? " on" : " off"));
    for (const auto& [device, driver] : snapshot.drivers)
        words.push_back("driver " + device + " " + driver);
    for (const auto& [device, type] : snapshot.group_type)
        words.push_back("type " + device + " " + type);
    for (const auto& [device, count] : snapshot.functions)
        words.push_back("functions " + device + " " + std::to_string(count));
    return words;
}

Snapshot as_before(const run::Run& run, const std::string& boot, Snapshot now) {
    if (!run.before || run.before->boot != boot)
        return now;
    return from_words(run.before->state).value_or(std::move(now));
}

Result<Snapshot> from_words(std::span<const std::string> words) {
    Snapshot out;
    for (const auto& line : words)
        if (!take(out, split(line)))
            return fail(Fault::environment,
                        "'" + line + "' is not known to this dmarace: a newer one wrote it");
    return out;
}

} // namespace dmarace::campaign
