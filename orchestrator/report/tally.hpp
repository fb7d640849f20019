// SPDX-License-Identifier: GPL-2.0-or-later
// Counts what the reports show: verdicts, failures, rules and type
// writes over all iterations of a run.
#pragma once

#include "report/report.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dmarace::report {

inline constexpr std::array kVerdicts{verdict::Verdict::pass,         verdict::Verdict::fail,
                                      verdict::Verdict::crash,        verdict::Verdict::hang,
                                      verdict::Verdict::inconclusive, verdict::Verdict::skip,
                                      verdict::Verdict::error};

// Iterations that ended with a verdict.
unsigned count(const Run& run, verdict::Verdict verdict);

// fail, crash or hang
bool is_bad(verdict::Verdict verdict);
// Those with one of them.
unsigned bad_count(const Run& run);
// The notes of all iterations, each once.
std::vector<std::string> notes_of(const Run& run);

// One kind and device over all iterations.
struct FailureGroup {
    verdict::Failure first;
    unsigned first_iteration = 0;
    unsigned iterations = 0; // in how many
};
// In the order of the first iteration that shows each; allowed ones apart.
std::vector<FailureGroup> group_failures(const Run& run);

// The counts of each rule, summed.
std::vector<verdict::RuleCount> sum_rules(const Run& run);

// Type writes by what was asked, in which state, and what came of it.
types::TypeTally sum_types(const Run& run);

std::uint64_t lost_events(const Run& run);
std::uint64_t taint_after(const Run& run);

} // namespace dmarace::report
