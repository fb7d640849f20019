// SPDX-License-Identifier: GPL-2.0-or-later
// What a bisection knows: the failure rate of a known-bad kernel and how each commit was
// judged. Pure but for load and save.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dmarace::vm {

enum class Answer { good, bad, skip };

std::string to_text(Answer answer);
// What `git bisect run` understands: 0, 1, 125.
int exit_code(Answer answer);

// What a known-bad kernel showed: so many of the trials failed.
struct Rate {
    unsigned failures = 0, trials = 0;
};

// How one commit was judged.
struct BisectStep {
    std::string commit{}, subject{};
    Answer answer = Answer::skip;
    std::string why{};                 // one line
    unsigned passes = 0, failures = 0; // of its trials
    unsigned inconclusive = 0;         // trials that said nothing
    double confidence = 0;             // of a good answer; 1 of a bad one
    double seconds = 0;
    std::string results{}; // the directory of its run, "" when it did not get so far
};

struct BisectState {
    std::string question;          // what is asked of each commit: job, board, options
    std::optional<Rate> rate;      // measured, or nothing
    std::set<std::string> kinds;   // of the failures it showed
    std::string rate_commit;       // of the known-bad kernel it was measured on
    std::string return_to;         // the commit to check out again: a measurement was cut short
    std::vector<BisectStep> steps; // in the order in which they were judged

    // How this commit was judged before; the last time counts.
    const BisectStep* find(const std::string& commit) const;
};

std::string to_json(const BisectState& state);
// Fault::environment when it is no state file; the message says what is wrong.
Result<BisectState> read_state(const std::string& json);

// A missing file is an empty state.
Result<BisectState> load_state(const std::filesystem::path& file);
// Replaces the file at once: whoever is killed meanwhile leaves the old one.
Status save_state(const std::filesystem::path& file, const BisectState& state);

// Every step, a line each, and then which commits were skipped and why.
std::string report_steps(const BisectState& state);

} // namespace dmarace::vm
