// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs one job: survey, resolve, reset, iterations, restore, result.
#pragma once

#include "campaign/breaker.hpp"
#include "campaign/fresh.hpp"
#include "campaign/machine.hpp"
#include "campaign/resolve.hpp"
#include "job/plan.hpp"
#include "run/record.hpp"

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
    // Iterations are boots of the machine. async: modules whose drivers probe
    // asynchronously there. words: the command that goes on after a boot.
    bool at_boot = false;
    std::vector<std::string> async, words;
    Fresh fresh = Fresh::never;
    CrashLimit crash_limit;
    std::filesystem::path out;
    std::string board;
};

// The groups the job may write to, as they are now. Waits for their mutexes.
job::Inventory inventory(const Survey& survey, const board::Devices& devices, const Wishes& wishes);

struct Ran {
    run::Run run;
    // Why the machine must be booted before anything else is run on it; "" if it
    // need not. The run itself may have come to its end.
    std::string boot_again;
};

// Runs it to its end, or to that of this boot, and writes its directory. A job that cannot be
// tested here is a run with verdict skip; an Error means that not even that could be written, or
// that the command line was wrong.
Result<Ran> run_job(Machine& machine, Progress& progress, Interrupts& interrupts,
                    const job::Job& job, const RunOptions& options);

} // namespace dmarace::campaign
