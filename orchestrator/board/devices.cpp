// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>

namespace dmarace::board {

namespace {

constexpr std::array kBuses{"pci", "platform", "amba", "fsl-mc", "cdx", "host1x-context"};

std::string bus_path(const std::string& bus) { return "/sys/bus/" + bus; }

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
    const auto path = device.entry();
    if (!files_.exists(path))
        return std::nullopt;
    device.driver = files_.link_name(path + "/driver");
    device.modalias = files_.read(path + "/modalias").value_or("");
    device.driver_override = files_.read(path + "/driver_override").value_or("");
    if (device.driver_override == "(null)")
        device.driver_override.clear();
    device.path = files_.real_path(path);
    device.group = to_number<int>(files_.link_name(path + "/iommu_group"));
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

namespace {

struct Protected {
    std::string path;   // under /sys/devices
    std::string reason; // "mounted on /", "default route (eth0)", "console ttyAMA0"
};

class Search {
public:
    explicit Search(const Files& files) : files_(files) {}

    std::vector<Protected> all() && {
        mounts();
        swaps();
        routes();
        consoles();
        in_class("/sys/class/watchdog", "watchdog");
        iommus();
        return std::move(out_);
    }

private:
    std::vector<std::string> lines_of(const char* file) const {
        return lines_in(files_.read(file).value_or(""));
    }

    bool add(const std::string& path, const std::string& reason) {
        if (path.empty() || !seen_.insert(path + "\n" + reason).second)
            return false;
        out_.push_back({path, reason});
        return true;
    }

    // A block device and those that it lies on.
    void block(const std::string& path, const std::string& reason) {
        if (!add(path, reason))
            return;
        for (const auto& slave : files_.list(path + "/slaves"))
            block(files_.real_path(path + "/slaves/" + slave), reason);
        if (const auto backing = files_.read(path + "/loop/backing_file"))
            add(path, reason + " (loop over " + *backing + ")");
        // The disk of a multipath namespace hangs under no controller.
        const auto subsystem = path.find("/nvme-subsystem/");
        if (subsystem == std::string::npos)
            return;
        const auto above = path.substr(0, path.find('/', subsystem + 16));
        for (const auto& entry : files_.list(above))
            if (const auto controller = files_.real_path(above + "/" + entry);
                controller.find("/nvme/") != std::string::npos)
                add(controller, reason);
    }

    // "/dev/mapper/root" or "/dev/sda1", as a mount or a swap names it.
    void named_block(const std::string& source, const std::string& reason) {
        const auto node = files_.real_path(source);
        const auto name = (node.empty() ? source : node);
        if (name.starts_with("/dev/"))
            block(files_.real_path("/sys/class/block/" + name.substr(name.rfind('/') + 1)), reason);
    }

    // ID PARENT MAJOR:MINOR ROOT WHERE OPTIONS [TAGS] - TYPE SOURCE ..
    void mounts() {
        for (const auto& line : lines_of("/proc/self/mountinfo")) {
            const auto dash = line.find(" - ");
            auto words = words_in(line.substr(0, dash));
            auto more = words_in(dash == std::string::npos ? "" : line.substr(dash + 3));
            words.resize(std::max<std::size_t>(words.size(), 5));
            more.resize(std::max<std::size_t>(more.size(), 2));
            const auto reason = "mounted on " + words[4];
            if (!words[2].starts_with("0:"))
                block(files_.real_path("/sys/dev/block/" + words[2]), reason);
            else if (more[1].starts_with("/dev/"))
                named_block(more[1], reason);
            if (more[0] == "btrfs")
                btrfs(reason);
        }
    }

    // Which of them a mount lies on cannot be told: all count.
    void btrfs(const std::string& reason) {
        for (const auto& system : files_.list("/sys/fs/btrfs")) {
            const auto devices = "/sys/fs/btrfs/" + system + "/devices";
            for (const auto& device : files_.list(devices))
                block(files_.real_path(devices + "/" + device), reason);
        }
    }

    void swaps() {
        for (const auto& line : lines_of("/proc/swaps"))
            if (line.starts_with("/dev/"))
                named_block(line.substr(0, line.find_first_of(" \t")), "swap");
    }

