// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/tally.hpp"

#include <array>
#include <optional>

namespace dmarace::report {

using verdict::Verdict;

namespace {

// The first that occurs is the verdict of mixed iterations.
constexpr std::array kOrder{Verdict::crash, Verdict::hang,         Verdict::fail,
                            Verdict::error, Verdict::inconclusive, Verdict::skip};

struct Outcome {
    Verdict verdict;
    std::string why;
};

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
    if (run.ended.empty())
        return how == RunEnding::skipped ? Outcome{Verdict::skip, why}
                                         : Outcome{Verdict::inconclusive, "nothing ran"};
    if (how == RunEnding::done && run.ended.size() < run.head.planned)
        return Outcome{Verdict::inconclusive, std::to_string(run.ended.size()) + " of " +
                                                  std::to_string(run.head.planned) +
                                                  " iterations ran"};
    if (how == RunEnding::skipped)
        return Outcome{Verdict::skip, why};
    return std::nullopt;
}

std::size_t rank(Verdict verdict) {
    std::size_t at = 0;
    while (at < kOrder.size() && kOrder[at] != verdict)
        ++at;
    return at;
}

Outcome outcome(const Run& run) {
    Outcome worst{Verdict::pass, ""};
    for (const auto& end : run.ended)
        if (rank(end.judgement.verdict) < rank(worst.verdict))
            worst = {end.judgement.verdict, end.judgement.reason};
    const auto ending = unfinished(run);
    if (ending && rank(ending->verdict) < rank(worst.verdict))
        worst = *ending;
    return worst;
}

} // namespace

Verdict overall(const Run& run) {
    return outcome(run).verdict;
}

Verdict overall(const std::vector<Run>& runs) {
    if (runs.empty())
        return Verdict::inconclusive;
    auto worst = Verdict::pass;
    for (const auto& run : runs)
        if (const auto verdict = overall(run); rank(verdict) < rank(worst))
            worst = verdict;
    return worst;
}

std::string why_not_pass(const Run& run) {
    return outcome(run).why;
}

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
    return 3;
}

} // namespace dmarace::report
