// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/restore.hpp"

#include "base/text.hpp"
#include "board/devices.hpp"
#include "board/files.hpp"
#include "campaign/actors.hpp"
#include "run/files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>

namespace dmarace::campaign {

namespace fs = std::filesystem;

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

std::string in_sysfs(const std::string& name, const std::string& file) {
    const auto slash = name.find('/');
    return "/sys/bus/" + name.substr(0, slash) + "/" + file;
}

std::string device_file(const std::string& name, const std::string& file) {
    return in_sysfs(name, "devices/" + name.substr(name.find('/') + 1) + "/" + file);
}

unsigned functions_now(const board::Devices& devices, const std::string& name) {
    return leading_number<unsigned>(
        devices.files().read(device_file(name, "sriov_numvfs")).value_or(""));
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
    out.functions[name] = functions_now(devices, name);
}

// "KIND SUBJECT REST": the rest may have spaces, as a driver's name may.
struct SnapshotLine {
    std::string kind, subject, rest;
};

SnapshotLine split(const std::string& line) {
    const auto first = line.find(' ');
    const auto second = first == std::string::npos ? first : line.find(' ', first + 1);
    SnapshotLine out{line.substr(0, first), "", ""};
    if (first != std::string::npos)
        out.subject =
            line.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    if (second != std::string::npos)
        out.rest = line.substr(second + 1);
    return out;
}

// A kind of line: how it is read into a snapshot. False when the rest is no word of its.
struct SnapshotKind {
    std::string_view word;
    bool (*take)(Snapshot& out, const std::string& subject, const std::string& rest);
    bool of_bus = false; // its subject is a bus, else a device or a module
};

enum class SnapshotField { module, override_driver, autoprobe, driver, type, functions };

// One for each of SnapshotField, in its order.
constexpr SnapshotKind kKinds[] = {
    {"module",
     [](Snapshot& out, const std::string& name, const std::string& rest) {
         out.modules.push_back({name, rest == "loaded"});
         return rest == "loaded" || rest == "absent";
     }},
    {"override",
     [](Snapshot& out, const std::string& device, const std::string& rest) {
         out.overrides[device] = rest;
         return true;
     }},
    {"autoprobe",
     [](Snapshot& out, const std::string& bus, const std::string& rest) {
         out.autoprobe[bus] = rest == "on";
         return rest == "on" || rest == "off";
     },
     true},
    {"driver",
     [](Snapshot& out, const std::string& device, const std::string& rest) {
         out.drivers[device] = rest;
         return true;
     }},
    {"type",
     [](Snapshot& out, const std::string& device, const std::string& rest) {
         out.group_type[device] = rest;
         return true;
     }},
    {"functions",
     [](Snapshot& out, const std::string& device, const std::string& rest) {
         out.functions[device] = leading_number<unsigned>(rest);
         return true;
     }},
};

std::string line_of(SnapshotField kind, const std::string& subject, const std::string& rest) {
    return std::string(kKinds[static_cast<std::size_t>(kind)].word) + " " + subject + " " + rest;
}

bool take(Snapshot& out, const SnapshotLine& words) {
    const auto* kind = std::ranges::find(kKinds, words.kind, &SnapshotKind::word);
    return kind != std::end(kKinds) && !words.subject.empty() &&
           kind->take(out, words.subject, words.rest);
}

// Types of groups, by their devices: a group that was taken down gets another
// number when it comes back. Waits for the groups' mutexes.
std::map<std::string, std::string> types_now(const board::Devices& devices) {
    std::map<std::string, std::string> out;
    for (const auto& group : devices.groups()) {
        const auto type = devices.group_type(group.number).value_or("");
        for (const auto& device : group.devices)
            out[device] = type;
    }
    return out;
}

} // namespace

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
        words.push_back(line_of(SnapshotField::module, name, loaded ? "loaded" : "absent"));
    for (const auto& [device, driver] : snapshot.overrides)
        words.push_back(line_of(SnapshotField::override_driver, device, driver));
    for (const auto& [bus, on] : snapshot.autoprobe)
        words.push_back(line_of(SnapshotField::autoprobe, bus, on ? "on" : "off"));
    for (const auto& [device, driver] : snapshot.drivers)
        words.push_back(line_of(SnapshotField::driver, device, driver));
    for (const auto& [device, type] : snapshot.group_type)
        words.push_back(line_of(SnapshotField::type, device, type));
    for (const auto& [device, count] : snapshot.functions)
        words.push_back(line_of(SnapshotField::functions, device, std::to_string(count)));
    return words;
}

