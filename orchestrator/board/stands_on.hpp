// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds what the machine stands on itself: mounted and swap storage,
// the default route, the console, the watchdog, the IOMMUs.
#pragma once

#include "board/files.hpp"

#include <string>
#include <vector>

namespace dmarace::board {

struct Protected {
    std::string path;   // under /sys/devices
    std::string reason; // "mounted on /", "default route (eth0)", "console ttyAMA0"
    bool operator==(const Protected&) const = default;
};

// Storage is followed through partitions, dm, md, loop and NVMe multipath, file
// systems of several devices through /sys/fs/btrfs, and interfaces through
// bridges, bonds and VLANs. What has no path under /sys/devices is left out.
std::vector<Protected> stands_on(const Files& files);

} // namespace dmarace::board