    void interface(const std::string& name, const std::string& reason) {
        const auto path = files_.real_path("/sys/class/net/" + name);
        if (!add(path, reason))
            return;
        for (const auto& entry : files_.list(path))
            if (entry.starts_with("lower_"))
                interface(entry.substr(6), reason);
    }

    void routes() {
        for (const auto& line : lines_of("/proc/net/route"))
            if (const auto words = words_in(line); words.size() > 1 && words[1] == "00000000")
                interface(words[0], "default route (" + words[0] + ")");
        // DESTINATION LENGTH SOURCE LENGTH HOP METRIC REFS USE FLAGS INTERFACE
        for (const auto& line : lines_of("/proc/net/ipv6_route")) {
            const auto words = words_in(line);
            if (words.size() > 9 && words[1] == "00" && words[9] != "lo" &&
                words[0].find_first_not_of('0') == std::string::npos)
                interface(words[9], "default route (" + words[9] + ")");
        }
    }

    void consoles() {
        for (const auto& tty : words_in(files_.read("/sys/class/tty/console/active").value_or("")))
            add(files_.real_path("/sys/class/tty/" + tty), "console " + tty);
    }

    void in_class(const std::string& directory, const std::string& what) {
        for (const auto& name : files_.list(directory))
            add(files_.real_path(directory + "/" + name), what + " " + name);
    }

    // The instance may hang under no device: then its driver's device does.
    void iommus() {
        for (const auto& name : files_.list("/sys/class/iommu")) {
            add(files_.real_path("/sys/class/iommu/" + name), "IOMMU " + name);
            add(files_.real_path("/sys/class/iommu/" + name + "/device"), "IOMMU " + name);
        }
    }

    const Files& files_;
    std::set<std::string> seen_;
    std::vector<Protected> out_;
};

bool inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

// The IOMMU is the supplier of all its clients: that much is said shorter.
bool is_iommu(const std::vector<Protected>& known, const std::string& path) {
    return std::ranges::any_of(known, [&](const auto& item) {
        return item.reason.starts_with("IOMMU ") && inside(item.path, path);
    });
}

void add_suppliers(const Files& files, const Protected& item, std::vector<Protected>& out) {
    for (auto path = item.path; path.size() > 1 && path != "/sys/devices";
         path = path.substr(0, path.rfind('/'))) {
        for (const auto& entry : files.list(path)) {
            if (!entry.starts_with("supplier:"))
                continue;
            const auto supplier = files.real_path(path + "/" + entry + "/supplier");
            const bool known =
                std::ranges::any_of(out, [&](const auto& other) { return other.path == supplier; });
            if (!supplier.empty() && !known && !is_iommu(out, supplier))
                out.push_back({supplier, "supplier of " + path.substr(path.rfind('/') + 1) + ": " +
                                             item.reason});
        }
    }
}

std::vector<Protected> protected_paths(const Files& files) {
    auto out = Search(files).all();
    // Suppliers of suppliers follow, since the list grows under the loop.
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto item = out[i];
        add_suppliers(files, item, out);
    }
    return out;
}

// Of its own path and what is above it, "" if there is none.
std::string own_reason(const Device& device, const std::vector<Protected>& protecteds) {
    for (const auto& item : protecteds)
        if (!device.path.empty() && inside(item.path, device.path))
            return item.reason;
    return "";
}

} // namespace

std::vector<std::string> why_protected(const Files& files, const std::vector<Device>& all) {
    const auto protecteds = protected_paths(files);
    std::vector<std::string> reasons;
    std::map<int, std::size_t> guarded; // the first of each group
    for (const auto& device : all) {
        reasons.push_back(own_reason(device, protecteds));
        if (device.group && !reasons.back().empty())
            guarded.emplace(*device.group, reasons.size() - 1);
    }
    const auto own = reasons;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!own[i].empty() || !all[i].group)
            continue;
        if (const auto other = guarded.find(*all[i].group); other != guarded.end())
            reasons[i] =
                "in one group with " + all[other->second].full_name() + ": " + own[other->second];
    }
    return reasons;
}

} // namespace dmarace::board
