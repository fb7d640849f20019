// SPDX-License-Identifier: GPL-2.0-or-later
// The guard: what the machine itself stands on (mounted and swap storage, the default
// route, the console, the watchdog, the IOMMUs), and which devices a run must not touch
// for that unless the user names them.
#pragma once

#include "board/devices.hpp"

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

// stands_on(), and the suppliers (device links) of all of it and of what is
// above it: who takes a supplier's driver away unbinds its consumers.
std::vector<Protected> protected_paths(const Files& files);

// Why each device must not be touched, or "", in their order. The path itself,
// what is above it and its siblings in an IOMMU group count too.
std::vector<std::string> why_protected(const std::vector<Device>& all,
                                       const std::vector<Protected>& protecteds);

} // namespace dmarace::board
