// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/findings.hpp"

#include <algorithm>
#include <array>

namespace dmarace::verdict {

namespace {

// Gravest first: what ends the machine, then what DMA does, then what tells of it.
constexpr std::array<std::string_view, 14> kOrder{
    "hang",         "kernel-oops", "wrong-data",       "domain-underfoot", "dma-direct",
    "no-group",     "not-owned",   "map-error",        "type-mismatch",    "fwspec-lost",
    "double-probe", "not-bound",   "unexpected-errno", "kernel-warning"};

std::size_t rank(const Failure& failure) {
    const auto found = std::ranges::find(kOrder, failure.kind);
    return static_cast<std::size_t>(found - kOrder.begin());
}

void add_once(std::vector<std::string>& list, std::string text) {
    if (std::ranges::find(list, text) == list.end())
        list.push_back(std::move(text));
}

void add_evidence(Failure& failure, const std::string& text) {
    if (failure.evidence.size() < kEvidenceMax && !text.empty())
        add_once(failure.evidence, text);
}

} // namespace

Failure* Findings::find(std::string_view kind, std::string_view device) {
    const auto place = places_.find({std::string(kind), std::string(device)});
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

bool Findings::has(std::string_view kind) const {
    return std::ranges::any_of(failures_, [&](const auto& f) { return f.kind == kind; });
}

void Findings::support(std::string_view kind, std::string_view device,
                       const std::string& evidence) {
    if (auto* known = find(kind, device))
        add_evidence(*known, evidence);
}

std::vector<Failure> Findings::take_failures() {
    std::ranges::stable_sort(failures_, {}, rank);
    return std::move(failures_);
}

} // namespace dmarace::verdict
