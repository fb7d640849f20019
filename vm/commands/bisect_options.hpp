// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the command line of `dmarace-vm bisect`. Pure but for --help.
#pragma once

#include "vm/commands/commands.hpp"

#include <optional>

namespace dmarace::vm {

struct BisectOptions {
    std::string job, board, tree, state, out, cache, source, program, append;
    std::vector<std::string> variants, configs;
    unsigned jobs = 0;          // of make
    double confidence = 0.99;   // of a good answer
    double failure_rate = 0;    // of a bad kernel, told; 0: measured
    unsigned measure = 20;      // trials of the known-bad kernel
    unsigned max_trials = 1000; // that a good answer may take
    bool measure_here = false, steps = false, report = false, again = false;
    Arguments words; // for `dmarace run JOB`
};

// Nothing when --help was asked for and printed.
Result<std::optional<BisectOptions>> parse_bisect(const Arguments& arguments);

// What is asked of each commit, in words: answers to two questions are not mixed.
std::string question_of(const BisectOptions& options);

} // namespace dmarace::vm
