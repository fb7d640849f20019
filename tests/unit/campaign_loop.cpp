// SPDX-License-Identifier: GPL-2.0-or-later
// What ends a campaign or its boot, and how each iteration is armed.
#include "campaign/campaign.hpp"
#include "campaign/iteration.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"
#include "run/run_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

namespace dmarace::campaign {
namespace {

using test::Quiet;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using verdict::FailureKind;
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

verdict::Judgement judged(verdict::Verdict verdict, std::optional<FailureKind> kind = std::nullopt,
                          bool allowed = false) {
    verdict::Judgement made;
    made.verdict = verdict;
    if (kind)
        made.failures.push_back({*kind, "", "", "detail", {}, allowed});
    return made;
}

TEST(Fresh, an_oops_or_a_hang_ends_the_boot_whatever_the_job_and_the_option) {
    for (const auto fresh : {Fresh::never, Fresh::risky, Fresh::always}) {
        const auto oops = judged(verdict::Verdict::fail, FailureKind::kernel_oops);
        EXPECT_THAT(why_boot_again(oops, fresh, job::Risk::none), StartsWith("oops:"));
        EXPECT_TRUE(is_untrusted(oops));
        const auto hang = judged(verdict::Verdict::hang, FailureKind::hang);
        EXPECT_THAT(why_boot_again(hang, fresh, job::Risk::none), StartsWith("hang:"));
        EXPECT_TRUE(is_untrusted(hang));
    }
}

TEST(Fresh, an_allowed_oops_breaks_the_kernel_as_well) {
    const auto allowed = judged(verdict::Verdict::pass, FailureKind::kernel_oops, true);
    EXPECT_THAT(why_boot_again(allowed, Fresh::never, job::Risk::none), StartsWith("oops:"));
    EXPECT_TRUE(is_untrusted(allowed));
}

TEST(Fresh, other_failures_leave_the_kernel_usable) {
    for (const auto risk : {job::Risk::none, job::Risk::taint, job::Risk::reboot})
        EXPECT_EQ(why_boot_again(judged(verdict::Verdict::fail, FailureKind::dma_direct),
                                 Fresh::never, risk),
                  "");
    EXPECT_EQ(why_boot_again(judged(verdict::Verdict::pass), Fresh::risky, job::Risk::taint), "");
}

TEST(Fresh, a_fresh_machine_on_request_is_still_restored) {
    const auto pass = judged(verdict::Verdict::pass);
    EXPECT_THAT(why_boot_again(pass, Fresh::risky, job::Risk::reboot), StartsWith("fresh:"));
    EXPECT_THAT(why_boot_again(pass, Fresh::always, job::Risk::none), StartsWith("fresh:"));
    EXPECT_FALSE(is_untrusted(pass));
    EXPECT_FALSE(is_untrusted(judged(verdict::Verdict::fail, FailureKind::dma_direct)));
}

TEST(Fresh, only_its_own_words_are_read) {
    EXPECT_EQ(fresh_from("never"), Fresh::never);
    EXPECT_EQ(fresh_from("risky"), Fresh::risky);
    EXPECT_EQ(fresh_from("always"), Fresh::always);
    EXPECT_EQ(fresh_from("often"), std::nullopt);
}

TEST(Fresh, the_mark_holds_the_reason_until_it_is_taken) {
    std::string name = (std::filesystem::temp_directory_path() / "dmarace-test-XXXXXX").string();
    const std::filesystem::path directory = ::mkdtemp(name.data());
    ASSERT_TRUE(run::mark_boot_again(directory, "oops: x"));
    EXPECT_EQ(run::take_boot_again(directory), "oops: x");
    EXPECT_EQ(run::take_boot_again(directory), std::nullopt);
    EXPECT_FALSE(run::mark_boot_again(directory / "gone", "x"));
    std::filesystem::remove_all(directory);
}

struct Notes final : RunProgress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string& text) override { texts.push_back(text); }
    std::vector<std::string> texts;
};

class ArmTest : public testing::Test {
protected:
    ArmTest() {
        job::Rule rule;
        rule.name = rule.point = "really_probe";
        plan_.rules.push_back(rule);
    }

    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Machine machine_{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
    Notes notes_;
    job::Plan plan_;
};

TEST_F(ArmTest, opens_the_gate_with_one_request) {
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
    EXPECT_TRUE(notes_.texts.empty());
}

TEST_F(ArmTest, a_lost_lease_is_told_and_the_rules_are_added_again) {
    control_.refuse("arm", Error{Fault::environment, "the lease ran out", EPERM});
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm", "clear", "rule", "arm"));
    EXPECT_THAT(notes_.texts, ElementsAre(testing::HasSubstr("the lease ran out")));
}

TEST_F(ArmTest, any_other_refusal_stays_an_error) {
    control_.refuse("arm", Error{Fault::environment, "owned by process 7", EBUSY});
    const auto armed = arm(machine_, notes_, plan_, {});
    ASSERT_FALSE(armed);
    EXPECT_EQ(armed.error().os_error, EBUSY);
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
}

// The seeds that the module was armed with in iterations 1 to 'count'.
std::vector<std::string> armed_with(std::uint64_t seed, unsigned count) {
    test::FakeTree tree;
    test::FakeControl control;
    auto log = board::KernelLog::none();
    Machine machine{board::Devices(tree.files()), board::Modules(), log, control, {}};
    Quiet progress;
    IterationOptions options;
    options.seed = seed;
    for (options.number = 1; options.number <= count; ++options.number)
        EXPECT_TRUE(arm(machine, progress, {}, options));
    std::vector<std::string> out;
    for (const auto& line : control.requests())
        if (line.verb == "arm")
            out.push_back(line.get("seed"));
    return out;
}

TEST(Seed, EveryIterationIsArmedWithOneOfItsOwn) {
    const auto seeds = armed_with(1, 4);
    EXPECT_EQ(seeds.size(), 4U);
    EXPECT_EQ(std::set(seeds.begin(), seeds.end()).size(), 4U);
}

TEST(Seed, TheSameSeedArmsWithTheSameSeedsAgain) {
    EXPECT_EQ(armed_with(7, 2), armed_with(7, 2));
    EXPECT_NE(armed_with(7, 2), armed_with(8, 2));
}

TEST(Seed, NeighboursAreFarApart) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed)
        for (unsigned iteration = 1; iteration <= 1000; ++iteration)
            seen.insert(seed_of(seed, iteration));
    EXPECT_EQ(seen.size(), 100'000U);
    EXPECT_LT(*seen.rbegin(), std::uint64_t{1} << 63);
    EXPECT_EQ(seed_of(1, 1), 0x488516f644812e60U)
        << "a journal's seed would no longer repeat its run";
}

} // namespace
} // namespace dmarace::campaign
