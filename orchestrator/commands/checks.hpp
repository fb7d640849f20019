// SPDX-License-Identifier: GPL-2.0-or-later
// This file looks at what a kernel and its command line allow.
#pragma once

#include "board/files.hpp"
#include "board/modules.hpp"

#include <string>
#include <vector>

namespace dmarace::commands {

struct Check {
    std::string name;
    std::string state; // ok | note | guard | skip | stop
    std::string found;
    std::string remedy;
};

// Root, a /sys that can be written, kernel, KPROBES, lockdown, signatures, headers, IOMMU
// instances, passthrough, deferred_probe_timeout, debugfs, log size.
std::vector<Check> machine_checks(const board::Files& files, const board::Modules& modules);

} // namespace dmarace::commands
