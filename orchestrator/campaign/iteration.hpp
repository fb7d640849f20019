// SPDX-License-Identifier: GPL-2.0-or-later
// This file is one iteration: mark the log, arm, act, disarm, settle, audit,
// reset. What it saw goes to verdict/.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/stage.hpp"
#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <string>

namespace dmarace::campaign {

struct IterationOptions {
    unsigned number = 1;
    std::string run_id;
    std::uint64_t seed = 0;
    bool holds = true;
    StageLimits limits;
};

// What the kernel log holds where an iteration begins: after a crash its last
// words are found by it.
std::string mark_of(const std::string& run_id, unsigned iteration);

// The seed of one iteration's random delays (splitmix64): every iteration has
// delays of its own, and has them again with the same --seed. Below 2^63.
std::uint64_t seed_of(std::uint64_t seed, unsigned iteration);

// Sorts what the module said into the iteration's record.
void sort_events(verdict::Observed& observed, const job::Plan& plan);
// Adds what it has said since it was asked last.
Status take_events(Machine& machine, verdict::Observed& observed);
std::uint64_t read_taint(const board::Devices& devices);

// Performs the reset steps in a child. What failed becomes 'error'.
Result<verdict::Observed> reset(Machine& machine, Progress& progress, Interrupts& interrupts,
                                const job::Plan& plan);

// One iteration with the reset that follows it, so that what the reset makes the
// kernel say belongs to the iteration that caused it. Harness failures are in
// observed.error.
verdict::Observed iterate(Machine& machine, Progress& progress, Interrupts& interrupts,
                          const job::Plan& plan, const IterationOptions& options);

// Gives the module the plan's rules, and returns those; drops those it had.
// Optional rules on points that this kernel lacks are left out with a note. A rule
// that must be there and cannot is Fault::untestable, naming the point.
Result<std::vector<job::Rule>> load_rules(Machine& machine, Progress& progress,
                                          const job::Plan& plan);

// Opens the gate. A lease that ran out between two iterations (a stalled
// machine, a slow disk) cost nothing but the module's trust: the rules are added
// again, with a note.
Status arm(Machine& machine, Progress& progress, const job::Plan& plan,
           const IterationOptions& options);

} // namespace dmarace::campaign
