// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/firmware.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <string_view>
#include <utility>

namespace dmarace::board {

namespace {

constexpr std::size_t kCell = 4;

std::uint32_t cell(const std::string& bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kCell; ++i)
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

// Cells of a property. A file's last newlines are not given: they may be the end of a number.
std::string cells(const Files& files, const std::string& path) {
    auto bytes = files.read(path).value_or("");
    while (bytes.size() % kCell != 0)
        bytes += '\n';
    return bytes;
}

// Bus, device and function of "0000:00:02.0" as a requester ID.
std::optional<std::uint32_t> requester(const std::string& name) {
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    if (std::sscanf(name.c_str(), "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
        return std::nullopt;
    return bus << 8 | slot << 3 | function;
}

std::uint32_t number_of(const Files& files, const std::string& path, std::uint32_t fallback) {
    const auto value = cells(files, path);
    return value.size() == kCell ? cell(value, 0) : fallback;
}

using TreeHandles = std::map<std::uint32_t, std::string>;

void find_handles(const Files& files, const std::string& node, TreeHandles& nodes) {
    if (const auto handle = cells(files, node + "/phandle"); handle.size() == kCell)
        nodes.emplace(cell(handle, 0), node);
    for (const auto& child : files.directories(node))
        find_handles(files, node + "/" + child, nodes);
}

TreeHandles tree_handles(const Files& files) {
    TreeHandles nodes;
    find_handles(files, files.real_path("/sys/firmware/devicetree/base"), nodes);
    return nodes;
}

// One cell for each stream, whatever #iommu-cells is: what of_check_bad_map() of 7.1 lets pass.
bool is_short_map(const std::string& map) {
    bool all = map.size() % (4 * kCell) == 0;
    for (std::size_t at = 0; all && at < map.size(); at += 4 * kCell)
        all = cell(map, at + kCell) == cell(map, kCell) && cell(map, at + 3 * kCell) == 1;
    return all;
}

// An entry of iommu-map: first requester, IOMMU, its #iommu-cells cells of the first stream,
// count. Nearly always one number of cells fits the map; else the IOMMU's node is asked.
std::size_t entry_size(const Files& files, const std::string& map) {
    constexpr std::size_t kFew = 3, kMany = 6; // of cells in an entry
    std::vector<std::size_t> fitting;
    for (auto count = kFew + 1; count <= kMany; ++count)
        if (map.size() % (count * kCell) == 0)
            fitting.push_back(count * kCell);
    if (fitting.size() == 1)
        return fitting.front();
    const auto handles = map.size() < 2 * kCell ? TreeHandles{} : tree_handles(files);
    const auto iommu = handles.empty() ? handles.end() : handles.find(cell(map, kCell));
    if (iommu == handles.end() || is_short_map(map))
        return (kFew + 1) * kCell;
    return (kFew + number_of(files, iommu->second + "/#iommu-cells", 1)) * kCell;
}

// The IOMMU whose entry has the requester.
std::optional<std::uint32_t> look_up(const Files& files, const std::string& bridge,
                                     std::uint32_t id) {
    const auto map = cells(files, bridge + "/iommu-map");
    id &= number_of(files, bridge + "/iommu-map-mask", ~0U);
    const auto size = entry_size(files, map);
    for (std::size_t at = 0; at + size <= map.size(); at += size) {
        const auto first = cell(map, at);
        if (id >= first && id - first < cell(map, at + size - kCell))
            return cell(map, at + kCell);
    }
    return std::nullopt;
}

// Properties that name suppliers, as drivers/of/property.c has them, and what says how many cells
// follow each phandle. '*' stands for anything.
struct SupplierProperty {
    std::string_view name;
    std::string_view cells;
};
constexpr SupplierProperty kSuppliers[] = {
    {"clocks", "#clock-cells"},
    {"interconnects", "#interconnect-cells"},
    {"mboxes", "#mbox-cells"},
    {"io-channels", "#io-channel-cells"},
    {"dmas", "#dma-cells"},
    {"power-domains", "#power-domain-cells"},
    {"hwlocks", "#hwlock-cells"},
    {"extcon", ""},
    {"nvmem-cells", "#nvmem-cell-cells"},
    {"phys", "#phy-cells"},
    {"wakeup-parent", ""},
    {"pinctrl-*", ""},
    {"pwms", "#pwm-cells"},
    {"resets", "#reset-cells"},
    {"leds", ""},
    {"backlight", ""},
    {"panel", ""},
    {"mmc-pwrseq", ""},
    {"interrupt-parent", ""},
    {"*-supply", ""},
    {"*-gpio", "#gpio-cells"},
    {"*-gpios", "#gpio-cells"},
};

bool fits(std::string_view name, std::string_view pattern) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos)
        return name == pattern;
    return name.size() >= pattern.size() && name.starts_with(pattern.substr(0, star)) &&
           name.ends_with(pattern.substr(star + 1));
}

// The nearest device above, or the device itself, with a map: its host bridge.
std::string bridge_of(const Files& files, const Device& device) {
    for (auto path = device.path; !path.empty(); path.resize(path.rfind('/')))
        if (files.exists(path + "/of_node/iommu-map"))
            return path + "/of_node";
    return "";
}

class TreeStreams {
public:
    TreeStreams(const Files& files, const std::vector<Device>& all)
        : files_(files), nodes_(tree_handles(files)) {
        for (const auto& device : all)
            if (const auto handle = tree_handle(files, device))
                names_.try_emplace(*handle, name_in_log(files, device));
    }

