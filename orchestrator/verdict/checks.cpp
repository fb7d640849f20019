// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/checks.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

// check_log comes after the checks whose failures a log line supports.
constexpr VerdictCheck kChecks[] = {
    {check_underfoot, false}, {check_direct, true},    {check_no_group, true},
    {check_not_owned, true},  {check_map, true},       {check_type_mismatch, true},
    {check_fwspec, false},    {check_log, false},      {check_taint, false},
    {check_types, false},     {check_io, false},       {check_machine, false},
    {check_expect, false},    {check_baseline, false}, {check_leak, false},
};

void add_once(std::vector<std::string>& list, std::string text) {
    if (std::ranges::find(list, text) == list.end())
        list.push_back(std::move(text));
}

void add_evidence(Failure& failure, const std::string& text) {
    if (failure.evidence.size() < kEvidenceMax && !text.empty())
        add_once(failure.evidence, text);
}

} // namespace

std::span<const VerdictCheck> checks() {
    return kChecks;
}

Failure* Findings::find(FailureKind kind, std::string_view device) {
    const auto place = places_.find({kind, std::string(device)});
    return place == places_.end() ? nullptr : &failures_[place->second];
}

void Findings::add(Failure failure) {
    auto evidence = std::move(failure.evidence);
    failure.evidence.clear();
    auto* known = find(failure.kind, failure.device);
    if (known == nullptr) {
        places_.emplace(std::pair(failure.kind, failure.device), failures_.size());
        failures_.push_back(std::move(failure));
        known = &failures_.back();
    } else if (known->driver.empty()) {
        known->driver = failure.driver;
    }
    for (const auto& text : evidence)
        add_evidence(*known, text);
}

void Findings::note(std::string text) {
    add_once(notes_, std::move(text));
}

void Findings::doubt(std::string text) {
    add_once(doubts_, std::move(text));
}

bool Findings::has(FailureKind kind) const {
    return std::ranges::any_of(failures_, [&](const auto& f) { return f.kind == kind; });
}

void Findings::support(FailureKind kind, std::string_view device, const std::string& evidence) {
    if (auto* known = find(kind, device))
        add_evidence(*known, evidence);
}

std::vector<Failure> Findings::take_failures() {
    std::ranges::stable_sort(failures_, {}, &Failure::kind);
    return std::move(failures_);
}

} // namespace dmarace::verdict
