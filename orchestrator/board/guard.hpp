// SPDX-License-Identifier: GPL-2.0-or-later
// The guard: which devices a run must not touch unless the user names them, since people stand
// on them.
#pragma once

#include "board/firmware.hpp"

#include <memory>
#include <string>
#include <vector>

namespace dmarace::board {

// A unicast route of any table, without what each interface has of itself (fe80::/10).
struct NetRoute {
    unsigned bits = 0; // of its destination
    std::vector<std::string> interfaces;
};

// What no file tells: asked of the kernel.
class KernelAnswers {
public:
    virtual ~KernelAnswers() = default;
    virtual Result<std::vector<NetRoute>> routes() const = 0;
    // The interfaces by which it would send to an address.
    virtual std::vector<std::string> way_to(const std::string& address) const = 0;
    // Those that have the address.
    virtual std::vector<std::string> owners_of(const std::string& address) const = 0;
    // Somebody holds the block device /dev/.. for himself (O_EXCL): a file system, a pool, md ..
    virtual bool is_claimed(const std::string& node) const = 0;
    // The entry of a device node below /sys/dev: "block/259:2", "char/226:0"; "" for none.
    virtual std::string entry_of(const std::string& node) const = 0;
};

std::unique_ptr<KernelAnswers> kernel_answers(const Files& files);

// Why each device must not be touched, or "", in their order: what the machine itself stands on,
// the suppliers (device links, phandles) of all of it and of what is above it, since who takes a
// supplier's driver away unbinds its consumers, what is above a protected path, and its siblings
// in an IOMMU group. What has no path under /sys/devices is left out. The machine stands on
// - storage: mounted, swapped on, held by another device or claimed by a file system or a pool;
//   followed through partitions, dm, md, loop and NVMe multipath
// - the network: routes to everywhere in any table, the ways to servers of mounts and to the other
//   ends of connections (that of one's shell is one), through bridges, bonds, VLANs and tunnels
// - consoles and displays, watchdogs, IOMMUs
// - what a program holds open, a guest's devices among it
// 'tree' spares reading what is in it.
std::vector<std::string> why_protected(const Files& files, const std::vector<Device>& all,
                                       const KernelAnswers& kernel, const TreeNodes& tree = {});

// The same in a child: some of it may sleep in a kernel with a stuck task. Then each device has
// that as its reason.
std::vector<std::string> why_protected_in_time(const Files& files, const std::vector<Device>& all,
                                               const TreeNodes& tree = {});

} // namespace dmarace::board
