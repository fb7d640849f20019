// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/firmware.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>

namespace dmarace::board {

namespace {

constexpr std::size_t kCell = 4;
constexpr std::size_t kEntry = 4 * kCell; // first requester, IOMMU, first stream, count

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

bool map_covers(const std::string& map, const std::string& mask, std::uint32_t id) {
    if (mask.size() == kCell)
        id &= cell(mask, 0);
    for (std::size_t at = 0; at + kEntry <= map.size(); at += kEntry) {
        const auto first = cell(map, at);
        if (id >= first && id - first < cell(map, at + 3 * kCell))
            return true;
    }
    return false;
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

} // namespace

bool firmware_names_iommu(const Files& files, const Device& device) {
    if (device.bus != "pci")
        return files.exists(device.path + "/of_node/iommus");
    const auto id = requester(device.name);
    // The host bridge is the nearest device above that has a map.
    for (auto path = device.path; id && !path.empty(); path.resize(path.rfind('/'))) {
        const auto node = path + "/of_node";
        if (files.exists(node + "/iommu-map"))
            return map_covers(cells(files, node + "/iommu-map"),
                              files.read(node + "/iommu-map-mask").value_or(""), *id);
    }
    return false;
}

TreeSuppliers::TreeSuppliers(const Files& files, const std::vector<Device>& all) : files_(files) {
    for (const auto& device : all)
        if (auto node = files.real_path(device.path + "/of_node"); !node.empty())
            devices_.emplace(std::move(node), device.path);
    if (!devices_.empty())
        find_handles(files.real_path("/sys/firmware/devicetree/base"));
}

void TreeSuppliers::find_handles(const std::string& node) {
    if (const auto handle = cells(files_, node + "/phandle"); handle.size() == kCell)
        nodes_.emplace(cell(handle, 0), node);
    for (const auto& child : files_.directories(node))
        find_handles(node + "/" + child);
}

// A regulator is a node below its chip, a chip is below its bus.
std::string TreeSuppliers::device_at(std::string node) const {
    for (; node.size() > 1; node.resize(node.rfind('/')))
        if (const auto device = devices_.find(node); device != devices_.end())
            return device->second;
    return "";
}

std::vector<std::string> TreeSuppliers::of(const std::string& path) const {
    std::vector<std::string> out;
    const auto node = nodes_.empty() ? "" : files_.real_path(path + "/of_node");
    for (const auto& name : node.empty() ? std::vector<std::string>{} : files_.list(node)) {
        const auto* kind =
            std::ranges::find_if(kSuppliers, [&](const auto& row) { return fits(name, row.name); });
        if (kind == std::end(kSuppliers))
            continue;
        const auto value = cells(files_, node + "/" + name);
        for (std::size_t at = 0; at + kCell <= value.size(); at += kCell) {
            const auto supplier = nodes_.find(cell(value, at));
            if (supplier == nodes_.end())
                continue;
            const auto count =
                kind->cells.empty()
                    ? ""
                    : cells(files_, supplier->second + "/" + std::string(kind->cells));
            if (count.size() == kCell)
                at += kCell * cell(count, 0);
            if (auto device = device_at(supplier->second); !device.empty() && device != path)
                out.push_back(std::move(device));
        }
    }
    return out;
}

} // namespace dmarace::board
