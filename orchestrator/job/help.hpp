// SPDX-License-Identifier: GPL-2.0-or-later
// What dmarace tells about a job: its help, what a run would do before it does it, and
// the files that 'dmarace new' starts a user off with. Pure; texts end with '\n'.
#pragma once

#include "job/job.hpp"
#include "job/words.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// What a parameter became on this board, and why.
struct Choice {
    std::string param;
    std::vector<std::string> values;
    std::string why;
};

// `dmarace run JOB --help`: summary, source, risk, needs, parameters with their
// defaults, how they are chosen and what they became here ('here' may be empty),
// actors and rules. 'note' is a line about this board, or "".
std::string job_help(const Job& job, const std::vector<Choice>& here = {},
                     const std::string& note = "");

// Does this kernel have a function of that name?
using HasSymbol = std::function<bool(std::string_view name)>;

// "of_iommu_configure and acpi_dma_configure_id", with a word where the module
// has to look at arming; or why the point is absent. The module follows the
// same table, but only it knows whether a probe is accepted.
std::string armed_at(const Rule& rule, const HasSymbol& has);

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

// What a skeleton shows: hold, delay, type; the first is the default.
const std::vector<Word>& skeleton_kinds();

// A commented job of that name and kind that loads and lints clean. The kind
// must be one of skeleton_kinds().
std::string skeleton(const std::string& name, std::string_view kind);

} // namespace dmarace::job
