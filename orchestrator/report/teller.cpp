// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/teller.hpp"

#include "base/text.hpp"
#include "report/report.hpp"

#include <utility>

namespace dmarace::report {

using verdict::Verdict;

std::string RunTeller::more(const run::Run& run) {
    std::string out;
    const auto last = run.begun.empty() ? 0 : run.begun.back().iteration;
    if (!headed_) {
        out = form_.head(run);
        if (!form_.whole) {
            ended_ = run.ended.size();
            outside_ = run.outside.size();
            begun_ = last;
        }
    }
    headed_ = true;
    for (; outside_ < run.outside.size(); ++outside_)
        out += form_.outside(run, outside_);
    for (; ended_ < run.ended.size(); ++ended_)
        out += form_.end(run, ended_);
    const bool goes_on = run.ended.empty() || run.ended.back().iteration != last;
    if (last != std::exchange(begun_, last) && goes_on)
        out += form_.begin(run.begun.back());
    return out;
}

std::string RunTeller::rest(const run::Run& run) { return more(run) + form_.tail(run); }

std::string diagnostics(const verdict::Judgement& judgement) {
    std::string out;
    for (const auto& failure : judgement.failures) {
        out += "# " + std::string(to_text(failure.kind)) + " " + printable(failure.device) +
               (failure.driver.empty() ? "" : " (" + printable(failure.driver) + ")") + ": " +
               printable(failure.detail) + "\n";
        for (const auto& line : failure.evidence)
            out += "#   " + printable(line) + "\n";
    }
    for (const auto& note : judgement.notes)
        out += "# note: " + printable(note) + "\n";
    return out;
}

verdict::Judgement found_outside(const run::Run& run) {
    using enum Verdict;
    verdict::Judgement out;
    out.verdict = pass;
    for (const auto worst : {crash, hang, fail, error})
        for (const auto& [where, judgement] : run.outside)
            if (judgement.verdict == worst && out.verdict == pass) {
                out.verdict = worst;
                out.reason = where + ": " + judgement.reason;
            }
    if (!run.left.empty() && out.verdict == pass) {
        out.verdict = error;
        out.reason = "not restored; this would: " + joined(run.left, "; ");
    }
    return out;
}

} // namespace dmarace::report
