// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/restore.hpp"

#include "board/simulated.hpp"
#include "campaign/stage.hpp"

#include <algorithm>

namespace dmarace::campaign {

namespace {

constexpr std::array kBuses{"pci", "platform", "amba"};

job::Step step(job::Verb verb, const std::string& name, std::vector<std::string> args) {
    job::Step out;
    out.verb = verb;
    out.text = name;
    for (const auto& arg : args)
        out.text += " " + arg;
    out.args = std::move(args);
    return out;
}

// Types of groups, by their devices: a group that was taken down gets another
// number when it comes back.
std::map<std::string, std::string> types_now(const board::Devices& devices) {
    std::map<std::string, std::string> out;
    for (const auto& group : devices.groups()) {
        const auto type = devices.group_type(group.number).value_or("");
        for (const auto& device : group.devices)
            out[device] = type;
    }
    return out;
}

void play(Machine& machine, Progress& progress, Interrupts& interrupts,
          std::vector<job::Step> steps) {
    if (steps.empty())
        return;
    StageLimits limits;
    limits.heeds_interrupts = false;
    Stage stage(machine, progress, interrupts, limits);
    verdict::Observed observed;
    if (stage.prepare({job::Actor{"restore", std::move(steps), {}}}, true))
        (void)stage.play(observed, false);
}

std::vector<job::Step> first_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    if (!snapshot.simulated && machine.modules.loaded(board::kSimulatedModule))
        steps.push_back(step(job::Verb::rmmod, "rmmod", {board::kSimulatedModule}));
    if (!snapshot.iommu_module.empty() && !machine.modules.loaded(snapshot.iommu_module))
        steps.push_back(step(job::Verb::insmod, "insmod", {snapshot.iommu_module}));
    for (const auto& module : snapshot.driver_modules)
        if (!machine.modules.loaded(module))
            steps.push_back(step(job::Verb::insmod, "insmod", {module}));
    for (const auto& [bus, on] : snapshot.autoprobe)
        if (machine.devices.autoprobe(bus) != on)
            steps.push_back(step(job::Verb::autoprobe, "autoprobe", {on ? "on" : "off", bus}));
    const bool gone = std::ranges::any_of(snapshot.drivers, [&](const auto& entry) {
        return entry.first.starts_with("pci/") && !machine.devices.find(entry.first);
    });
    if (gone)
        steps.push_back(step(job::Verb::rescan, "rescan", {"pci"}));
    if (!steps.empty())
        steps.push_back(step(job::Verb::settle, "settle", {}));
    return steps;
}

std::vector<job::Step> override_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    for (const auto& [name, before] : snapshot.overrides)
        if (const auto now = machine.devices.find(name); now && now->driver_override != before)
            steps.push_back(step(job::Verb::override_driver, "override",
                                 {name, before.empty() ? "none" : before}));
    return steps;
}

// Devices whose group has another type now are unbound, written and bound.
std::vector<job::Step> second_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps = override_steps(machine, snapshot);
    const auto types = types_now(machine.devices);
    for (const auto& [device, type] : snapshot.group_type) {
        const auto now = types.find(device);
        if (now == types.end() || now->second == type)
            continue;
        if (snapshot.drivers.contains(device))
            steps.push_back(step(job::Verb::unbind, "unbind", {device}));
    }
    for (const auto& [device, type] : snapshot.group_type) {
        const auto now = types.find(device);
        if (now != types.end() && now->second != type)
            steps.push_back(step(job::Verb::type, "type", {device, type}));
    }
    for (const auto& [name, driver] : snapshot.drivers) {
        const auto device = machine.devices.find(name);
        const auto now = types.find(name);
        const auto before = snapshot.group_type.find(name);
        const bool retyped = now != types.end() && before != snapshot.group_type.end() &&
                             now->second != before->second;
        if (!device || (!retyped && device->driver == driver))
            continue;
        if (!retyped && !device->driver.empty())
            steps.push_back(step(job::Verb::unbind, "unbind", {name}));
        steps.push_back(step(job::Verb::bind, "bind", {name, driver}));
    }
    return steps;
}

std::string binding_command(const std::string& name, const std::string& driver) {
    const auto slash = name.find('/');
    return "echo " + name.substr(slash + 1) + " > /sys/bus/" + name.substr(0, slash) + "/drivers/" +
           driver + "/bind";
}

