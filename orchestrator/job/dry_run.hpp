// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells what a run would do, before it does it. Pure; the text ends
// with '\n'.
#pragma once

#include "job/armed.hpp"
#include "job/help.hpp"

#include <string>
#include <vector>

namespace dmarace::job {

struct DryRun {
    Plan plan; // as it would be run: without holds if that was asked for
    bool holds = true;
    std::string iterations; // "20 (the job's own)"
    std::uint64_t seed = 1;
    std::vector<Choice> choices;
    std::vector<std::string> refused; // "pci/0000:00:04.0: default route (eth0)"
    std::vector<std::string> changes; // "driver pci/0000:00:02.0 e1000e": what it is now
};

// `dmarace run JOB --dry-run`. The job must be the one the plan was made from.
std::string dry_run_text(const Job& job, const DryRun& dry, const HasSymbol& has);

} // namespace dmarace::job
