// SPDX-License-Identifier: GPL-2.0-or-later
// This file says which devices a run must not touch unless the user names them:
// what the machine stands on, and whatever that hangs on in turn.
#pragma once

#include "board/devices.hpp"
#include "board/stands_on.hpp"

#include <string>
#include <vector>

namespace dmarace::board {

// stands_on(), and the suppliers (device links) of all of it and of what is
// above it: who takes a supplier's driver away unbinds its consumers.
std::vector<Protected> protected_paths(const Files& files);

// Why each device must not be touched, or "", in their order. The path itself,
// what is above it and its siblings in an IOMMU group count too.
std::vector<std::string> why_protected(const std::vector<Device>& all,
                                       const std::vector<Protected>& protecteds);

} // namespace dmarace::board
