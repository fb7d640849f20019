// SPDX-License-Identifier: GPL-2.0-or-later
// What firmware says of devices: a device tree in sysfs, or the tables of ACPI.
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

// Streams of an IOMMU: those of a device, or, where 'device' is "", those of the PCI functions
// whose segment << 16 and what 'mask' leaves of their requester ID is one of 'count' from 'first'
// on.
struct Stream {
    std::string iommu;  // the device, as its driver has it in the kernel's log
    std::string device; // BUS/NAME
    std::uint32_t id = 0;
    std::uint32_t ignored = 0; // bits of the ID that do not count
    std::uint32_t first = 0, count = 1, mask = UINT32_MAX;
    bool operator==(const Stream&) const = default;
};
// By the device tree, by IORT and by VIOT.
std::vector<Stream> streams(const Files& files, const std::vector<Device>& all);
std::vector<Stream> tree_streams(const Files& files, const std::vector<Device>& all);
// The other requesters in whose name the DMA of a PCI function comes, for bridges above it:
// "0000:02:00.0" (pci_for_each_dma_alias()).
std::vector<std::string> dma_aliases(const Files& files, const Device& device);
// A device as its IOMMU driver has it in the log: what a virtio function is to others is virtioN.
std::string name_in_log(const Files& files, const Device& iommu);

// Nodes of a device tree, which change where an overlay comes or goes.
struct TreeNodes {
    std::map<std::uint32_t, std::string> by_handle;
    std::map<std::string, std::string> of_device; // by its path; "" where it has none
};
TreeNodes tree_nodes(const Files& files, const std::vector<Device>& all);

// Who supplies whom, by the phandles of a device tree: the kernel's links of suppliers (up to
// 5.12, say) are gone once the consumers are bound.
class TreeSuppliers {
public:
    // 'known' may be of an earlier time: a phandle that is not in it reads the tree again.
    TreeSuppliers(const Files& files, const std::vector<Device>& all, TreeNodes known);
    // Paths of the devices whose clocks, regulators, resets .. the device at 'path' names.
    std::vector<std::string> of(const std::string& path);

private:
    std::string device_at(std::string node) const;
    const std::string* node_of(std::uint32_t handle);

    const Files& files_;
    TreeNodes known_;
    bool fresh_ = false;
    std::map<std::string, std::string> devices_; // by node
};

} // namespace dmarace::board
