// SPDX-License-Identifier: GPL-2.0-or-later
// Answers git for the commit that is checked out: from the state file, or by building,
// booting and trying it.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace dmarace::vm {

struct BisectOptions {
    std::string script; // the user's own, in place of build, board and run
    std::string job, board, tree, state, out, cache, source, program, append, accel;
    std::string defconfig, llvm; // of the kernels; their architecture is the board's
    std::vector<std::string> variants, configs;
    unsigned jobs = 0;          // of make
    double confidence = 0.99;   // of a good answer
    double failure_rate = 0;    // of a bad kernel, told; 0: measured
    unsigned measure = 20;      // trials of the known-bad kernel
    unsigned max_trials = 1000; // that a good answer may take
    bool measure_here = false, steps = false, report = false, again = false;
    std::vector<std::string> words; // for `dmarace run JOB`
};

// What is asked of each commit, in words: answers to two questions are not mixed.
std::string question_of(const BisectOptions& options);

// The exit code for git; an error is the harness's.
Result<int> bisect(const BisectOptions& options);

} // namespace dmarace::vm
