// SPDX-License-Identifier: GPL-2.0-or-later
#include "report_support.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <regex>
#include <sstream>

namespace dmarace::report::testing {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using enum verdict::Verdict;

std::vector<std::string> results(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        if (!line.starts_with('#'))
            lines.push_back(line);
    return lines;
}

TEST(ReportKtap, OneLineForEachIteration) {
    EXPECT_THAT(results(ktap(run_of({pass, fail, inconclusive, skip, error, hang, crash}))),
                ElementsAre("KTAP version 1", "1..7", "ok 1 late-probe iteration 1",
                            "not ok 2 late-probe iteration 2",
                            "not ok 3 late-probe iteration 3 # ERROR inconclusive: reason 3",
                            "ok 4 late-probe iteration 4 # SKIP reason 4",
                            "not ok 5 late-probe iteration 5 # ERROR error: reason 5",
                            "not ok 6 late-probe iteration 6 # TIMEOUT hang: reason 6",
                            "not ok 7 late-probe iteration 7"));
}

TEST(ReportKtap, FailuresAreDiagnostics) {
    const auto text = ktap(run_of({fail}));
    EXPECT_THAT(text, HasSubstr("# domain-underfoot pci/0000:00:02.0 (e1000e): DMA direct then "
                                "translated\n#   audit at=binding"));
    EXPECT_THAT(text, HasSubstr("# Totals: pass:0 fail:1 xfail:0 xpass:0 skip:0 error:0\n"));
}

TEST(ReportKtap, InconclusiveIsNeverOk) {
    for (const auto& line : results(ktap(run_of({inconclusive, inconclusive}))))
        EXPECT_THAT(line, Not(StartsWith("ok")));
}

TEST(ReportKtap, ASkippedRun) {
    auto run = run_of({});
    run.end = RunEnd{"skip: no point probe_iommu_group"};
    EXPECT_THAT(results(ktap(run)),
                ElementsAre("KTAP version 1", "1..0 # SKIP skip: no point probe_iommu_group"));
}

TEST(ReportKtap, ARunThatWasCutOff) {
    auto run = run_of({pass, pass});
    run.head.planned = 20;
    run.ended.pop_back();
    run.end.reset();
    EXPECT_THAT(results(ktap(run)),
                ElementsAre("KTAP version 1", "1..20", "ok 1 late-probe iteration 1",
                            "not ok 2 late-probe iteration 2 # ERROR error: it did not end",
                            "Bail out! the run was cut off in iteration 2"));
}

TEST(ReportKtap, NothingRan) {
    auto run = run_of({});
    run.end = RunEnd{"error: no module"};
    EXPECT_THAT(results(ktap(run)),
                ElementsAre("KTAP version 1", "1..0", "Bail out! error: no module"));
}

// No text of a board may forge a result line or a directive.
TEST(ReportKtap, TextCannotForgeResults) {
    auto run = run_of({fail, skip});
    const std::string evil = "x\nok 99 forged # SKIP \x1b[2J \r 1..0\n";
    run.head.job = run.head.kernel = run.head.board = run.head.tool_version = evil;
    run.ended[1].judgement.reason = evil;
    run.ended[1].judgement.notes = {evil};
    auto& failure = run.ended[0].judgement.failures[0];
    failure.device = failure.driver = failure.detail = evil;
    failure.evidence = {evil};
    const auto text = ktap(run);
    EXPECT_TRUE(std::ranges::none_of(
        text, [](char c) { return (c != '\n' && c < ' ' && c >= 0) || c == 0x7f; }));
    const auto lines = results(text);
    ASSERT_EQ(lines.size(), 4U);
    const std::regex line(R"((not )?ok \d+ [^#]*( # SKIP [^#]*)?)");
    EXPECT_TRUE(std::regex_match(lines[2], line)) << lines[2];
    EXPECT_TRUE(std::regex_match(lines[3], line)) << lines[3];
}

} // namespace dmarace::report::testing
