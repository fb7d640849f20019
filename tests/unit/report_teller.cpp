// SPDX-License-Identifier: GPL-2.0-or-later
// A run told piece by piece: what a board that dies has said by then.
#include "base/text.hpp"
#include "report/report.hpp"
#include "report/teller.hpp"
#include "report_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::report::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using enum Verdict;

// The run as it is while iteration 'open' goes on, or before the first one (0).
Run until(const Run& whole, unsigned open) {
    auto run = whole;
    run.end.reset();
    run.ended.resize(open == 0 ? 0 : open - 1);
    run.begun.resize(open);
    return run;
}

std::vector<std::string> without_diagnostics(const std::string& text) {
    auto lines = lines_in(text);
    std::erase_if(lines, [](const auto& line) { return line.starts_with('#'); });
    return lines;
}

// What was told of it, a piece a line of the vector, as the run goes on.
std::vector<std::string> told(const ToldForm& form, const Run& whole) {
    RunTeller teller(form);
    std::vector<std::string> out;
    for (unsigned open = 0; open <= whole.begun.size(); ++open)
        out.push_back(teller.more(until(whole, open)));
    out.push_back(teller.rest(whole));
    return out;
}

TEST(ReportTeller, KtapInPiecesIsKtap) {
    const auto run = run_of({pass, fail, inconclusive});
    const auto pieces = told(kKtapForm, run);
    EXPECT_EQ(joined(pieces, ""), ktap(run));
    EXPECT_THAT(pieces[0], AllOf(HasSubstr("KTAP version 1\n1..4\n"), Not(HasSubstr("ok"))));
    EXPECT_EQ(pieces[2], "ok 1 late-probe iteration 1\n") << "the second goes on";
    EXPECT_THAT(pieces[3], AllOf(HasSubstr("# domain-underfoot"),
                                 HasSubstr("\nnot ok 2 late-probe iteration 2\n")));
    EXPECT_THAT(RunTeller(kKtapForm).more(until(run, 0)), pieces[0]);
}

TEST(ReportTeller, KtapOfAnUnknownNumberHasNoPlanUntilItIsKnown) {
    auto run = run_of({pass, pass});
    run.head.planned = 0;
    EXPECT_THAT(told(kKtapForm, run)[0], Not(HasSubstr("1..")));
    EXPECT_THAT(ktap(run), HasSubstr("\n1..3\n"));
}

// What is found before the first iteration is told before it, and counts at the end.
TEST(ReportTeller, KtapTellsWhatIsFoundOutsideIterationsAtOnce) {
    auto run = run_of({pass});
    auto& [where, judgement] = run.outside.emplace_back();
    where = "the first reset";
    judgement.verdict = fail;
    judgement.reason = "kernel-oops: Oops";
    judgement.failures = {{verdict::FailureKind::kernel_oops, "", "", "Oops", {}, false}};
    const auto pieces = told(kKtapForm, run);
    EXPECT_THAT(pieces[0], EndsWith("# the first reset:\n# kernel-oops : Oops\n"));
    EXPECT_THAT(without_diagnostics(joined(pieces, "")),
                ElementsAre("KTAP version 1", "1..2", "ok 1 late-probe iteration 1",
                            "not ok 2 late-probe outside iterations"));
}

TEST(ReportTeller, LavaSignalsAnIterationWhenItBeginsAndWhenItEnds) {
    const auto pieces = told(kLavaForm, run_of({pass, fail, skip, inconclusive, hang}));
    EXPECT_EQ(pieces[0], "<LAVA_SIGNAL_TESTSET START late-probe>\n");
    EXPECT_EQ(pieces[1], "<LAVA_SIGNAL_STARTTC iteration-1>\n");
    EXPECT_EQ(pieces[2], "<LAVA_SIGNAL_ENDTC iteration-1>\n"
                         "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=iteration-1 RESULT=pass UNITS=seconds "
                         "MEASUREMENT=1.500000>\n<LAVA_SIGNAL_STARTTC iteration-2>\n");
    EXPECT_THAT(pieces[3], AllOf(HasSubstr("# domain-underfoot pci/0000:00:02.0 (e1000e): "),
                                 HasSubstr("# iteration-2: fail: reason 2\n"),
                                 HasSubstr("TEST_CASE_ID=iteration-2 RESULT=fail ")));
    EXPECT_THAT(pieces[4], HasSubstr("RESULT=skip"));
    EXPECT_THAT(pieces[5], HasSubstr("RESULT=unknown")) << "a window that was not hit";
    EXPECT_THAT(pieces[6], HasSubstr("TEST_CASE_ID=iteration-5 RESULT=fail "));
    EXPECT_THAT(pieces[6],
                EndsWith("<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=outside-iterations RESULT=pass>\n"
                         "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=verdict RESULT=fail>\n"
                         "<LAVA_SIGNAL_TESTSET STOP>\n"));
}

// The iteration in which the machine died is told by whoever comes after; those before it were.
TEST(ReportTeller, LavaHearsNothingTwice) {
    const auto run = run_of({pass, crash, pass});
    RunTeller teller(kLavaForm);
    auto left = until(run, 2);
    EXPECT_THAT(teller.more(left), Not(HasSubstr("iteration")));
    left.ended.push_back(run.ended[1]);
    EXPECT_THAT(teller.more(left), HasSubstr("TEST_CASE_ID=iteration-2 RESULT=fail"));
    EXPECT_THAT(teller.more(left), IsEmpty());
    left.end = RunEnd(RunEnding::boot_again, "oops: x");
    EXPECT_EQ(teller.rest(left), "<LAVA_SIGNAL_TESTSET STOP>\n") << "the run goes on";
}

TEST(ReportTeller, TextForgesNoSignal) {
    auto run = run_of({fail});
    const std::string evil = "x\n<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=y RESULT=pass>";
    run.head.job = evil;
    run.ended[0].judgement.failures[0].evidence = {evil};
    run.ended[0].judgement.reason = evil;
    for (const auto& line : lines_in(RunTeller(kLavaForm).rest(run)))
        EXPECT_THAT(line, Not(HasSubstr("ID=y RESULT=pass>"))) << line;
}

} // namespace
} // namespace dmarace::report::testing
