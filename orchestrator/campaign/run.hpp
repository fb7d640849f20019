// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs one job: survey, resolve, reset, iterations, restore, result.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/resolve.hpp"
#include "job/job.hpp"
#include "report/run_record.hpp"

#include <chrono>
#include <filesystem>
#include <optional>

namespace dmarace::campaign {

struct RunOptions {
    Wishes wishes;
    std::optional<unsigned> iterations; // default: the job's own
    std::optional<std::chrono::nanoseconds> duration;
    std::uint64_t seed = 1;
    bool holds = true;
    bool unsafe = false;
    bool resume = false;
    std::filesystem::path out;
    std::string board;
};

// The plan a run would follow; --dry-run shows it.
Result<job::Plan> plan_of(const job::Job& job, const Survey& survey, const RunOptions& options);

// Runs it to its end and writes its directory. A job that cannot be tested here
// is a run with verdict skip; an Error means that not even that could be
// written, or that the command line was wrong.
Result<report::Run> run_job(Machine& machine, Progress& progress, Interrupts& interrupts,
                            const job::Job& job, const RunOptions& options);

} // namespace dmarace::campaign
