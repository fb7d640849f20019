// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/help.hpp"

namespace dmarace::job {

namespace {

constexpr const char* kHold = R"(# SPDX-License-Identifier: GPL-2.0-or-later
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

constexpr const char* kDelay = R"(# SPDX-License-Identifier: GPL-2.0-or-later
#
# Say here in plain words: which threads meet, who of them waits where and for
# whom, which locks are owned there, and what goes wrong.
#
# Kernels: which of them have the window.

name    = "NAME"
summary = "One line for 'dmarace list jobs'"
source  = "Where the race was described: a thread, a commit"
risk    = "taint"                 # none | taint | reboot (needs --unsafe)
needs   = ["pci-client"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "the device that binds" }
times  = { type = "number", default = 3, help = "how often in one iteration" }

# Before each iteration, before the rules are armed. 'try': it may fail.
[reset]
steps = ["try bind {client}", "settle", "expect bound {client}"]

# Each actor is a process of its own; all of them start at once.
[[actor]]
name  = "rebind"
steps = [{ repeat = "{times}", steps = ["unbind {client}", "bind {client}"] }]

# A list of points is one rule for each. 'dmarace list points' shows them all.
[[rule]]
name        = "slow"
point       = ["really_probe", "of_iommu_configure"]
dev         = "{client}"          # other filters: actor, group, task, from, nth, ret
delay       = "0ms..10ms"         # drawn from --seed, the rule, the device and the hit
probability = 50                  # percent of the hits
optional    = true                # an iteration without a hit counts too

# translated | as-type | baseline (as in a quiet run)
[expect]
dma = "as-type"
)";

constexpr const char* kType = R"(# SPDX-License-Identifier: GPL-2.0-or-later
#
# Say here in plain words: which threads meet, who of them waits where and for
# whom, which locks are owned there, and what goes wrong.
#
# Kernels: which of them have the window.

name    = "NAME"
summary = "One line for 'dmarace list jobs'"
source  = "Where the race was described: a thread, a commit"
risk    = "taint"                 # none | taint | reboot (needs --unsafe)
needs   = ["pci-client", "writable-type"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "whose group is written to" }
rounds = { type = "number", default = 5, help = "how often in one iteration" }

# Before each iteration, before the rules are armed. 'try': it may fail.
[reset]
steps = ["try bind {client}", "settle", "expect bound {client}"]

# Each actor is a process of its own; all of them start at once. A device stands
# for its group; DMA-FQ does not go with anything that removes a device.
[[actor]]
name  = "types"
steps = [
    "wait go 5s",
    { repeat = "{rounds}", steps = ["type {client} identity", "type {client} DMA"] },
]

# 'try' only for what the other actor may be faster at.
[[actor]]
name  = "driver"
steps = [
    "unbind {client}",
    "signal go",
    { repeat = "{rounds}", steps = ["try bind {client}", "try unbind {client}"] },
    "bind {client}",
]

# A table [type] writes every group through every pair of types by itself; see
# docs/job-format.md.

# as-type: every device goes where its group's type says.
[expect]
dma = "as-type"
)";

} // namespace

const std::vector<Word>& skeleton_kinds() {
    static const std::vector<Word> kinds{{"hold", "one thread held until another has passed"},
                                         {"delay", "random delays, nobody waits"},
                                         {"type", "types of a group written beside binds"}};
    return kinds;
}

std::string skeleton(const std::string& name, std::string_view kind) {
    const std::string mark = "NAME";
    std::string text = kind == "delay" ? kDelay : kind == "type" ? kType : kHold;
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + name.size()))
        text.replace(at, mark.size(), name);
    return text;
}

} // namespace dmarace::job