    void add_own(const Device& device) {
        const auto list = cells(files_, device.path + "/of_node/iommus");
        for (std::size_t at = 0; at + kCell <= list.size();) {
            const auto iommu = cell(list, at);
            const auto node = nodes_.find(iommu);
            if (node == nodes_.end())
                return;
            constexpr std::uint32_t kMostCells = 16; // MAX_PHANDLE_ARGS
            const auto count = number_of(files_, node->second + "/#iommu-cells", 1);
            if (count > kMostCells)
                return;
            const auto word = [&](std::size_t index) {
                const auto place = at + index * kCell;
                return index <= count && place + kCell <= list.size() ? cell(list, place) : 0;
            };
            if (const auto name = names_.find(iommu); name != names_.end())
                out.push_back(
                    {.iommu = name->second,
                     .device = device.full_name(),
                     .id = word(1),
                     .ignored = count == 0 ? UINT32_MAX : word(2) | mask_of(node->second)});
            at += (1 + count) * kCell;
        }
    }

    void add_map(const std::string& bridge, std::uint32_t segment) {
        const auto map = cells(files_, bridge + "/iommu-map");
        const auto mask = number_of(files_, bridge + "/iommu-map-mask", kRequester) & kRequester;
        const auto size = entry_size(files_, map);
        for (std::size_t at = 0; at + size <= map.size(); at += size)
            if (const auto name = names_.find(cell(map, at + kCell)); name != names_.end())
                out.push_back({.iommu = name->second,
                               .device = "",
                               .id = cell(map, at + 2 * kCell),
                               .ignored = size > 4 * kCell ? cell(map, at + 3 * kCell) : 0,
                               .first = segment << 16 | cell(map, at),
                               .count = cell(map, at + size - kCell),
                               .mask = ~kRequester | mask});
    }

    std::vector<Stream> out;

private:
    static constexpr std::uint32_t kRequester = 0xffff;

    // Of an SMMUv2 that matches all streams so.
    std::uint32_t mask_of(const std::string& iommu) const {
        return number_of(files_, iommu + "/stream-match-mask", 0);
    }