bool concerns(const std::string& line, const std::set<std::string>& devices) {
    const auto words = split(line);
    const auto* kind = std::ranges::find(kKinds, words.kind, &SnapshotKind::word);
    return (kind != std::end(kKinds) && kind->of_bus) || devices.contains(words.subject) ||
           devices.contains(words.subject.substr(words.subject.find('/') + 1));
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

namespace {

job::Step step(job::Verb verb, std::vector<std::string> args) {
    job::Step out;
    out.verb = verb;
    out.text = std::string(to_text(verb)) + (args.empty() ? "" : " " + joined(args, " "));
    out.args = std::move(args);
    return out;
}

// Performs them in a child. Where it is stuck in the kernel, "" if it came back.
std::string perform_all(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                        std::vector<job::Step> steps) {
    if (steps.empty())
        return "";
    ActorLimits limits;
    limits.heeds_interrupts = false;
    ActorRunner actors(machine, progress, interrupts, limits);
    verdict::Observed observed;
    if (actors.start({job::Actor{"restore", std::move(steps), {}}}, true))
        (void)actors.run(observed, false);
    const auto stuck =
        std::ranges::find(observed.actors, verdict::ActorEnd::How::stuck, &verdict::ActorEnd::how);
    return stuck == observed.actors.end() ? "" : first_line(stuck->stack);
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

// What serves clients is in use as long as they are there. They may be removed where none had a
// driver: then nobody stands on one.
bool is_held_by_clients(const Machine& machine, const Snapshot& snapshot,
                        const std::string& module) {
    const auto serving = iommus_now(machine.devices.files());
    return module != board::kSimulatedModule &&
           std::ranges::count(serving, module, &verdict::FoundIommu::module) > 0 &&
           std::ranges::none_of(snapshot.drivers, [](const auto& entry) {
               return entry.first.starts_with("pci/") && !entry.second.empty();
           });
}

// Modules that came with the run go last: until now their drivers were bound.
std::vector<job::Step> last_steps(const Machine& machine, const Snapshot& snapshot) {
    std::vector<job::Step> steps;
    bool removed = false;
    for (const auto& [name, loaded] : snapshot.modules) {
        if (loaded || !machine.modules.loaded(name))
            continue;
        const bool held = is_held_by_clients(machine, snapshot, name);
        if (held)
            steps.push_back(step(job::Verb::remove, {"behind", name}));
        steps.push_back(step(job::Verb::rmmod, {name}));
        removed = removed || held;
    }
    if (removed) {
        steps.push_back(step(job::Verb::rescan, {"pci"}));
        steps.push_back(step(job::Verb::settle, {}));
    }
    return steps;
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

std::vector<std::string> restore(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                                 const Snapshot& snapshot) {
    progress.doing("restore");
    // Who is stuck has locks that the next look would wait for.
    for (const auto& steps : {first_steps, second_steps, last_steps})
        if (const auto where = perform_all(machine, progress, interrupts, steps(machine, snapshot));
            !where.empty())
            return {"reboot   # the restore is stuck in '" + where + "'"};
    return differences(machine.devices, machine.modules, snapshot);
}

namespace {

fs::path whole(const fs::path& run) {
    std::error_code ec;
    const auto real = fs::weakly_canonical(fs::absolute(run, ec), ec);
    return ec ? run : real;
}

std::int64_t made_at(const fs::path& link) {
    struct stat info {};
    return ::lstat(link.c_str(), &info) == 0
               ? info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec
               : 0;
}

} // namespace

fs::path Pending::link_of(const fs::path& run) const {
    const auto path = whole(run);
    return place_ / (path.filename().string() + "-" +
                     std::to_string(std::hash<std::string>{}(path.string())));
}

Status Pending::add(const fs::path& run) const {
    std::error_code ec;
    fs::create_directories(place_, ec);
    fs::permissions(place_, fs::perms::owner_all, ec);
    fs::remove(link_of(run), ec);
    fs::create_symlink(whole(run), link_of(run), ec);
    if (ec)
        return fail_errno("cannot note the run in " + place_.string(), ec.value());
    return {};
}

void Pending::remove(const fs::path& run) const {
    std::error_code ec;
    fs::remove(link_of(run), ec);
}

std::vector<fs::path> Pending::all() const {
    std::error_code ec;
    std::vector<std::pair<std::int64_t, fs::path>> found;
    for (const auto& entry : fs::directory_iterator(place_, ec))
        if (const auto run = fs::read_symlink(entry.path(), ec); !ec)
            found.emplace_back(made_at(entry.path()), run);
    std::ranges::sort(found);
    std::vector<fs::path> out;
    for (auto& [at, run] : found)
        out.push_back(std::move(run));
    return out;
}

std::string boot_id() {
    const auto id = board::Files().read("/proc/sys/kernel/random/boot_id").value_or("");
    const char* life = std::getenv(run::kLife);
    return id.empty() || life == nullptr ? id : id + "/" + life;
}

bool is_this_boot(const std::string& boot) { return !boot.empty() && boot == boot_id(); }

} // namespace dmarace::campaign
