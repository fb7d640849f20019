// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a job whose iterations are boots of the machine: rules are left
// for the next boot, the machine boots, and what the module, the log and the
// devices then show is judged. Each call is one leg, from boot to boot.
#pragma once

#include "campaign/run.hpp"
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

// One leg of a run. Ran::boot_again is set where the machine is to boot for the
// next iteration; without it every trace on the disk is taken away.
Result<Ran> run_at_boot(Machine& machine, Progress& progress, Interrupts& interrupts,
                        const job::Job& job, const RunOptions& options);

} // namespace dmarace::campaign
