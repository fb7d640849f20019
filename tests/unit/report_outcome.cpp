// SPDX-License-Identifier: GPL-2.0-or-later
#include "report_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::report::testing {

using ::testing::HasSubstr;
using enum verdict::Verdict;

struct Mixed {
    std::vector<Verdict> verdicts;
    Verdict overall;
};

class ReportOverall : public ::testing::TestWithParam<Mixed> {};

TEST_P(ReportOverall, OfMixedIterations) {
    EXPECT_EQ(overall(run_of(GetParam().verdicts)), GetParam().overall);
}

const Mixed kMixed[] = {
    {{pass}, pass},
    {{pass, pass}, pass},
    {{pass, fail, pass}, fail},
    {{fail, crash}, crash},
    {{hang, fail}, hang},
    {{hang, crash}, crash},
    {{error, fail}, fail},
    {{pass, error, inconclusive}, error},
    {{skip, inconclusive, pass}, inconclusive},
    {{pass, skip}, skip},
    {{skip}, skip},
    {{}, inconclusive},
};

INSTANTIATE_TEST_SUITE_P(Runs, ReportOverall, ::testing::ValuesIn(kMixed));

struct Ending {
    std::vector<Verdict> verdicts;
    std::string why; // "" for no end record
    Verdict overall;
    std::string reason;
};

class ReportEnding : public ::testing::TestWithParam<Ending> {};

TEST_P(ReportEnding, Counts) {
    auto run = run_of(GetParam().verdicts);
    run.end = GetParam().why.empty() ? std::optional<RunEnd>() : RunEnd{GetParam().why};
    EXPECT_EQ(overall(run), GetParam().overall);
    EXPECT_THAT(why_not_pass(run), HasSubstr(GetParam().reason));
}

const Ending kEndings[] = {
    {{pass}, "done", pass, ""},
    {{pass}, "duration", pass, ""},
    {{pass}, "", error, "cut off"},
    {{fail}, "", fail, "reason 1"},
    {{pass}, "interrupted", inconclusive, "interrupted"},
    {{pass},
     "reboot: iteration 2 is the next boot",
     inconclusive,
     "reboot: iteration 2 is the next boot"},
    {{fail}, "interrupted", fail, "reason 1"},
    {{pass}, "error: disk full", error, "disk full"},
    {{inconclusive}, "error: disk full", error, "disk full"},
    {{crash}, "error: disk full", crash, "reason 1"},
    {{}, "skip: no point probe_iommu_group", skip, "probe_iommu_group"},
    {{}, "error: no module", error, "no module"},
    {{}, "duration", inconclusive, "nothing ran"},
    {{}, "", error, "cut off"},
};

INSTANTIATE_TEST_SUITE_P(Runs, ReportEnding, ::testing::ValuesIn(kEndings));

TEST(ReportOutcome, FewerIterationsThanPlanned) {
    auto run = run_of({pass, pass});
    run.head.planned = 3;
    EXPECT_EQ(overall(run), inconclusive);
    EXPECT_EQ(why_not_pass(run), "2 of 3 iterations ran");
}

TEST(ReportOutcome, CutOffInAnIterationSaysWhich) {
    auto run = run_of({pass, pass});
    run.ended.pop_back();
    run.end.reset();
    EXPECT_EQ(overall(run), error);
    EXPECT_EQ(why_not_pass(run), "the run was cut off in iteration 2");
}

TEST(ReportOutcome, OfSeveralRuns) {
    EXPECT_EQ(overall(std::vector{run_of({pass}), run_of({skip})}), skip);
    EXPECT_EQ(overall(std::vector{run_of({error}), run_of({fail})}), fail);
    EXPECT_EQ(overall(std::vector{run_of({pass}), run_of({pass})}), pass);
    EXPECT_EQ(overall(std::vector<run::Run>{}), inconclusive);
}

struct Code {
    Verdict verdict;
    int plain, bisect, ksft;
};

TEST(ReportExitCode, EveryStyle) {
    for (const auto& [verdict, plain, bisect, ksft] :
         {Code{pass, 0, 0, 0}, Code{fail, 1, 1, 1}, Code{crash, 1, 1, 1}, Code{hang, 1, 1, 1},
          Code{error, 3, 128, 1}, Code{skip, 4, 125, 4}, Code{inconclusive, 5, 125, 4}}) {
        EXPECT_EQ(exit_code(verdict, ExitStyle::plain), plain);
        EXPECT_EQ(exit_code(verdict, ExitStyle::bisect), bisect);
        EXPECT_EQ(exit_code(verdict, ExitStyle::ksft), ksft);
    }
}

} // namespace dmarace::report::testing
