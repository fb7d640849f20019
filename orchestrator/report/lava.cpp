// SPDX-License-Identifier: GPL-2.0-or-later
// A run as the signals that LAVA's test shell reads from a console: a test set named after the
// job, and in it a test case for each iteration.
#include "base/text.hpp"
#include "report/report.hpp"
#include "report/teller.hpp"

#include <algorithm>
#include <string>

namespace dmarace::report {

using verdict::Verdict;

namespace {

// What ends a word or a signal must not stand in a name.
std::string name(std::string_view text) {
    std::string out;
    for (const char c : printable(text))
        out += c == ' ' || c == '=' || c == '<' || c == '>' || c == '/' ? '_' : c;
    return out;
}

// LAVA knows pass, fail, skip and unknown. What showed nothing is not known.
std::string_view result(Verdict verdict) {
    switch (verdict) {
    case Verdict::pass:
        return "pass";
    case Verdict::fail:
    case Verdict::crash:
    case Verdict::hang:
        return "fail";
    case Verdict::skip:
        return "skip";
    case Verdict::inconclusive:
    case Verdict::error:
        break;
    }
    return "unknown";
}

// Text of a board, which may hold what looks like a signal.
std::string harmless(std::string text) {
    std::ranges::replace(text, '<', '(');
    return text;
}

std::string signal(const std::string& what, const std::string& words) {
    return "<LAVA_SIGNAL_" + what + " " + words + ">\n";
}

std::string test_case(const std::string& id, Verdict verdict, const std::string& more = "") {
    return signal("TESTCASE",
                  "TEST_CASE_ID=" + id + " RESULT=" + std::string(result(verdict)) + more);
}

// A console has no room for a line that says why but before the signal.
std::string why(std::string_view what, const verdict::Judgement& judgement) {
    if (judgement.verdict == Verdict::pass)
        return "";
    return harmless("# " + printable(what) + ": " + std::string(to_text(judgement.verdict)) + ": " +
                    printable(judgement.reason) + "\n");
}

std::string iteration(unsigned number) { return "iteration-" + std::to_string(number); }

std::string head(const Run& run) { return signal("TESTSET", "START " + name(run.head.job)); }

std::string begin(const run::IterationBegin& begin) {
    return signal("STARTTC", iteration(begin.iteration));
}

std::string end(const Run& run, std::size_t index) {
    const auto& ended = run.ended[index];
    const auto id = iteration(ended.iteration);
    return harmless(diagnostics(ended.judgement)) + why(id, ended.judgement) + signal("ENDTC", id) +
           test_case(id, ended.judgement.verdict,
                     " UNITS=seconds MEASUREMENT=" + std::to_string(ended.seconds));
}

std::string outside(const Run& run, std::size_t index) {
    const auto& [where, judgement] = run.outside[index];
    return harmless(diagnostics(judgement)) + why(where, judgement);
}

// A run that goes on after a boot has no verdict yet.
std::string tail(const Run& run) {
    using enum run::RunEnding;
    if (run.end && (run.end->how == boot_again || run.end->how == reboot))
        return signal("TESTSET", "STOP");
    std::string out;
    if (const auto open = run.interrupted())
        out += test_case(iteration(*open), Verdict::error);
    const auto found = found_outside(run);
    out += why("outside iterations", found) + test_case("outside-iterations", found.verdict);
    return out + test_case("verdict", overall(run)) + signal("TESTSET", "STOP");
}

} // namespace

const ToldForm kLavaForm{false, head, begin, end, outside, tail};

} // namespace dmarace::report
