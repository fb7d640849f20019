// SPDX-License-Identifier: GPL-2.0-or-later
// This file calls one kernel good, bad or not to be judged, by as many trials as
// that takes. Pure: the trials are a function that is handed in.
#pragma once

#include "vm/bisect/state.hpp"
#include "vm/bisect/tally.hpp"

#include <functional>

namespace dmarace::vm {

// So many trials of one kernel in one boot.
using Trials = std::function<Result<Tally>(unsigned trials)>;

// What a good answer takes.
struct Demand {
    double rate = 1;             // at which a bad kernel fails, at least
    unsigned trials = 1;         // passes in a row that make a good one
    std::set<std::string> kinds; // of failures that make a bad one; empty: all
};

// The demand for this confidence. Fault::usage when it is more than most trials:
// the message says what would help.
Result<Demand> demand_for(double confidence, double rate, unsigned most);

// Fills in answer, why, counts and confidence. Bad with the first failure; good
// after demand.trials passes; skip when the kernel is untestable, fails in another
// way than it is asked about, or leaves too few trials that say something. An error
// is the harness's.
Result<Step> judge(const Demand& demand, const Trials& trials);

// Trials of a known-bad kernel. Fault::environment when none of them fails.
struct Measured {
    Rate rate;
    std::set<std::string> kinds;
};
Result<Measured> measure(unsigned count, const Trials& trials);

} // namespace dmarace::vm