std::vector<std::string> still_different(const Machine& machine, const Snapshot& snapshot) {
    std::vector<std::string> commands;
    if (!snapshot.simulated && machine.modules.loaded(board::kSimulatedModule))
        commands.push_back(std::string("modprobe -r ") + board::kSimulatedModule);
    if (!snapshot.iommu_module.empty() && !machine.modules.loaded(snapshot.iommu_module))
        commands.push_back("modprobe " + snapshot.iommu_module);
    for (const auto& module : snapshot.driver_modules)
        if (!machine.modules.loaded(module))
            commands.push_back("modprobe " + module);
    for (const auto& [name, before] : snapshot.overrides)
        if (const auto now = machine.devices.find(name); now && now->driver_override != before)
            commands.push_back("echo '" + before + "' > /sys/bus/" +
                               name.substr(0, name.find('/')) + "/devices/" +
                               name.substr(name.find('/') + 1) + "/driver_override");
    for (const auto& [bus, on] : snapshot.autoprobe)
        if (machine.devices.autoprobe(bus) != on)
            commands.push_back(std::string("echo ") + (on ? "1" : "0") + " > /sys/bus/" + bus +
                               "/drivers_autoprobe");
    for (const auto& [name, driver] : snapshot.drivers) {
        const auto device = machine.devices.find(name);
        if (!device)
            commands.push_back("echo 1 > /sys/bus/pci/rescan   # " + name + " is gone");
        else if (device->driver != driver)
            commands.push_back(binding_command(name, driver));
    }
    const auto types = types_now(machine.devices);
    for (const auto& [name, type] : snapshot.group_type) {
        const auto now = types.find(name);
        const auto device = machine.devices.find(name);
        if (now != types.end() && now->second != type && device && device->group)
            commands.push_back("echo " + type + " > /sys/kernel/iommu_groups/" +
                               std::to_string(*device->group) + "/type   # " + name + " unbound");
    }
    return commands;
}

} // namespace

Snapshot take_snapshot(const board::Devices& devices, const board::Modules& modules,
                       const Survey& survey) {
    Snapshot out;
    if (!survey.iommu_module.empty() && modules.loaded(survey.iommu_module))
        out.iommu_module = survey.iommu_module;
    out.simulated = modules.loaded(board::kSimulatedModule);
    for (const char* bus : kBuses)
        if (const auto on = devices.autoprobe(bus))
            out.autoprobe[bus] = *on;
    for (const auto& item : survey.devices)
        if (item.behind_iommu && !item.device.driver.empty())
            out.drivers[item.device.full_name()] = item.device.driver;
    for (const auto& item : survey.devices) {
        if (!item.behind_iommu)
            continue;
        out.overrides[item.device.full_name()] = item.device.driver_override;
        if (!item.driver_module.empty() && modules.loaded(item.driver_module))
            out.driver_modules.insert(item.driver_module);
    }
    out.group_type = types_now(devices);
    return out;
}

std::vector<std::string> to_words(const Snapshot& snapshot) {
    std::vector<std::string> words;
    if (!snapshot.iommu_module.empty())
        words.push_back("module " + snapshot.iommu_module + " loaded");
    for (const auto& module : snapshot.driver_modules)
        words.push_back("module " + module + " loaded");
    for (const auto& [device, driver] : snapshot.overrides)
        if (!driver.empty())
            words.push_back("override " + device + " " + driver);
    for (const auto& [bus, on] : snapshot.autoprobe)
        words.push_back("autoprobe " + bus + (on ? " on" : " off"));
    for (const auto& [device, driver] : snapshot.drivers)
        words.push_back("driver " + device + " " + driver);
    for (const auto& [device, type] : snapshot.group_type)
        words.push_back("type " + device + " " + type);
    return words;
}

std::vector<std::string> restore(Machine& machine, Progress& progress, Interrupts& interrupts,
                                 const Snapshot& snapshot) {
    progress.doing("restore");
    play(machine, progress, interrupts, first_steps(machine, snapshot));
    play(machine, progress, interrupts, second_steps(machine, snapshot));
    return still_different(machine, snapshot);
}

} // namespace dmarace::campaign
