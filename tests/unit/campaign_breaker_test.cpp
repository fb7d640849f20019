// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/breaker.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using verdict::Verdict;

// One iteration a boot.
run::Run run_of(const std::vector<Verdict>& verdicts) {
    run::Run run;
    for (const auto verdict : verdicts) {
        run.boots.push_back(run.ended.size());
        run::IterationEnd end;
        end.iteration = static_cast<unsigned>(run.ended.size() + 1);
        end.judgement.verdict = verdict;
        run.ended.push_back(end);
    }
    return run;
}

constexpr auto P = Verdict::pass;
constexpr auto C = Verdict::crash;

TEST(Breaker, three_crashes_in_five_boots_stop_it) {
    EXPECT_THAT(why_stop(run_of({C, C}), {}), IsEmpty());
    EXPECT_THAT(why_stop(run_of({C, P, C, P, C}), {}), HasSubstr("3 crashes in the last 5 boots"));
}

TEST(Breaker, older_boots_do_not_count) {
    EXPECT_THAT(why_stop(run_of({C, C, P, P, P, P, C}), {}), IsEmpty());
}

TEST(Breaker, an_oops_that_was_judged_is_no_crash) {
    EXPECT_THAT(why_stop(run_of({Verdict::fail, Verdict::fail, Verdict::hang}), {}), IsEmpty());
}

TEST(Breaker, no_limit_goes_on) {
    EXPECT_THAT(why_stop(run_of(std::vector<Verdict>(30, C)), {0, 0}), IsEmpty());
}

TEST(Breaker, a_run_before_its_first_boot_goes_on) {
    EXPECT_THAT(why_stop({}, {}), IsEmpty());
}

TEST(Breaker, words) {
    const auto limit = crash_limit_from("7/9");
    ASSERT_TRUE(limit);
    EXPECT_EQ(limit->crashes, 7U);
    EXPECT_EQ(limit->boots, 9U);
    EXPECT_EQ(crash_limit_from("none")->crashes, 0U);
    for (const auto* bad : {"", "3", "3/", "/5", "0/5", "3/0", "-1/5", "3/5/7", "three/five"})
        EXPECT_FALSE(crash_limit_from(bad)) << bad;
}

} // namespace
} // namespace dmarace::campaign
