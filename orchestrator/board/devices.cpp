// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace dmarace::board {

namespace {

constexpr std::array kBuses{"pci", "platform", "amba", "fsl-mc", "cdx", "host1x-context"};

std::string bus_path(const std::string& bus) { return "/sys/bus/" + bus; }

const std::string kDevice = "/sys/devices/platform/dmarace-sim/";

} // namespace

Device device_named(const std::string& full_name) {
    const auto slash = full_name.find('/');
    Device device;
    device.bus = full_name.substr(0, slash);
    device.name = full_name.substr(slash + 1);
    return device;
}

std::optional<Device> Devices::read(const std::string& bus, const std::string& name) const {
    auto device = place(bus, name);
    if (device.path.empty())
        return std::nullopt;
    const auto path = device.entry();
    device.driver = files_.link_name(path + "/driver");
    device.modalias = files_.read(path + "/modalias").value_or("");
    device.driver_override = files_.read(path + "/driver_override").value_or("");
    if (device.driver_override == "(null)")
        device.driver_override.clear();
    return device;
}

Device Devices::place(const std::string& bus, const std::string& name) const {
    Device device;
    device.bus = bus;
    device.name = name;
    const auto path = device.entry();
    device.path = files_.real_path(path);
    device.group = to_number<int>(files_.link_name(path + "/iommu_group"));
    return device;
}

std::vector<Device> Devices::places() const {
    std::vector<Device> devices;
    for (const char* bus : kBuses)
        for (const auto& name : files_.list(bus_path(bus) + "/devices"))
            devices.push_back(place(bus, name));
    return devices;
}

std::vector<Device> Devices::all() const {
    std::vector<Device> devices;
    for (const char* bus : kBuses)
        for (const auto& name : files_.list(bus_path(bus) + "/devices"))
            if (auto device = read(bus, name))
                devices.push_back(*std::move(device));
    return devices;
}

Result<Device> Devices::find(const std::string& name) const {
    const auto slash = name.find('/');
    if (slash != std::string::npos)
        if (auto device = read(name.substr(0, slash), name.substr(slash + 1)))
            return *std::move(device);
    std::vector<Device> matches;
    std::vector<std::string> names;
    for (auto& device : all()) {
        names.push_back(device.full_name());
        if (device.name == name)
            matches.push_back(std::move(device));
    }
    if (matches.size() == 1)
        return matches.front();
    if (matches.size() > 1)
        return fail(Fault::usage, "device " + name + " is on several buses; write BUS/" + name);
    const auto near = nearest(name, names);
    return fail(Fault::usage, "no device " + name +
                                  (near.empty() ? "" : "; the nearest name is " + near) +
                                  " (dmarace list devices shows all)");
}

std::vector<Group> Devices::groups() const {
    std::vector<Group> groups;
    for (const auto& entry : files_.list("/sys/kernel/iommu_groups")) {
        const auto number = to_number<int>(entry);
        if (!number)
            continue;
        Group group{*number, {}};
        const auto members = "/sys/kernel/iommu_groups/" + entry + "/devices";
        for (const auto& name : files_.list(members)) {
            const auto bus = files_.link_name(members + "/" + name + "/subsystem");
            group.devices.push_back(bus + "/" + name);
        }
        groups.push_back(std::move(group));
    }
    std::ranges::sort(groups, {}, &Group::number);
    return groups;
}

std::vector<std::string> Devices::drivers(const std::string& bus) const {
    return files_.list(bus_path(bus) + "/drivers");
}

std::uint64_t Devices::group_identity(int group) const {
    const auto fd = files_.open("/sys/kernel/iommu_groups/" + std::to_string(group), O_PATH);
    struct stat info {};
    return fd && ::fstat(fd.get(), &info) == 0 ? info.st_ino : 0;
}

Result<std::string> Devices::group_type(int group) const {
    return files_.read("/sys/kernel/iommu_groups/" + std::to_string(group) + "/type");
}

