// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/judge.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(VmTrials, TheLowerBoundIsClopperAndPearsons) {
    // From their tables.
    EXPECT_NEAR(least_rate({20, 20}, 0.95), 0.8609, 1e-4);
    EXPECT_NEAR(least_rate({10, 20}, 0.95), 0.3020, 1e-4);
    EXPECT_NEAR(least_rate({1, 20}, 0.95), 0.00256, 1e-5);
    EXPECT_NEAR(least_rate({1, 1}, 0.95), 0.05, 1e-9);
    EXPECT_EQ(least_rate({0, 20}, 0.95), 0);
    EXPECT_EQ(least_rate({0, 0}, 0.95), 0);
}

TEST(VmTrials, TheBoundNeverExceedsWhatWasSeenAndGrowsWithTheTrials) {
    for (unsigned failures = 1; failures <= 40; ++failures) {
        const double few = least_rate({failures, 40}, 0.95);
        EXPECT_GT(few, 0);
        EXPECT_LT(few, failures / 40.0);
        EXPECT_LT(few, least_rate({10 * failures, 400}, 0.95));
        EXPECT_LT(least_rate({failures, 40}, 0.99), few);
    }
}

TEST(VmTrials, SoManyPassesMakeAGoodOne) {
    EXPECT_EQ(trials_for(0.99, 0.5), 7U); // 1 - 2^-7 = 0.992
    EXPECT_EQ(trials_for(0.99, 0.8609), 3U);
    EXPECT_EQ(trials_for(0.95, 0.05), 59U);
    EXPECT_EQ(trials_for(0.5, 0.99), 1U);
    EXPECT_EQ(trials_for(0.999999, 1), 1U);
    EXPECT_EQ(trials_for(0.99, 1e-300), std::numeric_limits<std::uint64_t>::max());
}

TEST(VmTrials, TheNumberIsEnoughAndOneLessIsNot) {
    for (const double rate : {0.9, 0.5, 0.1, 0.01, 0.001})
        for (const double confidence : {0.9, 0.99, 0.999}) {
            const auto trials = trials_for(confidence, rate);
            EXPECT_GE(confidence_of(trials, rate), confidence - 1e-12) << rate;
            if (trials > 1) {
                EXPECT_LT(confidence_of(trials - 1, rate), confidence) << rate;
            }
        }
}

TEST(VmTrials, PassesSayWhatTheySay) {
    EXPECT_EQ(confidence_of(0, 0.9), 0);
    EXPECT_DOUBLE_EQ(confidence_of(1, 0.25), 0.25);
    EXPECT_DOUBLE_EQ(confidence_of(5, 1), 1);
}

// A kernel that shows the given tallies, boot by boot, and notes what it was
// asked for.
struct FakeKernel {
    std::vector<Result<Tally>> boots;
    std::vector<unsigned> asked;
    Trials trials() {
        return [this](unsigned count) {
            asked.push_back(count);
            return asked.size() <= boots.size() ? boots[asked.size() - 1]
                                                : Result<Tally>(Tally{.passes = count});
        };
    }
};

TEST(VmJudge, TheDemandFollowsFromTheRate) {
    EXPECT_EQ(demand_for(0.99, 0.86, 1000)->trials, 3U);
    const auto too_many = demand_for(0.99, 0.001, 1000);
    ASSERT_FALSE(too_many);
    EXPECT_THAT(too_many.error().message, HasSubstr("--max-trials"));
}

TEST(VmJudge, EnoughPassesAreGood) {
    FakeKernel kernel;
    const auto step = judge({0.1, 45, {}}, kernel.trials());
    ASSERT_TRUE(step);
    EXPECT_EQ(step->answer, Answer::good);
    EXPECT_EQ(step->passes, 45U);
    EXPECT_NEAR(step->confidence, 0.9913, 1e-4);
    EXPECT_THAT(kernel.asked, ElementsAre(20, 20, 5));
}

TEST(VmJudge, TheFirstFailureIsBadAndEndsIt) {
    FakeKernel kernel{
        .boots = {Tally{.passes = 20}, Tally{.passes = 18, .failures = 2, .note = "dma-direct"}},
        .asked = {}};
    const auto step = judge({0.1, 100, {}}, kernel.trials());
    EXPECT_EQ(step->answer, Answer::bad);
    EXPECT_EQ(step->failures, 2U);
    EXPECT_EQ(step->why, "dma-direct");
    EXPECT_EQ(kernel.asked.size(), 2U);
}

TEST(VmJudge, AFailureCountsWhateverElseTheBootSays) {
    FakeKernel kernel{.boots = {Tally{.failures = 1, .untestable = "odd"}}, .asked = {}};
    EXPECT_EQ(judge({1, 1, {}}, kernel.trials())->answer, Answer::bad);
}

TEST(VmJudge, AnotherKindOfFailureIsAnotherBug) {
    const Demand demand{0.5, 7, {"dma-direct", "no-group"}};
    FakeKernel other{.boots = {Tally{.failures = 1, .kinds = {"kernel-oops"}, .note = "an oops"}},
                     .asked = {}};
    const auto step = judge(demand, other.trials());
    EXPECT_EQ(step->answer, Answer::skip);
    EXPECT_THAT(step->why, HasSubstr("an oops"));
    EXPECT_THAT(step->why, HasSubstr("dma-direct, no-group"));
    FakeKernel same{.boots = {Tally{.failures = 1, .kinds = {"kernel-oops", "no-group"}}},
                    .asked = {}};
    EXPECT_EQ(judge(demand, same.trials())->answer, Answer::bad);
}

