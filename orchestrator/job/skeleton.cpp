// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/skeleton.hpp"

namespace dmarace::job {

namespace {

constexpr const char* kText = R"(# SPDX-License-Identifier: GPL-2.0-or-later
#
# Say here in plain words: which two threads meet, who of them waits where and
# for whom, which locks are owned there, and what goes wrong.
#
# Kernels: which of them have the window.

name    = "NAME"
summary = "One line for 'dmarace list jobs'"
source  = "Where the race was described: a thread, a commit"
risk    = "taint"                 # none | taint | reboot (needs --unsafe)
needs   = ["iommu-module", "pci-client"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "the device that binds" }
iommu  = { type = "module", pick = "iommu-driver", help = "the IOMMU's driver" }

# Before each iteration, before the rules are armed.
[reset]
steps = [
    "autoprobe off pci",
    "remove behind {iommu}",
    "rmmod {iommu}",
    "rescan pci",
    "settle",
    "expect unbound {client}",
]

# Each actor is a process of its own; all of them start at once.
[[actor]]
name  = "walk"
steps = ["insmod {iommu}"]

[[actor]]
name  = "client"
steps = ["wait there", "bind {client}"]

# 'dmarace list points' shows where a task can be held. This rule holds the bus
# walk before it meets the first device until the client's bind has returned.
[[rule]]
name     = "hold"
point    = "probe_iommu_group"
on       = "enter"                # or exit
actor    = "walk"                 # other filters: dev, group, task, from, nth, ret
nth      = 1
signal   = "there"                # raised first, then the task waits
wait_for = "done:client"          # or blocked:client where a lock is the fix
timeout  = "2s"

# translated | as-type | baseline (as in a quiet run)
[expect]
dma = "translated"
)";

} // namespace

std::string skeleton(const std::string& name) {
    const std::string mark = "NAME";
    std::string text = kText;
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + name.size()))
        text.replace(at, mark.size(), name);
    return text;
}

} // namespace dmarace::job
