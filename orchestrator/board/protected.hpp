// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds what the machine stands on: the devices a run must not
// touch unless the user names them.
#pragma once

#include "board/devices.hpp"

#include <string>
#include <vector>

namespace dmarace::board {

struct Protected {
    std::string path;   // under /sys/devices
    std::string reason; // "mounted on /", "default route (eth0)", "console ttyAMA0"
};

// Mounted and swap storage through dm, md and loop, the NIC of the default
// route, the active console and the watchdog.
std::vector<Protected> protected_paths(const Files& files);

// Why a device must not be touched, or "". The path itself, what is above it
// and its siblings in an IOMMU group count too.
std::string why_protected(const Device& device, const std::vector<Device>& all,
                          const std::vector<Protected>& protecteds);

} // namespace dmarace::board
