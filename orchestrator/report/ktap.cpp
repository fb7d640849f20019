// SPDX-License-Identifier: GPL-2.0-or-later
// A run as KTAP.
#include "base/text.hpp"
#include "report/report.hpp"
#include "report/tally.hpp"
#include "report/teller.hpp"

#include <algorithm>
#include <array>

namespace dmarace::report {

using verdict::Verdict;

namespace {

// A '#' would begin a directive.
std::string description(std::string_view text) {
    auto out = printable(text);
    std::ranges::replace(out, '#', '.');
    return out;
}

struct KtapRow {
    Verdict verdict;
    std::string_view result, directive;
};

// An inconclusive iteration showed nothing, so it is no "ok".
constexpr std::array<KtapRow, 7> kRows{{{Verdict::pass, "ok", ""},
                                        {Verdict::fail, "not ok", ""},
                                        {Verdict::crash, "not ok", ""},
                                        {Verdict::hang, "not ok", "TIMEOUT"},
                                        {Verdict::inconclusive, "not ok", "ERROR"},
                                        {Verdict::skip, "ok", "SKIP"},
                                        {Verdict::error, "not ok", "ERROR"}}};

std::string test_line(std::size_t number, const Run& run, const std::string& what, Verdict verdict,
                      const std::string& reason) {
    const auto& row = *std::ranges::find(kRows, verdict, &KtapRow::verdict);
    auto line = std::string(row.result) + " " + std::to_string(number) + " " +
                description(run.head.job) + " " + description(what);
    if (!row.directive.empty()) {
        line += " # " + std::string(row.directive);
        if (verdict != Verdict::skip)
            line += " " + std::string(verdict::to_text(verdict)) + ":";
        line += " " + description(reason);
    }
    return line + "\n";
}

std::string iteration(unsigned number) { return "iteration " + std::to_string(number); }

std::string head_lines(const Run& run) {
    const auto& head = run.head;
    return "# dmarace " + printable(head.tool_version) + ", kernel " + printable(head.kernel) +
           " " + printable(head.arch) + ", board " + printable(head.board) + ", seed " +
           std::to_string(head.seed) + (head.holds ? "" : ", without holds") + "\n";
}

// What was found outside iterations is the last test, where there are others, so that the plan is
// known before anything is found.
bool has_tests(const Run& run) {
    return !run.begun.empty() || !run.ended.empty() || !run.outside.empty() || !run.left.empty();
}

std::size_t shown_iterations(const Run& run) {
    const auto open = run.interrupted().has_value() ? std::size_t{1} : std::size_t{0};
    return std::max<std::size_t>(run.head.planned, run.ended.size() + open);
}

// None while nobody knows how many there will be.
std::string plan_line(const Run& run) {
    if (run.head.planned == 0 && !run.end)
        return "";
    if (run.end && !has_tests(run))
        return overall(run) == Verdict::skip
                   ? "1..0 # SKIP " + description(why_not_pass(run)) + "\n"
                   : "1.." + std::to_string(run.head.planned) + "\n";
    return "1.." + std::to_string(shown_iterations(run) + 1) + "\n";
}

std::string totals(const Run& run) {
    const bool told = has_tests(run) && run.end;
    const auto outside = found_outside(run).verdict;
    const auto also = [&](bool counts) { return told && counts ? 1U : 0U; };
    return "# Totals: pass:" +
           std::to_string(count(run, Verdict::pass) + also(outside == Verdict::pass)) +
           " fail:" + std::to_string(bad_count(run) + also(is_bad(outside))) +
           " xfail:0 xpass:0 skip:" + std::to_string(count(run, Verdict::skip)) + " error:" +
           std::to_string(count(run, Verdict::error) + count(run, Verdict::inconclusive) +
                          also(outside == Verdict::error)) +
           "\n";
}

bool cut_short(const Run& run) {
    using enum run::RunEnding;
    constexpr std::array kShort{error, interrupted, reboot, stopped};
    return !run.end || std::ranges::count(kShort, run.end->how) > 0 ||
           (run.ended.empty() && overall(run) != Verdict::skip);
}

std::string head(const Run& run) { return "KTAP version 1\n" + plan_line(run) + head_lines(run); }

// A line about what has not ended is no part of KTAP.
std::string begin(const run::IterationBegin& /*begin*/) { return ""; }

std::string end(const Run& run, std::size_t index) {
    const auto& ended = run.ended[index];
    return diagnostics(ended.judgement) + test_line(index + 1, run, iteration(ended.iteration),
                                                    ended.judgement.verdict,
                                                    ended.judgement.reason);
}

std::string outside(const Run& run, std::size_t index) {
    const auto& [where, judgement] = run.outside[index];
    return "# " + printable(where) + ":\n" + diagnostics(judgement);
}

std::string tail(const Run& run) {
    std::string out;
    if (const auto open = run.interrupted())
        out += test_line(run.ended.size() + 1, run, iteration(*open), Verdict::error,
                         "it did not end");
    if (has_tests(run) && run.end) {
        const auto found = found_outside(run);
        out += test_line(shown_iterations(run) + 1, run, "outside iterations", found.verdict,
                         found.reason);
    }
    out += totals(run);
    if (cut_short(run)) {
        const auto why = run.end ? run.end->why : why_not_pass(run);
        out += "Bail out! " + printable(why.empty() ? why_not_pass(run) : why) + "\n";
    }
    return out;
}

} // namespace

const ToldForm kKtapForm{true, head, begin, end, outside, tail};

std::string ktap(const Run& run) { return RunTeller(kKtapForm).rest(run); }

} // namespace dmarace::report
