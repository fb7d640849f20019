// SPDX-License-Identifier: GPL-2.0-or-later
// What a device tree in sysfs says of devices.
#pragma once

#include "board/devices.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::board {

// Whether a device tree in sysfs puts the device behind an IOMMU: its own 'iommus', or for a PCI
// function the 'iommu-map' of its host bridge
// (Documentation/devicetree/bindings/pci/pci-iommu.txt). False without a device
// tree: ACPI tables are not read.
bool firmware_names_iommu(const Files& files, const Device& device);
// The phandle of that IOMMU, of the first where a platform device has several; and that of a
// device's own node.
std::optional<std::uint32_t> iommu_handle(const Files& files, const Device& device);
std::optional<std::uint32_t> tree_handle(const Files& files, const Device& device);

// Who supplies whom, by the phandles of a device tree: the kernel's links of suppliers (up to
// 5.12, say) are gone once the consumers are bound.
class TreeSuppliers {
public:
    TreeSuppliers(const Files& files, const std::vector<Device>& all);
    // Paths of the devices whose clocks, regulators, resets .. the device at 'path' names.
    std::vector<std::string> of(const std::string& path) const;

private:
    std::string device_at(std::string node) const;

    const Files& files_;
    std::map<std::uint32_t, std::string> nodes_; // by phandle
    std::map<std::string, std::string> devices_; // by node
};

} // namespace dmarace::board
