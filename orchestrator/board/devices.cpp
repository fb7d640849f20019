// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <sstream>

namespace dmarace::board {

namespace {

constexpr std::array kBuses{"pci", "platform", "amba", "fsl-mc", "cdx", "host1x-context"};

std::string bus_path(const std::string& bus) {
    return "/sys/bus/" + bus;
}

std::string device_path(const Device& device) {
    return bus_path(device.bus) + "/devices/" + device.name;
}

std::optional<int> to_int(const std::string& text) {
    int number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return number;
}

constexpr std::size_t kCell = 4;
constexpr std::size_t kEntry = 4 * kCell; // first requester, IOMMU, first stream, count

std::uint32_t cell(const std::string& bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kCell; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

// Bus, device and function of "0000:00:02.0" as a requester ID.
std::optional<std::uint32_t> requester(const std::string& name) {
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    if (std::sscanf(name.c_str(), "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
        return std::nullopt;
    return bus << 8 | slot << 3 | function;
}

bool map_covers(std::string map, const std::string& mask, std::uint32_t id) {
    // A file's last newlines are not given: they may be the end of a number.
    while (map.size() % kCell != 0)
        map += '\n';
    if (mask.size() == kCell)
        id &= cell(mask, 0);
    for (std::size_t at = 0; at + kEntry <= map.size(); at += kEntry) {
        const auto first = cell(map, at);
        if (id >= first && id - first < cell(map, at + 3 * kCell))
            return true;
    }
    return false;
}

const std::string kDevice = "/sys/devices/platform/dmarace-sim/";

} // namespace

std::optional<Device> Devices::read(const std::string& bus, const std::string& name) const {
    Device device;
    device.bus = bus;
    device.name = name;
    const auto path = device_path(device);
    if (!files_.exists(path))
        return std::nullopt;
    device.driver = files_.link_name(path + "/driver");
    device.modalias = files_.read(path + "/modalias").value_or("");
    device.driver_override = files_.read(path + "/driver_override").value_or("");
    if (device.driver_override == "(null)")
        device.driver_override.clear();
    device.path = files_.real_path(path);
    device.group = to_int(files_.link_name(path + "/iommu_group"));
    return device;
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
        const auto number = to_int(entry);
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

Result<std::string> Devices::group_type(int group) const {
    return files_.read("/sys/kernel/iommu_groups/" + std::to_string(group) + "/type");
}

Status Devices::set_group_type(int group, const std::string& type) const {
    return files_.write("/sys/kernel/iommu_groups/" + std::to_string(group) + "/type", type);
}

Status Devices::bind(const Device& device, const std::string& driver) const {
    const auto path = bus_path(device.bus) + "/drivers/" + driver;
    if (!files_.exists(path))
        return fail_errno("driver " + driver + " is not registered on bus " + device.bus, ENODEV);
    return files_.write(path + "/bind", device.name);
}

Status Devices::unbind(const Device& device) const {
    const auto driver = files_.link_name(device_path(device) + "/driver");
    if (driver.empty())
        return {};
    return files_.write(bus_path(device.bus) + "/drivers/" + driver + "/unbind", device.name);
}

Status Devices::set_override(const Device& device, const std::string& driver) const {
    return files_.write(device_path(device) + "/driver_override", driver.empty() ? "\n" : driver);
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

Status Devices::rescan_pci() const {
    return files_.write("/sys/bus/pci/rescan", "1");
}

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
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);)
        names.push_back(line.substr(0, line.find('\t')));
    return names;
}

bool firmware_names_iommu(const Files& files, const Device& device) {
    if (device.bus != "pci")
        return files.exists(device.path + "/of_node/iommus");
    const auto id = requester(device.name);
    // The host bridge is the nearest device above that has a map.
    for (auto path = device.path; id && !path.empty(); path.resize(path.rfind('/'))) {
        const auto map = files.read(path + "/of_node/iommu-map");
        if (map)
            return map_covers(*map, files.read(path + "/of_node/iommu-map-mask").value_or(""), *id);
    }
    return false;
}

bool is_simulated(const std::string& device) {
    return device.starts_with("platform/dmarace-sim-client.");
}

Status Simulated::walk() const {
    return files_.write(kDevice + "walk", "1");
}

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

Status Simulated::rescan() const {
    return files_.write(kDevice + "rescan", "1");
}

} // namespace dmarace::board