TEST(VmJudge, WhatCannotBeTestedIsSkipped) {
    FakeKernel kernel{.boots = {Tally{.untestable = "does not boot"}}, .asked = {}};
    const auto step = judge({0.5, 7, {}}, kernel.trials());
    EXPECT_EQ(step->answer, Answer::skip);
    EXPECT_EQ(step->why, "does not boot");
}

TEST(VmJudge, TrialsThatSayNothingAreMadeAgainButNotForEver) {
    const Tally nothing{.inconclusive = 7, .note = "never hit"};
    FakeKernel some{.boots = {nothing, Tally{.passes = 3, .inconclusive = 4}}, .asked = {}};
    EXPECT_EQ(judge({0.5, 7, {}}, some.trials())->answer, Answer::good);
    EXPECT_THAT(some.asked, ElementsAre(7, 7, 4));
    FakeKernel none{.boots = {nothing, nothing, nothing}, .asked = {}};
    const auto step = judge({0.5, 7, {}}, none.trials());
    EXPECT_EQ(step->answer, Answer::skip);
    EXPECT_EQ(step->inconclusive, 21U);
    EXPECT_THAT(step->why, HasSubstr("never hit"));
    EXPECT_EQ(none.asked.size(), 3U);
}

TEST(VmJudge, TheHarnesssErrorIsNobodysAnswer) {
    FakeKernel kernel{.boots = {fail(Fault::environment, "no QEMU")}, .asked = {}};
    EXPECT_FALSE(judge({0.5, 7, {}}, kernel.trials()));
}

TEST(VmMeasure, CountsConclusiveTrialsAlone) {
    FakeKernel kernel{
        .boots = {Tally{.passes = 5, .failures = 5, .inconclusive = 10, .kinds = {"a"}},
                  Tally{.passes = 4, .failures = 6, .kinds = {"b"}}},
        .asked = {}};
    const auto rate = measure(20, kernel.trials());
    ASSERT_TRUE(rate);
    EXPECT_EQ(rate->rate.failures, 11U);
    EXPECT_EQ(rate->rate.trials, 20U);
    EXPECT_THAT(rate->kinds, ElementsAre("a", "b"));
    EXPECT_THAT(kernel.asked, ElementsAre(20, 10));
}

TEST(VmMeasure, AKnownBadKernelThatNeverFailsIsAnError) {
    FakeKernel good;
    const auto rate = measure(20, good.trials());
    ASSERT_FALSE(rate);
    EXPECT_THAT(rate.error().message, HasSubstr("passed 20 trials"));
    FakeKernel dead{.boots = {Tally{.untestable = "does not boot"}}, .asked = {}};
    EXPECT_THAT(measure(20, dead.trials()).error().message, HasSubstr("does not boot"));
}

constexpr const char* kCounts = R"("counts":{"pass":2,"fail":1,"crash":1,"hang":1,"inconclusive":4,
    "skip":0,"error":0})";

std::string result(const std::string& verdict, const std::string& counts,
                   const std::string& more = "") {
    return "{\"verdict\":\"" + verdict + "\",\"reason\":\"why\"," + counts + more + "}";
}

TEST(VmTally, CrashesAndHangsAreFailures) {
    const auto tally = read_tally(
        result("fail", kCounts,
               R"(,"failures":[{"kind":"a","allowed":true},{"kind":"dma-direct","device":"pci/x",
                  "driver":"nvme","allowed":false}])"),
        "", 1);
    ASSERT_TRUE(tally);
    EXPECT_EQ(tally->passes, 2U);
    EXPECT_EQ(tally->failures, 3U);
    EXPECT_EQ(tally->inconclusive, 4U);
    EXPECT_EQ(tally->note, "dma-direct of pci/x (nvme)");
    EXPECT_THAT(tally->kinds, ElementsAre("dma-direct"));
    EXPECT_FALSE(tally->untestable);
}

TEST(VmTally, ASkipIsUntestableAndAnErrorIsTheHarnesss) {
    const std::string none = R"("counts":{"pass":0})";
    EXPECT_EQ(read_tally(result("skip", none), "", 4)->untestable, "nothing to test: why");
    EXPECT_FALSE(read_tally(result("error", none), "", 3));
}

TEST(VmTally, AGuestThatDiesBeforeTheJobDoesNotBoot) {
    for (const char* end : {"panic", "died", "hang"}) {
        const std::string vm =
            std::string(R"({"boots":[{"outcome":")") + end + R"(","detail":"no init"}]})";
        const auto tally = read_tally("", vm, 3);
        ASSERT_TRUE(tally) << end;
        EXPECT_THAT(*tally->untestable, HasSubstr("no init"));
    }
    for (const char* end : {"no-qemu", "qemu-failed", "no-start", "timeout"})
        EXPECT_FALSE(read_tally("", std::string(R"({"boots":[{"outcome":")") + end + "\"}]}", 3));
    EXPECT_FALSE(read_tally("", "", 3));
}

TEST(VmTally, CtrlCIsNeitherGoodNorBad) {
    const auto tally = read_tally(result("fail", kCounts), "", 130);
    ASSERT_FALSE(tally);
    EXPECT_EQ(tally.error().os_error, EINTR);
}

} // namespace
