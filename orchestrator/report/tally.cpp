// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/tally.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cstring>

namespace dmarace::report {

using verdict::Verdict;

namespace {

// An audit without the words that stand in other columns.
std::string without_known(const std::string& text) {
    auto line = parse_line(text);
    if (!line || line->verb != DMARACE_E_AUDIT)
        return text;
    std::erase_if(line->words, [](const auto& word) {
        return word.first == "seq" || word.first == "ts" || word.first == "dev" ||
               word.first == "driver" || word.first == "managed";
    });
    return dmarace::to_text(*line);
}

} // namespace

unsigned count(const Run& run, Verdict verdict) {
    return static_cast<unsigned>(std::ranges::count_if(
        run.ended, [&](const auto& end) { return end.judgement.verdict == verdict; }));
}

bool is_bad(Verdict verdict) {
    return verdict == Verdict::fail || verdict == Verdict::crash || verdict == Verdict::hang;
}

unsigned bad_count(const Run& run) {
    return static_cast<unsigned>(std::ranges::count_if(
        run.ended, [](const auto& end) { return is_bad(end.judgement.verdict); }));
}

std::string rate(const Run& run) {
    return "fail in " + std::to_string(bad_count(run)) + " of " + std::to_string(run.ended.size());
}

std::vector<FailureGroup> group_failures(const Run& run) {
    std::vector<FailureGroup> groups;
    for (const auto& end : run.ended)
        for (const auto& failure : end.judgement.failures) {
            auto known = std::ranges::find_if(groups, [&](const FailureGroup& group) {
                return group.first.kind == failure.kind && group.first.device == failure.device &&
                       group.first.allowed == failure.allowed;
            });
            if (known == groups.end())
                known = groups.insert(groups.end(), {failure, end.iteration, 0});
            ++known->iterations;
        }
    return groups;
}

std::vector<verdict::RuleCount> sum_rules(const Run& run) {
    std::vector<verdict::RuleCount> sums;
    for (const auto& end : run.ended)
        for (const auto& rule : end.judgement.rules) {
            auto sum = std::ranges::find_if(sums, [&](const auto& known) {
                return known.rule == rule.rule && known.point == rule.point;
            });
            if (sum == sums.end()) {
                sums.push_back(rule);
                continue;
            }
            sum->armed = sum->armed && rule.armed;
            sum->hits += rule.hits;
            sum->met += rule.met;
            sum->blocked += rule.blocked;
            sum->timeout += rule.timeout;
            sum->unhit += rule.unhit;
            sum->released += rule.released;
            sum->atomic += rule.atomic;
            sum->nmissed += rule.nmissed;
        }
    return sums;
}

types::TypeTally sum_types(const Run& run) {
    types::TypeTally sum;
    for (const auto& end : run.ended)
        sum.add(end.judgement.types);
    return sum;
}

std::string telling_line(const verdict::Failure& failure) {
    const auto first = [&](auto holds) {
        const auto found = std::ranges::find_if(failure.evidence, holds);
        return found == failure.evidence.end() ? std::string() : *found;
    };
    auto line = first([](const auto& text) { return text.starts_with('['); });
    if (line.empty())
        line = first([](const auto& text) { return text.find(" at=bound ") != text.npos; });
    if (line.empty())
        line = failure.evidence.empty() ? failure.detail : failure.evidence.front();
    return without_known(line);
}

std::uint64_t lost_events(const Run& run) {
    std::uint64_t sum = 0;
    for (const auto& end : run.ended)
        sum += end.lost_events;
    return sum;
}

std::uint64_t taint_after(const Run& run) {
    auto taint = run.head.taint;
    for (const auto& end : run.ended)
        taint |= end.taint;
    return taint;
}

} // namespace dmarace::report