    const Files& files_;
    TreeHandles nodes_;
    std::map<std::uint32_t, std::string> names_; // by phandle
};

} // namespace

std::optional<std::uint32_t> tree_handle(const Files& files, const Device& device) {
    const auto handle = cells(files, device.path + "/of_node/phandle");
    return handle.size() == kCell ? std::optional(cell(handle, 0)) : std::nullopt;
}

std::optional<std::uint32_t> iommu_handle(const Files& files, const Device& device) {
    if (device.bus != "pci") {
        const auto iommus = cells(files, device.path + "/of_node/iommus");
        return iommus.size() >= kCell ? std::optional(cell(iommus, 0)) : std::nullopt;
    }
    const auto id = requester(device.name);
    const auto bridge = bridge_of(files, device);
    return id && !bridge.empty() ? look_up(files, bridge, *id) : std::nullopt;
}

std::vector<Stream> tree_streams(const Files& files, const std::vector<Device>& all) {
    if (!files.exists("/sys/firmware/devicetree/base"))
        return {};
    TreeStreams found(files, all);
    std::set<std::pair<std::string, std::uint32_t>> bridges;
    for (const auto& device : all) {
        if (device.bus != "pci")
            found.add_own(device);
        else if (auto bridge = bridge_of(files, device); !bridge.empty())
            bridges.emplace(std::move(bridge), leading_number<std::uint32_t>(device.name, 16));
    }
    for (const auto& [bridge, segment] : bridges)
        found.add_map(bridge, segment);
    return std::move(found.out);
}

bool firmware_names_iommu(const Files& files, const Device& device) {
    return device.bus == "pci" ? iommu_handle(files, device).has_value()
                               : files.exists(device.path + "/of_node/iommus");
}

TreeNodes tree_nodes(const Files& files, const std::vector<Device>& all) {
    TreeNodes out;
    for (const auto& device : all)
        out.of_device.emplace(device.path, files.real_path(device.path + "/of_node"));
    if (files.exists("/sys/firmware/devicetree/base"))
        out.by_handle = tree_handles(files);
    return out;
}

TreeSuppliers::TreeSuppliers(const Files& files, const std::vector<Device>& all, TreeNodes known)
    : files_(files), known_(std::move(known)) {
    for (const auto& device : all) {
        const auto at = known_.of_device.find(device.path);
        auto node =
            at != known_.of_device.end() ? at->second : files.real_path(device.path + "/of_node");
        if (!node.empty())
            devices_.emplace(std::move(node), device.path);
    }
}

const std::string* TreeSuppliers::node_of(std::uint32_t handle) {
    auto node = known_.by_handle.find(handle);
    if (node == known_.by_handle.end() && !std::exchange(fresh_, true)) {
        known_.by_handle = tree_handles(files_);
        node = known_.by_handle.find(handle);
    }
    return node == known_.by_handle.end() ? nullptr : &node->second;
}

// A regulator is a node below its chip, a chip is below its bus.
std::string TreeSuppliers::device_at(std::string node) const {
    for (; node.size() > 1; node.resize(node.rfind('/')))
        if (const auto device = devices_.find(node); device != devices_.end())
            return device->second;
    return "";
}

std::vector<std::string> TreeSuppliers::of(const std::string& path) {
    std::vector<std::string> out;
    const auto node = devices_.empty() ? "" : files_.real_path(path + "/of_node");
    for (const auto& name : node.empty() ? std::vector<std::string>{} : files_.list(node)) {
        const auto* kind =
            std::ranges::find_if(kSuppliers, [&](const auto& row) { return fits(name, row.name); });
        if (kind == std::end(kSuppliers))
            continue;
        const auto value = cells(files_, node + "/" + name);
        for (std::size_t at = 0; at + kCell <= value.size(); at += kCell) {
            const auto* supplier = node_of(cell(value, at));
            if (supplier == nullptr)
                continue;
            const auto count = kind->cells.empty()
                                   ? ""
                                   : cells(files_, *supplier + "/" + std::string(kind->cells));
            if (count.size() == kCell)
                at += kCell * cell(count, 0);
            if (auto device = device_at(*supplier); !device.empty() && device != path)
                out.push_back(std::move(device));
        }
    }
    return out;
}

} // namespace dmarace::board
