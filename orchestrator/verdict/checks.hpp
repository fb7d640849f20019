// SPDX-License-Identifier: GPL-2.0-or-later
// The checks: one row is one family of rules, and what they find. docs/verdicts.md tells
// what each kind means.
#pragma once

#include "verdict/facts.hpp"
#include "verdict/verdict.hpp"

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::verdict {

inline constexpr std::size_t kEvidenceMax = 6;

// What the checks find: one failure for each kind and device, with a handful of lines.
class Findings {
public:
    // Adds a failure; evidence of the same kind and device is put together,
    // the first detail stays.
    void add(Failure failure);
    // Legal, but worth a sentence.
    void note(std::string text);
    // Nothing failed here, and yet the iteration must not pass.
    void doubt(std::string text);

    bool has(FailureKind kind) const;
    // Evidence for a failure found before; does nothing when there is none.
    void support(FailureKind kind, std::string_view device, const std::string& evidence);

    // The failures, the gravest kind first.
    std::vector<Failure> take_failures();
    const std::vector<std::string>& notes() const { return notes_; }
    const std::vector<std::string>& doubts() const { return doubts_; }
    types::TypeTally& types() { return types_; }

private:
    Failure* find(FailureKind kind, std::string_view device);

    std::vector<Failure> failures_;
    std::map<std::pair<FailureKind, std::string>, std::size_t> places_; // by kind and device
    std::vector<std::string> notes_, doubts_;
    types::TypeTally types_;
};

struct VerdictCheck {
    void (*run)(const Facts&, Findings&);
    bool standing; // also holds for a state that was found, as a baseline is
};

std::span<const VerdictCheck> checks();

void check_underfoot(const Facts& facts, Findings& findings);
void check_direct(const Facts& facts, Findings& findings);
void check_no_group(const Facts& facts, Findings& findings);
void check_not_owned(const Facts& facts, Findings& findings);
void check_type_mismatch(const Facts& facts, Findings& findings);
void check_map(const Facts& facts, Findings& findings);
void check_fwspec(const Facts& facts, Findings& findings);
void check_log(const Facts& facts, Findings& findings);
void check_taint(const Facts& facts, Findings& findings);
void check_io(const Facts& facts, Findings& findings);
void check_types(const Facts& facts, Findings& findings);
void check_machine(const Facts& facts, Findings& findings);
void check_expect(const Facts& facts, Findings& findings);
void check_baseline(const Facts& facts, Findings& findings);
void check_leak(const Facts& facts, Findings& findings);

// Why nothing was proved, the first reason first; empty if the iteration may
// pass. Not asked under --no-holds.
std::vector<std::string> unproved(const job::Plan& plan, const Observed& observed);

// "rule 1 met, rule 2 blocked", for the reason of a pass.
std::string what_was_hit(const Observed& observed);

} // namespace dmarace::verdict
