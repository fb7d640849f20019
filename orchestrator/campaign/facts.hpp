// SPDX-License-Identifier: GPL-2.0-or-later
// This file asks the module for the DMA facts of devices.
#pragma once

#include "board/control.hpp"
#include "verdict/observed.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

// Audits one device, or with device "" all of them. map=false leaves the test
// mapping out. Other lines that come meanwhile are put into 'others'.
Result<std::vector<Line>> ask_audit(board::Control& control, const std::string& device, bool map,
                                    std::vector<Line>* others = nullptr);

// The PCI devices (by full name) that firmware puts behind an IOMMU or that sit
// in a group.
std::vector<std::string> behind_iommu(const std::vector<Line>& audits);

} // namespace dmarace::campaign
