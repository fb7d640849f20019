// SPDX-License-Identifier: GPL-2.0-or-later
// Calls one kernel good, bad or not to be judged, by as many trials as that takes: the
// statistics, what the trials of one boot showed, and the judgement; and what a bisection
// knows from one to the next. Pure but for load and save: the trials are a function that is
// handed in.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
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

// A commit's id, as people read it.
std::string short_name(const std::string& commit);

std::string to_json(const BisectState& state);
// Fault::environment when it is no state file; the message says what is wrong.
Result<BisectState> read_state(const std::string& json);

// A missing file is an empty state.
Result<BisectState> load_state(const std::filesystem::path& file);
// Replaces the file at once: whoever is killed meanwhile leaves the old one.
Status save_state(const std::filesystem::path& file, const BisectState& state);

// Every step, a line each, and then which commits were skipped and why.
std::string report_steps(const BisectState& state);

// The failure rate that such a kernel has at least, with this confidence: the
// one-sided lower bound of Clopper and Pearson. 0 without a failure. A measured
// 20 of 20 is not a rate of 1: with 0.95 it is at least 0.86.
double least_rate(const Rate& rate, double confidence);

// So many passes in a row a kernel that fails at this rate shows with a
// probability of at most 1 - confidence. rate: above 0, at most 1; confidence:
// above 0, below 1. Never less than 1; saturates at the largest value.
std::uint64_t trials_for(double confidence, double rate);

// What so many passes and no failure say: the probability with which a kernel
// that fails at this rate would have shown a failure.
double confidence_of(std::uint64_t passes, double rate);

struct Tally {
    unsigned passes = 0, failures = 0; // failures: fail, crash and hang
    unsigned inconclusive = 0;
    std::set<std::string> kinds{}; // of the failures: dma-direct, kernel-oops ..
    // Why this kernel cannot be judged at all: it does not boot, or has nothing
    // that the job could test.
    std::optional<std::string> untestable{};
    std::string note{}; // what failed, or why trials said nothing; one line
};

// From a run's result.json and vm.json ("" for a file that is not there), and
// the exit code of dmarace-vm run. An error is the harness's: os_error EINTR
// after ctrl-c.
Result<Tally> read_tally(const std::string& result_json, const std::string& vm_json, int exit);

// The same of a script of the user's: its exit code, and the result.json it left in 'where'.
Result<Tally> tally_of_script(int exit, const std::string& result_json, const std::string& where);

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
Result<BisectStep> judge(const Demand& demand, const Trials& trials);

// Trials of a known-bad kernel. Fault::environment when none of them fails.
struct Measured {
    Rate rate;
    std::set<std::string> kinds;
};
Result<Measured> measure(unsigned count, const Trials& trials);

} // namespace dmarace::vm
