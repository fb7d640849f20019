// SPDX-License-Identifier: GPL-2.0-or-later
// What a kernel and its command line allow.
#pragma once

#include "board/files.hpp"
#include "board/kernel.hpp"

#include <string>
#include <vector>

namespace dmarace::commands {

struct DoctorCheck {
    std::string name;
    std::string state; // ok | note | guard | skip | stop
    std::string found;
    std::string remedy;
};

struct Host {
    std::string release;        // uname -r
    std::string machine;        // uname -m
    std::string module_release; // what dmarace.ko was built for, "" when there is none
};

Host this_host(const board::Modules& modules);

// Architecture, root, a /sys that can be written, KPROBES, IOMMU API, lockdown, signatures, the
// module, IOMMU instances, passthrough, deferred_probe_timeout, debugfs.
std::vector<DoctorCheck> machine_checks(const board::Files& files, const Host& host);

} // namespace dmarace::commands
