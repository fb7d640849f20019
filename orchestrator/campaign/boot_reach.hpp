// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells what of a machine's boot rules can reach.
#pragma once

#include "campaign/survey.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

// A device behind an IOMMU, and what of its arrival comes after the initramfs has
// loaded dmarace: a module of the IOMMU's, its own driver's, or nothing.
struct BootReach {
    std::string device;
    std::vector<std::string> modules; // empty: both are built in

    std::string text() const;
};
std::vector<BootReach> boot_reach(const Survey& survey);
// What a board would need whose drivers are all built in.
std::string boot_remedy();

} // namespace dmarace::campaign