Status Devices::set_group_type(int group, const std::string& type,
                               std::optional<std::uint64_t> identity) const {
    const auto path = "/sys/kernel/iommu_groups/" + std::to_string(group) + "/type";
    const auto fd = files_.open(path, O_WRONLY);
    if (!fd)
        return fail_errno("cannot open " + path);
    // Looked at when it is open: what is written to stays the group that it was then.
    if (const auto now = group_identity(group); identity && now != 0 && now != *identity)
        return fail_errno("number " + std::to_string(group) + " is another group's now", ESTALE);
    const auto put = ::write(fd.get(), type.data(), type.size());
    if (put != static_cast<ssize_t>(type.size()))
        return fail_errno("cannot write '" + type + "' to " + path, put < 0 ? errno : EIO);
    return {};
}

Status Devices::bind(const Device& device, const std::string& driver) const {
    const auto path = bus_path(device.bus) + "/drivers/" + driver;
    if (!files_.exists(path))
        return fail_errno("driver " + driver + " is not registered on bus " + device.bus, ENODEV);
    return files_.write(path + "/bind", device.name);
}

Status Devices::unbind(const Device& device) const {
    const auto driver = files_.link_name(device.entry() + "/driver");
    if (driver.empty())
        return {};
    return files_.write(bus_path(device.bus) + "/drivers/" + driver + "/unbind", device.name);
}

Status Devices::set_override(const Device& device, const std::string& driver) const {
    return files_.write(device.entry() + "/driver_override", driver.empty() ? "\n" : driver);
}

Status Devices::probe(const Device& device) const {
    return files_.write(bus_path(device.bus) + "/drivers_probe", device.name);
}

Status Devices::set_autoprobe(const std::string& bus, bool on) const {
    return files_.write(bus_path(bus) + "/drivers_autoprobe", on ? "1" : "0");
}

Result<bool> Devices::autoprobe(const std::string& bus) const {
    const auto text = files_.read(bus_path(bus) + "/drivers_autoprobe");
    if (!text)
        return std::unexpected(text.error());
    return *text == "1";
}

Status Devices::remove_pci(const std::string& name) const {
    return files_.write("/sys/bus/pci/devices/" + name + "/remove", "1");
}

Status Devices::rescan_pci() const { return files_.write("/sys/bus/pci/rescan", "1"); }

Status Devices::reset_pci(const std::string& name) const {
    return files_.write("/sys/bus/pci/devices/" + name + "/reset", "1");
}

Status Devices::set_virtual_functions(const std::string& name, unsigned count) const {
    return files_.write("/sys/bus/pci/devices/" + name + "/sriov_numvfs", std::to_string(count));
}

std::optional<std::vector<std::string>> Devices::deferred() const {
    const auto text = files_.read("/sys/kernel/debug/devices_deferred");
    if (!text)
        return std::nullopt;
    std::vector<std::string> names;
    for (const auto& line : lines_in(*text))
        names.push_back(line.substr(0, line.find('\t')));
    return names;
}

bool is_simulated(const std::string& device) {
    return device.starts_with("platform/dmarace-sim-client.");
}

Status Simulated::walk() const { return files_.write(kDevice + "walk", "1"); }

Result<std::string> Simulated::means() const {
    const auto word = files_.read(kDevice + "walk");
    if (!word)
        return word;
    if (*word == "own-ops")
        return "an instance with the operations of dmarace_sim was registered";
    if (*word == "bus-ops")
        return "an instance with the operations of the IOMMU driver on the buses was registered";
    return "no IOMMU driver is on the buses";
}

bool Simulated::stays() const {
    const auto word = files_.read(kDevice + "walk");
    return word && *word != "own-ops";
}

Status Simulated::remove(const std::string& client) const {
    return files_.write(kDevice + "remove", client);
}

Status Simulated::rescan() const { return files_.write(kDevice + "rescan", "1"); }

} // namespace dmarace::board
