// SPDX-License-Identifier: GPL-2.0-or-later
// A whole search whose runs are scripts: what is a finding, what the quiet runs take away, how it
// goes on after the machine was booted.
#include "base/files.hpp"
#include "explore/explore.hpp"
#include "fake_machine.hpp"
#include "job/load.hpp"
#include "kmod/dmarace_abi.h"
#include "results.hpp"
#include "run/run_dir.hpp"

#include <gmock/gmock.h>

namespace dmarace::explore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using verdict::FailureKind;
using verdict::Verdict;

constexpr const char* kSet = R"(name = "set"
summary = "two that sleep"
[[actor]]
name = "a"
steps = ["sleep 1ms"]
[[actor]]
name = "b"
steps = ["sleep 2ms"]
)";

struct Silent final : ExploreProgress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string&) override {}
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}
    void state(const Explored&, const std::string&) override {}
    void tried(const TriedSchedule&) override {}
};

Line hit(const char* point, const char* actor, int ts) {
    return {
        DMARACE_E_HIT,
        {{DMARACE_K_TS, std::to_string(ts)}, {DMARACE_K_POINT, point}, {DMARACE_K_ACTOR, actor}}};
}

class ExploreSearch : public testing::Test, protected test::FakeMachine {
protected:
    ExploreSearch() {
        set_ = got(search::acts_of(*job::load(kSet, "set")));
        options_.out = out_.root();
        options_.command = "explore set";
        options_.prove = 2;
    }

    // What a run of that job comes to: a is parked at the exit of this point.
    static bool parks_a(const job::Job& job, const char* point) {
        return std::ranges::any_of(job.rules, [&](const auto& rule) {
            return rule.holds() && rule.actor == "a" && rule.point == point &&
                   rule.on == DMARACE_ON_EXIT;
        });
    }

    Result<campaign::Ran> make(const job::Job& job, const campaign::CampaignOptions& options) {
        made_.push_back(options.out.filename().string());
        known_ = options.allow.size();
        TRY_AS(auto dir, run::RunDir::open(options.out, options.resume));
        run::Run run;
        run.head.job = job.name;
        TRY(dir.append(run::to_journal(run.head), true));
        TRY(dir.append(run::to_journal(run::Before{"this", {}, 0}), true));
        std::string boot;
        for (unsigned i = 1; i <= *options.iterations && boot.empty(); ++i) {
            run::IterationEnd end;
            end.iteration = i;
            end.judgement.verdict = Verdict::pass;
            const bool elsewhere = oops_at_two_ && options.holds && parks_a(job, "bus_iommu_probe");
            const bool held = elsewhere || (options.holds && parks_a(job, "probe_iommu_group")) ||
                              (lucky_ && made_.back() == "q3");
            for (const auto& rule : job.rules)
                if (rule.holds()) {
                    auto& count = end.judgement.rules.emplace_back();
                    count.rule = rule.name;
                    count.holds = true;
                    count.hits = reached_ || rule.actor == "a" ? 1 : 0;
                }
            if (held && !end.judgement.rules.empty())
                end.judgement.rules[0].hits = 1;
            if (held || noisy_) {
                end.judgement.verdict = Verdict::fail;
                end.judgement.failures.push_back({oops_at_two_ ? FailureKind::kernel_oops
                                                  : held       ? FailureKind::dma_direct
                                                               : FailureKind::kernel_warning,
                                                  "",
                                                  "",
                                                  elsewhere ? "kernel BUG at lib/list_debug.c:65!"
                                                            : "kernel BUG at lib/list_debug.c:56!",
                                                  {"a line"},
                                                  false});
            }
            if (held && made_.back() == oops_run_)
                boot = "oops: x";
            TRY(dir.append(run::to_journal(run::IterationBegin{i, "", {}, ""}), true));
            TRY(dir.append(run::to_journal(end), true));
            verdict::Observed observed;
            observed.iteration = i;
            if (!nobody_passes_)
                observed.events = {hit("bus_iommu_probe", "a", 1), hit("probe_iommu_group", "a", 2),
                                   hit("bus_iommu_probe", "b", 3)};
            TRY(dir.log(observed));
            run.ended.push_back(end);
        }
        if (made_.back() == dies_behind_)
            return fail(Fault::environment, "the machine is gone");
        run.end = run::RunEnd(run::RunEnding::done, "done");
        TRY(dir.append(run::to_journal(*run.end), true));
        return campaign::Ran{run, boot};
    }

    Result<Explored> tried() {
        made_.clear();
        auto machine = this->machine();
        Silent silent;
        return explore(machine, silent, quiet_, set_, options_,
                       [this](const auto& job, const auto& options) { return make(job, options); });
    }
    Explored search() { return got(tried()); }

