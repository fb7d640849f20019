// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/tally.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace dmarace::report {

using verdict::Verdict;

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

std::vector<std::string> notes_of(const Run& run) {
    std::vector<std::string> notes;
    const auto add = [&](const verdict::Judgement& judgement) {
        for (const auto& note : judgement.notes)
            if (std::ranges::find(notes, note) == notes.end())
                notes.push_back(note);
    };
    for (const auto& end : run.ended)
        add(end.judgement);
    for (const auto& outside : run.outside)
        add(outside.judgement);
    return notes;
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

namespace {

// The first that occurs is the verdict of mixed iterations.
constexpr std::array kOrder{Verdict::crash, Verdict::hang,         Verdict::fail,
                            Verdict::error, Verdict::inconclusive, Verdict::skip};

struct Outcome {
    Verdict verdict;
    std::string why;
};

std::string how_many(const Run& run) {
    const auto planned = run.head.planned > 0 ? " of " + std::to_string(run.head.planned) : "";
    return std::to_string(run.ended.size()) + planned + " iterations";
}

// What the end of the run itself says, nothing when it came to its end.
std::optional<Outcome> unfinished(const Run& run) {
    if (!run.end) {
        const auto open = run.interrupted();
        return Outcome{Verdict::error,
                       open ? "the run was cut off in iteration " + std::to_string(*open)
                            : "the run was cut off, its journal has no end"};
    }
    using run::RunEnding;
    const auto& [how, why] = *run.end;
    if (how == RunEnding::error)
        return Outcome{Verdict::error, why};
    if (how == RunEnding::interrupted || how == RunEnding::reboot)
        return Outcome{Verdict::inconclusive, why};
    // It was to go on.
    if (how == RunEnding::boot_again || how == RunEnding::stopped)
        return Outcome{Verdict::inconclusive, why + "; " + how_many(run) + " ran"};
    if (run.ended.empty())
        return how == RunEnding::skipped ? Outcome{Verdict::skip, why}
                                         : Outcome{Verdict::inconclusive, "nothing ran"};
    if (how == RunEnding::done && run.ended.size() < run.head.planned)
        return Outcome{Verdict::inconclusive, how_many(run) + " ran"};
    if (how == RunEnding::skipped)
        return Outcome{Verdict::skip, why};
    return std::nullopt;
}

std::size_t rank(Verdict verdict) {
    return static_cast<std::size_t>(std::ranges::find(kOrder, verdict) - kOrder.begin());
}

Outcome outcome(const Run& run) {
    Outcome worst{Verdict::pass, ""};
    const auto take = [&](Outcome other) {
        if (rank(other.verdict) < rank(worst.verdict))
            worst = std::move(other);
    };
    for (const auto& end : run.ended)
        take({end.judgement.verdict, end.judgement.reason});
    for (const auto& outside : run.outside)
        take({outside.judgement.verdict, outside.where + ": " + outside.judgement.reason});
    if (auto ending = unfinished(run))
        take(*std::move(ending));
    if (!run.left.empty())
        take({Verdict::error, "not restored; this would: " + joined(run.left, "; ")});
    return worst;
}

} // namespace

Verdict overall(const Run& run) { return outcome(run).verdict; }

Verdict overall(const std::vector<Run>& runs) {
    if (runs.empty())
        return Verdict::inconclusive;
    auto worst = Verdict::pass;
    for (const auto& run : runs)
        if (const auto verdict = overall(run); rank(verdict) < rank(worst))
            worst = verdict;
    return worst;
}

std::string why_not_pass(const Run& run) { return outcome(run).why; }

namespace {

struct Codes {
    Verdict verdict;
    int plain, bisect, ksft;
};

// git bisect run stops at 128 and above; kselftest reads 4 as a skip.
constexpr std::array<Codes, 7> kCodes{{{Verdict::pass, 0, 0, 0},
                                       {Verdict::fail, 1, 1, 1},
                                       {Verdict::crash, 1, 1, 1},
                                       {Verdict::hang, 1, 1, 1},
                                       {Verdict::inconclusive, 5, 125, 4},
                                       {Verdict::skip, 4, 125, 4},
                                       {Verdict::error, 3, 128, 1}}};

} // namespace

int exit_code(Verdict verdict, ExitStyle style) {
    for (const auto& codes : kCodes) {
        if (codes.verdict != verdict)
            continue;
        switch (style) {
        case ExitStyle::plain:
            return codes.plain;
        case ExitStyle::bisect:
            return codes.bisect;
        case ExitStyle::ksft:
            return codes.ksft;
        }
    }
    return kExitEnvironment;
}

} // namespace dmarace::report
