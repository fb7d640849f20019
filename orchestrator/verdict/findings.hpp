// SPDX-License-Identifier: GPL-2.0-or-later
// This file collects what the checks find: one failure for each kind and
// device, with a handful of evidence lines.
#pragma once

#include "verdict/verdict.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace dmarace::verdict {

inline constexpr std::size_t kEvidenceMax = 6;

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
    TypeTally& types() { return types_; }

private:
    Failure* find(FailureKind kind, std::string_view device);

    std::vector<Failure> failures_;
    std::map<std::pair<FailureKind, std::string>, std::size_t> places_; // by kind and device
    std::vector<std::string> notes_, doubts_;
    TypeTally types_;
};

} // namespace dmarace::verdict