    test::FakeTree out_;
    search::ActSet set_;
    ExploreOptions options_;
    std::vector<std::string> made_;
    std::size_t known_ = 0; // of the board, in the last run
    bool noisy_ = false, lucky_ = false, nobody_passes_ = false, reached_ = false,
         oops_at_two_ = false;
    std::string oops_run_, dies_behind_;
};

TEST_F(ExploreSearch, FindsProvesAndTells) {
    const auto explored = search();
    EXPECT_EQ(explored.tried.size(), 5U); // entry and exit of two; b does not come to its own
    ASSERT_EQ(explored.findings.size(), 1U);
    const auto& finding = explored.findings[0];
    EXPECT_THAT(finding.failures, ElementsAre(to_text(FailureKind::dma_direct)));
    EXPECT_EQ(finding.what, "a parked at exit of probe_iommu_group while b");
    ASSERT_TRUE(finding.proof);
    EXPECT_EQ(finding.proof->whole, 2U);
    EXPECT_EQ(finding.proof->without, 0U);
    EXPECT_EQ(finding.proof->note, "");
    EXPECT_EQ(explored.left, 0U);
    const auto text = out_.text("findings/01/set-01.toml");
    EXPECT_TRUE(job::load(text, "f")) << text;
    EXPECT_THAT(text, HasSubstr("# 1. 'a' (sleep 1ms) runs until it is at the end of"));
    EXPECT_THAT(out_.text("findings/01/story.txt"), HasSubstr("fails 2 of 2 with the hold"));
    EXPECT_THAT(out_.text("explore.txt"), HasSubstr("Finding 01: fail"));
}

TEST_F(ExploreSearch, WhatShowsWithNobodyHeldIsNone) {
    noisy_ = true;
    const auto explored = search();
    EXPECT_THAT(explored.quiet, ElementsAre(to_text(FailureKind::kernel_warning)));
    ASSERT_EQ(explored.findings.size(), 1U);
    // .. nor does it prove anything, nor say that a place was reached.
    EXPECT_EQ(explored.findings[0].proof->without, 0U);
    for (const auto& one : explored.tried)
        EXPECT_EQ(one.end, one.why.starts_with("dma-direct")  ? "failed"
                           : one.what.starts_with("b parked") ? "not reached"
                                                              : "quiet")
            << one.what;
}

// All at once is a schedule as well: what luck meets there is a race, and hides none.
TEST_F(ExploreSearch, WhatLuckMeetsIsSaidAndStaysAFinding) {
    lucky_ = true;
    const auto explored = search();
    EXPECT_THAT(explored.quiet, testing::IsEmpty());
    EXPECT_THAT(explored.met, ElementsAre(to_text(FailureKind::dma_direct)));
    EXPECT_EQ(explored.findings.size(), 1U);
    EXPECT_THAT(out_.text("explore.txt"), HasSubstr("Met by luck"));
}

TEST_F(ExploreSearch, NothingToTryIsNoPass) {
    nobody_passes_ = true;
    const auto explored = tried();
    ASSERT_FALSE(explored);
    EXPECT_EQ(explored.error().fault, Fault::untestable);
    EXPECT_THAT(explored.error().message, HasSubstr("no place"));
}

TEST_F(ExploreSearch, TwoHoldsThatOneSufficesForAreTheFindingOfThatOne) {
    options_.bound = 2;
    reached_ = true;
    const auto explored = search();
    ASSERT_EQ(explored.findings.size(), 1U);
    EXPECT_EQ(explored.findings[0].what, "a parked at exit of probe_iommu_group while b");
    EXPECT_GE(explored.findings[0].also.size(), 3U);
}

TEST_F(ExploreSearch, AnOopsElsewhereIsAnotherFinding) {
    oops_at_two_ = true;
    const auto explored = search();
    ASSERT_EQ(explored.findings.size(), 2U);
    EXPECT_THAT(explored.findings[0].where, ElementsAre("lib/list_debug.c:65"));
    EXPECT_THAT(explored.findings[1].where, ElementsAre("lib/list_debug.c:56"));
    EXPECT_THAT(out_.text("explore.txt"), HasSubstr("kernel-oops, at lib/list_debug.c:56"));
}

// Runs are read by their names: those of another list are none of this one's.
TEST_F(ExploreSearch, AnotherListIsNotMixedWithWhatHasRun) {
    (void)search();
    options_.resume = true;
    options_.seed = 7;
    const auto explored = tried();
    ASSERT_FALSE(explored);
    EXPECT_THAT(explored.error().message, HasSubstr("another search"));
}

