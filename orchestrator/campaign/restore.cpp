// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/restore.hpp"

#include "board/devices.hpp"
#include "campaign/stage.hpp"

#include <algorithm>
#include <cstdlib>

namespace dmarace::campaign {

namespace {

job::Step step(job::Verb verb, std::vector<std::string> args) {
    job::Step out;
    out.verb = verb;
    out.text = to_text(verb);
    for (const auto& arg : args)
        out.text += " " + arg;
    out.args = std::move(args);
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

// What every other step stands on: modules, autoprobe, and devices that are there.
std::vector<job::Step> first_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    for (const auto& [name, loaded] : snapshot.modules) {
        if (!loaded && name == board::kSimulatedModule && machine.modules.loaded(name))
            steps.push_back(step(job::Verb::rmmod, {name}));
        if (loaded && !machine.modules.loaded(name))
            steps.push_back(step(job::Verb::insmod, {name}));
    }
    for (const auto& [bus, on] : snapshot.autoprobe)
        if (machine.devices.autoprobe(bus) != on)
            steps.push_back(step(job::Verb::autoprobe, {on ? "on" : "off", bus}));
    const bool gone = std::ranges::any_of(snapshot.drivers, [&](const auto& entry) {
        return entry.first.starts_with("pci/") && !machine.devices.find(entry.first);
    });
    if (gone)
        steps.push_back(step(job::Verb::rescan, {"pci"}));
    if (!steps.empty())
        steps.push_back(step(job::Verb::settle, {}));
    return steps;
}

unsigned functions_now(const board::Devices& devices, const std::string& name) {
    const auto slash = name.find('/');
    const auto text = devices.files().read("/sys/bus/" + name.substr(0, slash) + "/devices/" +
                                           name.substr(slash + 1) + "/sriov_numvfs");
    return text ? static_cast<unsigned>(std::strtoul(text->c_str(), nullptr, 10)) : 0;
}

std::vector<job::Step> override_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    for (const auto& [name, before] : snapshot.overrides)
        if (const auto now = machine.devices.find(name); now && now->driver_override != before)
            steps.push_back(
                step(job::Verb::override_driver, {name, before.empty() ? "none" : before}));
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
        if (const auto found = machine.devices.find(device); found && !found->driver.empty())
            steps.push_back(step(job::Verb::unbind, {device}));
    }
    for (const auto& [device, type] : snapshot.group_type) {
        const auto now = types.find(device);
        if (now != types.end() && now->second != type)
            steps.push_back(step(job::Verb::type, {device, type}));
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
            steps.push_back(step(job::Verb::unbind, {name}));
        if (!driver.empty())
            steps.push_back(step(job::Verb::bind, {name, driver}));
    }
    for (const auto& [name, count] : snapshot.functions)
        if (functions_now(machine.devices, name) != count)
            steps.push_back(step(job::Verb::sriov, {name, std::to_string(count)}));
    return steps;
}

// Modules that came with the run go last: until now their drivers were bound.
std::vector<job::Step> last_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    for (const auto& [name, loaded] : snapshot.modules)
        if (!loaded && machine.modules.loaded(name))
            steps.push_back(step(job::Verb::rmmod, {name}));
    return steps;
}

std::string in_sysfs(const std::string& name, const std::string& file) {
    const auto slash = name.find('/');
    return "/sys/bus/" + name.substr(0, slash) + "/" + file;
}

std::string device_file(const std::string& name, const std::string& file) {
    return in_sysfs(name, "devices/" + name.substr(name.find('/') + 1) + "/" + file);
}

std::string binding_command(const std::string& name, const std::string& driver) {
    const auto bare = name.substr(name.find('/') + 1);
    if (driver.empty())
        return "echo " + bare + " > " + device_file(name, "driver/unbind");
    return "echo " + bare + " > " + in_sysfs(name, "drivers/" + driver + "/bind");
}

std::string module_command(const board::Devices& devices, const std::string& name, bool loaded) {
    if (loaded)
        return "modprobe " + name;
    if (name == board::kSimulatedModule && board::Simulated(devices.files()).stays())
        return "reboot   # the buses of this kernel keep pointing at " + name;
    return "modprobe -r " + name;
}

void different_knobs(const board::Devices& devices, const board::Modules& modules,
                     const Snapshot& snapshot, std::vector<std::string>& commands) {
    for (const auto& [name, loaded] : snapshot.modules)
        if (modules.loaded(name) != loaded)
            commands.push_back(module_command(devices, name, loaded));
    for (const auto& [name, before] : snapshot.overrides)
        if (const auto now = devices.find(name); now && now->driver_override != before)
            commands.push_back("echo '" + before + "' > " + device_file(name, "driver_override"));
    for (const auto& [bus, on] : snapshot.autoprobe)
        if (devices.autoprobe(bus) != on)
            commands.push_back(std::string("echo ") + (on ? "1" : "0") + " > /sys/bus/" + bus +
                               "/drivers_autoprobe");
    for (const auto& [name, count] : snapshot.functions)
        if (devices.find(name) && functions_now(devices, name) != count)
            commands.push_back("echo " + std::to_string(count) + " > " +
                               device_file(name, "sriov_numvfs"));
}

} // namespace

std::vector<std::string> differences(const board::Devices& devices, const board::Modules& modules,
                                     const Snapshot& snapshot) {
    std::vector<std::string> commands;
    different_knobs(devices, modules, snapshot, commands);
    for (const auto& [name, driver] : snapshot.drivers) {
        const auto device = devices.find(name);
        if (!device && name.starts_with("pci/"))
            commands.push_back("echo 1 > /sys/bus/pci/rescan   # " + name + " is gone");
        else if (device && device->driver != driver)
            commands.push_back(binding_command(name, driver));
    }
    const auto types = types_now(devices);
    for (const auto& [name, type] : snapshot.group_type) {
        const auto now = types.find(name);
        const auto device = devices.find(name);
        if (now != types.end() && now->second != type && device && device->group)
            commands.push_back("echo " + type + " > /sys/kernel/iommu_groups/" +
                               std::to_string(*device->group) + "/type   # " + name + " unbound");
    }
    return commands;
}

std::vector<std::string> restore(Machine& machine, Progress& progress, Interrupts& interrupts,
                                 const Snapshot& snapshot) {
    progress.doing("restore");
    play(machine, progress, interrupts, first_steps(machine, snapshot));
    play(machine, progress, interrupts, second_steps(machine, snapshot));
    play(machine, progress, interrupts, last_steps(machine, snapshot));
    return differences(machine.devices, machine.modules, snapshot);
}

} // namespace dmarace::campaign
