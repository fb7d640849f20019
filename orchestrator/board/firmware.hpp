// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads from a device tree in sysfs whether a device has an IOMMU.
#pragma once

#include "board/devices.hpp"

namespace dmarace::board {

// Its own 'iommus', or for a PCI function the 'iommu-map' of its host bridge
// (Documentation/devicetree/bindings/pci/pci-iommu.txt). False without a device
// tree: ACPI tables are not read.
bool firmware_names_iommu(const Files& files, const Device& device);

} // namespace dmarace::board