TEST_F(ExploreSearch, AMachineThatDiesBehindAScheduleDidNotPass) {
    dies_behind_ = "s0002";
    EXPECT_FALSE(tried());
    options_.resume = true;
    dies_behind_ = "";
    const auto explored = search();
    ASSERT_FALSE(explored.findings.empty());
    EXPECT_EQ(explored.findings[0].run, "s0002");
    EXPECT_EQ(explored.findings[0].verdict, "crash");
}

TEST_F(ExploreSearch, WhatIsKnownOfTheBoardHoldsInEachRun) {
    options_.allow.resize(2);
    search();
    EXPECT_EQ(known_, 2U);
}

TEST_F(ExploreSearch, GoesOnWhereItWas) {
    const auto whole = search();
    const auto list = out_.text("schedules.txt");
    options_.resume = true;
    const auto again = search();
    EXPECT_TRUE(made_.empty()) << made_.front();
    EXPECT_EQ(again.findings.size(), whole.findings.size());
    EXPECT_EQ(again.tried.size(), whole.tried.size());
    EXPECT_EQ(out_.text("schedules.txt"), list);
}

TEST_F(ExploreSearch, AsksForABootAndProvesAfterIt) {
    options_.stop_after = 1;
    const auto order = search();
    test::FakeTree other;
    options_.out = other.root();
    oops_run_ = order.findings.at(0).run;
    auto explored = search();
    EXPECT_EQ(explored.boot_again, "oops: x");
    EXPECT_FALSE(explored.findings.at(0).proof);
    options_.resume = true;
    explored = search();
    EXPECT_EQ(explored.boot_again, "");
    EXPECT_TRUE(explored.findings.at(0).proof);
    EXPECT_THAT(made_, ElementsAre("p01", "p-free-01"));
}

search::Candidate candidate_at(const char* function, std::vector<bool> exits) {
    search::Candidate one;
    one.act_a = "a";
    one.act_b = "b";
    one.a.chain = one.b.chain = {{function, 0}};
    for (const bool exit : exits) {
        search::Park park;
        park.function = function;
        park.exit = exit;
        one.parks_a.push_back(park);
    }
    return one;
}

// What was predicted needs no points of the table, so nobody has to be watched passing them first.
TEST_F(ExploreSearch, NobodyIsHeldLateWhereThatIsEnough) {
    const auto one = candidate_at("probe_iommu_group", {false, true});
    options_.acts = {"a", "b"};
    options_.candidates = {one};
    options_.all_points = false;
    auto explored = search();
    EXPECT_THAT(made_, ElementsAre("s0001", "s0002", "q1", "q2", "q3", "p01", "p-free-01"));
    ASSERT_EQ(explored.findings.size(), 1U);
    EXPECT_THAT(explored.findings[0].failures, ElementsAre(to_text(FailureKind::dma_direct)));
    // Noise is none here either.
    test::FakeTree other;
    options_.out = other.root();
    noisy_ = true;
    explored = search();
    EXPECT_THAT(made_, ElementsAre("s0001", "q1", "q2", "q3", "s0002", "p01", "p-free-01"));
    EXPECT_EQ(explored.findings.size(), 1U);
}

// Acts are watched one after the other where what they do alone was tried in vain.
TEST_F(ExploreSearch, LooksOnceMoreWhereTheFirstLookWasNotEnough) {
    options_.acts = {"a", "b"};
    options_.all_points = false;
    options_.stop_after = 1;
    options_.watching = 7;
    options_.candidates = {candidate_at("bus_iommu_probe", {false})};
    unsigned asked = 0;
    options_.predict_more = [&]() -> Result<Predicted> {
        ++asked;
        return Predicted{{options_.candidates[0], candidate_at("probe_iommu_group", {true})}, ""};
    };
    auto explored = search();
    EXPECT_EQ(asked, 1U);
    EXPECT_THAT(made_, ElementsAre("s0001", "s0002", "q1", "q2", "q3", "p01", "p-free-01"));
    EXPECT_EQ(explored.findings.size(), 1U);
    EXPECT_GE(explored.seconds, 7);
    const auto list = out_.text("schedules.txt");
    EXPECT_THAT(list, HasSubstr("s0002  a parked at exit of probe_iommu_group"));
    // One that is taken up knows at first less than it knew.
    options_.resume = true;
    explored = search();
    EXPECT_EQ(explored.findings.size(), 1U);
    EXPECT_EQ(out_.text("schedules.txt"), list);
    // Nobody looks again where the first look was enough.
    test::FakeTree other;
    options_.out = other.root();
    options_.resume = false;
    options_.candidates = {candidate_at("probe_iommu_group", {true})};
    search();
    EXPECT_EQ(asked, 2U);
}

} // namespace
} // namespace dmarace::explore
