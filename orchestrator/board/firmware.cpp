// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/firmware.hpp"

#include <cstdint>
#include <cstdio>

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

} // namespace

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

} // namespace dmarace::board
