// SPDX-License-Identifier: GPL-2.0-or-later
// What ends a campaign or its boot, how each iteration is armed, and legs of a run whose
// iterations are boots, as far as they need no kernel.
#include "campaign/campaign.hpp"
#include "campaign/iteration.hpp"
#include "campaign/restore.hpp"
#include "campaign/steps.hpp"
#include "fake_machine.hpp"
#include "report/report.hpp"
#include "results.hpp"
#include "run/files.hpp"
#include "run/run_dir.hpp"

#include <gmock/gmock.h>

#include <set>

namespace dmarace::campaign {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Property;
using testing::StartsWith;
using verdict::FailureKind;
using verdict::Verdict;

// One iteration a boot.
run::Run run_of(const std::vector<Verdict>& verdicts) {
    run::Run run;
    for (const auto verdict : verdicts) {
        run.boots.push_back(run.ended.size());
        auto& end = run.ended.emplace_back();
        end.iteration = static_cast<unsigned>(run.ended.size());
        end.judgement.verdict = verdict;
    }
    return run;
}

constexpr auto P = Verdict::pass;
constexpr auto C = Verdict::crash;

TEST(Breaker, stops_at_three_crashes_in_five_boots) {
    EXPECT_THAT(why_stop(run_of({C, P, C, P, C}), {}), HasSubstr("3 crashes in the last 5 boots"));
    const std::pair<const char*, run::Run> going_on[] = {
        {"two crashes", run_of({C, C})},
        {"older boots do not count", run_of({C, C, P, P, P, P, C})},
        {"an oops that was judged is no crash",
         run_of({Verdict::fail, Verdict::fail, Verdict::hang})},
        {"before its first boot", {}}};
    for (const auto& [name, run] : going_on)
        EXPECT_THAT(why_stop(run, {}), IsEmpty()) << name;
    EXPECT_THAT(why_stop(run_of(std::vector<Verdict>(30, C)), {0, 0}), IsEmpty()) << "no limit";
}

TEST(Breaker, words) {
    const auto [crashes, boots] = got(crash_limit_from("7/9"));
    EXPECT_EQ(std::pair(crashes, boots), std::pair(7U, 9U));
    EXPECT_EQ(crash_limit_from("none")->crashes, 0U);
    for (const auto* bad : {"", "3", "3/", "/5", "0/5", "3/0", "-1/5", "3/5/7", "three/five"})
        EXPECT_FALSE(crash_limit_from(bad)) << bad;
}

verdict::Judgement judged(Verdict verdict, std::optional<FailureKind> kind = std::nullopt,
                          bool allowed = false) {
    verdict::Judgement made;
    made.verdict = verdict;
    if (kind)
        made.failures.push_back({*kind, "", "", "detail", {}, allowed});
    return made;
}

struct BootEnd {
    verdict::Judgement judgement;
    Fresh fresh;
    job::Risk risk;
    std::string why; // how the reason for another boot begins; "" for none
    bool untrusted;
};

// An oops or a hang ends the boot whatever the job and the option, allowed or not; a fresh
// machine on request is still restored.
TEST(Fresh, what_ends_a_boot_and_what_leaves_the_kernel_usable) {
    const auto oops = judged(Verdict::fail, FailureKind::kernel_oops);
    const auto allowed = judged(Verdict::pass, FailureKind::kernel_oops, true);
    const auto hang = judged(Verdict::hang, FailureKind::hang);
    const auto direct = judged(Verdict::fail, FailureKind::dma_direct);
    const auto pass = judged(Verdict::pass);
    using enum Fresh;
    using job::Risk;
    for (const auto& [judgement, fresh, risk, why, untrusted] :
         std::vector<BootEnd>{{oops, never, Risk::none, "oops:", true},
                              {oops, risky, Risk::none, "oops:", true},
                              {oops, always, Risk::none, "oops:", true},
                              {hang, never, Risk::none, "hang:", true},
                              {hang, risky, Risk::none, "hang:", true},
                              {hang, always, Risk::none, "hang:", true},
                              {allowed, never, Risk::none, "oops:", true},
                              {direct, never, Risk::none, "", false},
                              {direct, never, Risk::taint, "", false},
                              {direct, never, Risk::reboot, "", false},
                              {pass, risky, Risk::taint, "", false},
                              {pass, risky, Risk::reboot, "fresh:", false},
                              {pass, always, Risk::none, "fresh:", false}}) {
        const auto told = why_boot_again(judgement, fresh, risk);
        EXPECT_THAT(told, StartsWith(why));
        EXPECT_EQ(told.empty(), why.empty()) << told;
        EXPECT_EQ(!why_untrusted(judgement).empty(), untrusted) << told;
    }
}

TEST(Fresh, only_its_own_words_are_read) {
    using enum Fresh;
    for (const auto& [word, fresh] : {std::pair{"never", std::optional(never)},
                                      {"risky", risky},
                                      {"always", always},
                                      {"often", std::nullopt}})
        EXPECT_EQ(run::fresh_from(word), fresh);
}

TEST(Fresh, the_mark_holds_the_reason_until_it_is_taken) {
    const test::FakeTree tree;
    const auto& directory = tree.root();
    ASSERT_TRUE(run::mark_boot_again(directory, "oops: x"));
    EXPECT_EQ(run::take_boot_again(directory), "oops: x");
    EXPECT_EQ(run::take_boot_again(directory), std::nullopt);
    EXPECT_FALSE(run::mark_boot_again(directory / "gone", "x"));
}

struct Notes final : test::Quiet {
    void note(const std::string& text) override { texts.push_back(text); }
    std::vector<std::string> texts;
};

class ArmTest : public testing::Test, protected test::FakeMachine {
protected:
    ArmTest() {
        job::Rule rule;
        rule.name = rule.point = "really_probe";
        plan_.rules.push_back(rule);
    }

    Machine machine_ = machine();
    Notes notes_;
    job::Plan plan_;
};

TEST_F(ArmTest, opens_the_gate_with_one_request_and_after_a_lost_lease_adds_the_rules_again) {
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
    EXPECT_TRUE(notes_.texts.empty());
    control_.refuse("arm", Error{Fault::environment, "the lease ran out", EPERM});
    ASSERT_TRUE(arm(machine_, notes_, plan_, {}));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm", "arm", "clear", "rule", "arm"));
    EXPECT_THAT(notes_.texts, ElementsAre(HasSubstr("the lease ran out")));
}

TEST_F(ArmTest, any_other_refusal_stays_an_error) {
    control_.refuse("arm", Error{Fault::environment, "owned by process 7", EBUSY});
    EXPECT_TRUE(refused(arm(machine_, notes_, plan_, {}), EBUSY));
    EXPECT_THAT(control_.verbs(), ElementsAre("arm"));
}

// The seeds that the module was armed with in iterations 1 to 'count'.
std::vector<std::string> armed_with(std::uint64_t seed, unsigned count) {
    test::FakeMachine fake;
    auto machine = fake.machine();
    IterationOptions options;
    options.seed = seed;
    for (options.number = 1; options.number <= count; ++options.number)
        EXPECT_TRUE(arm(machine, fake.progress_, {}, options));
    std::vector<std::string> out;
    for (const auto& line : fake.control_.requests())
        if (line.verb == "arm")
            out.push_back(line.get("seed"));
    return out;
}

TEST(Seed, EveryIterationIsArmedWithOneOfItsOwnAndAlwaysTheSame) {
    const auto seeds = armed_with(1, 4);
    EXPECT_EQ(seeds.size(), 4U);
    EXPECT_EQ(std::set(seeds.begin(), seeds.end()).size(), 4U);
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

// What a maker of live iterations does between them.
class Live : public testing::Test, protected test::FakeMachine {
protected:
    Live() {
        tree_.file("proc/sys/kernel/tainted", "4096\n");
        job_.name = "late";
        options_.iterations = 3;
        state_.dir = got(run::RunDir::open(tree_.root() / "run", false));
        state_.taint = read_taint(machine_.devices);
    }
    // An earlier call began an iteration and wrote no end.
    void cut_off(const std::string& boot) {
        state_.run.head.run_id = "late-1";
        state_.run.before = run::Before{boot, {}, 4096};
        state_.run.boots = {0};
        state_.run.begun.push_back({1, "", {}, ""});
    }

    Machine machine_ = machine();
    job::Job job_;
    CampaignOptions options_;
    CampaignState state_{machine_, progress_, quiet_, job_, options_};
    std::unique_ptr<IterationMaker> maker_ = make_live(state_);
};

TEST_F(Live, TheTaintIsSeenWhereNoIterationGoesOn) {
    ASSERT_TRUE(state_.look_outside("the first reset"));
    EXPECT_THAT(state_.run.outside, IsEmpty());
    tree_.file("proc/sys/kernel/tainted", "4608\n"); // a warning
    ASSERT_TRUE(state_.look_outside("the baseline"));
    ASSERT_TRUE(state_.look_outside("before iteration 1"));
    ASSERT_EQ(state_.run.outside.size(), 1U);
    const auto& [where, judgement] = state_.run.outside.front();
    EXPECT_EQ(where, "the baseline");
    EXPECT_EQ(judgement.verdict, Verdict::fail);
    EXPECT_THAT(judgement.failures,
                ElementsAre(Field(&verdict::Failure::kind, FailureKind::kernel_warning)));
    EXPECT_EQ(state_.boot_again, "");
    EXPECT_THAT(tree_.text("run/journal.jsonl"), HasSubstr(R"("where":"the baseline")"));
    tree_.file("proc/sys/kernel/tainted", "4736\n"); // it died
    ASSERT_TRUE(state_.look_outside("the restore"));
    EXPECT_THAT(state_.boot_again, StartsWith("oops:"));
}

TEST_F(Live, AProgramThatEndedOnTheSameBootIsNoCrash) {
    cut_off(boot_id());
    ASSERT_TRUE(maker_->account(true));
    EXPECT_THAT(state_.run.ended, IsEmpty());
    EXPECT_EQ(state_.next_number(), 1U) << "it is made again";
    EXPECT_THAT(state_.run.outside, IsEmpty());
}

TEST_F(Live, WhatTheKernelTookFromIterationThatWasCutOffCounts) {
    tree_.file("proc/sys/kernel/tainted", "4608\n");
    cut_off(boot_id());
    ASSERT_TRUE(maker_->account(true));
    ASSERT_EQ(state_.run.outside.size(), 1U);
    EXPECT_EQ(state_.run.outside.front().where, "iteration 1, interrupted");
}

// One that was restored has the boot_id that it was kept with.
TEST_F(Live, AnotherLifeOfTheSameBootIsACrash) {
    cut_off(boot_id());
    ASSERT_EQ(setenv(run::kLife, "2", 1), 0);
    const auto done = maker_->account(true);
    unsetenv(run::kLife);
    ASSERT_TRUE(done);
    ASSERT_EQ(state_.run.ended.size(), 1U);
    EXPECT_EQ(state_.run.ended.front().judgement.verdict, Verdict::crash);
}

TEST_F(Live, AMachineThatWentDownIsACrash) {
    cut_off("another boot");
    ASSERT_TRUE(maker_->account(true));
    ASSERT_EQ(state_.run.ended.size(), 1U);
    EXPECT_EQ(state_.run.ended.front().judgement.verdict, Verdict::crash);
}

TEST_F(Live, ADurationIsWhatTheIterationsTookAndNoClockThatIsSet) {
    options_.iterations.reset();
    options_.duration = std::chrono::hours(1);
    state_.since = boottime();
    state_.run.head.started = "2020-01-01T00:00:00Z";
    EXPECT_TRUE(state_.is_left());
    state_.spent = std::chrono::minutes(59);
    EXPECT_TRUE(state_.is_left());
    state_.spent = std::chrono::minutes(60);
    EXPECT_FALSE(state_.is_left());
}

TEST_F(Live, AFullQuotaStopsTheRunAndSaysSo) {
    options_.quota = 1'000'000;
    state_.dir->limit(options_.quota);
    EXPECT_TRUE(state_.wanted());
    state_.dir->foresee(std::string(300'000, 'x'), true);
    EXPECT_FALSE(state_.wanted());
    ASSERT_TRUE(state_.stop);
    EXPECT_EQ(state_.stop->how, run::RunEnding::stopped);
    EXPECT_THAT(state_.stop->why, HasSubstr("1.0 MB of --quota"));
    EXPECT_TRUE(state_.is_left()) << "so a larger one goes on";
}

TEST_F(Live, WhatIsDoneIsNotStopped) {
    options_.iterations = 1;
    state_.dir->limit(1'000'000);
    state_.dir->foresee(std::string(300'000, 'x'), true);
    state_.run.ended.emplace_back();
    EXPECT_FALSE(state_.wanted());
    EXPECT_FALSE(state_.stop);
}

// There is no module to ask.
TEST_F(Live, ABaselineThatCouldNotBeTakenIsAnError) {
    job_.expect.dma = job::Dma::baseline;
    EXPECT_TRUE(refused(maker_->prepare({}), "no baseline"));
}

TEST(PhaseClock, tells_each_phase_once_it_is_over) {
    PhaseClock clock;
    EXPECT_EQ(clock.take(), "");
    clock.enter("guard");
    clock.enter("act");
    const auto told = clock.take();
    EXPECT_TRUE(told.starts_with("guard=0.0") && told.find(" act=0.0") != told.npos) << told;
    clock.enter("verdict");
    EXPECT_TRUE(clock.take().starts_with("verdict=0.0"));
}

struct Interrupted final : RunInterrupts {
    int descriptor() const override { return -1; }
    unsigned count() override { return 1; }
};

TEST_F(Live, AnInspectionHeedsAnInterrupt) {
    Interrupted interrupts;
    verdict::Observed observed;
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(inspect(machine_, interrupts, {}, true, observed));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
    EXPECT_EQ(observed.error, "");
}

class AtBoot : public testing::Test, protected test::FakeMachine {
protected:
    AtBoot() {
        tree_.file("usr/sbin/update-initramfs").dir("var/lib/dmarace").dir("run");
        tree_.file("usr/share/initramfs-tools/hooks/dmarace");
        job_.name = "late";
        job_.at_boot = true;
        options_.at_boot = true;
        options_.fresh = Fresh::always;
        options_.out = tree_.root() / "run";
        options_.words = {"late"};
    }
    board::BootFiles files() const {
        return {tree_.root(), [](const std::vector<std::string>&) -> Result<int> { return 0; }};
    }
    // As the legs before have left it: the run waits for the boot after 'boot'.
    void waits(const std::string& job, const std::string& boot, const std::string& more = "") {
        run::RunHead head;
        head.job = job;
        head.run_id = job + "-1";
        head.started = "2026-11-28T00:00:00Z";
        head.planned = planned_;
        tree_.file("run/journal.jsonl", run::to_journal(head) + "\n" +
                                            run::to_journal(run::Before{boot, {}}) + "\n" + more);
        ASSERT_TRUE(files().arm({job + "-1", {"rule name=a point=x"}, {}, {}}, {job}, false));
    }
    Result<Ran> leg(bool resume) {
        options_.resume = resume;
        auto here = machine();
        return run_job(here, progress_, quiet_, job_, options_, files());
    }
    std::string journal() const { return tree_.text("run/journal.jsonl"); }

    unsigned planned_ = 1;
    job::Job job_;
    CampaignOptions options_;
};

TEST_F(AtBoot, AnotherRunThatWaitsIsLeftAlone) {
    waits("other", "boot-1");
    const auto before = journal();
    EXPECT_TRUE(refused(leg(true), Fault::usage));
    EXPECT_EQ(journal(), before);
    EXPECT_TRUE(files().waiting());
    options_.out = tree_.root() / "new";
    EXPECT_TRUE(refused(leg(false), "other-1"));
    EXPECT_EQ(files().waiting()->run_id, "other-1");
    EXPECT_FALSE(std::filesystem::exists(options_.out));
}

TEST_F(AtBoot, ABootThatHasNotComeIsWaitedFor) {
    waits("late", boot_id());
    const auto ran = got(leg(true));
    EXPECT_THAT(ran.boot_again, HasSubstr("has not booted yet"));
    EXPECT_EQ(report::overall(ran.run), verdict::Verdict::inconclusive);
}

TEST_F(AtBoot, ABootThatWentDownWhileItWasJudgedIsACrash) {
    waits("late", "boot-1",
          run::to_journal(run::IterationBegin{1, "", {"judge the boot"}, "boot-2"}) + "\n");
    const auto ran = got(leg(true));
    EXPECT_EQ(report::overall(ran.run), verdict::Verdict::crash);
    EXPECT_EQ(ran.run.ended.at(0).boot, "boot-2");
    EXPECT_EQ(ran.boot_again, "");
    EXPECT_FALSE(files().armed());
}

TEST_F(AtBoot, WhatTheModuleKeptIsJudged) {
    waits("late", "boot-1");
    control_.told(Line{"gate", {{"why", "load"}, {"ts", "5"}}});
    got(leg(true));
    EXPECT_THAT(tree_.text("run/events.log"), HasSubstr("gate why=load"));
    EXPECT_THAT(journal(), Not(HasSubstr("somebody else has read")));
    EXPECT_FALSE(files().armed());
}

TEST_F(AtBoot, TheDurationEndsIt) {
    run::IterationEnd took_an_hour{1, {}};
    took_an_hour.judgement.verdict = verdict::Verdict::pass;
    took_an_hour.seconds = 3600;
    took_an_hour.boot = "boot-1";
    planned_ = 0;
    waits("late", "boot-1", run::to_journal(took_an_hour) + "\n");
    options_.duration = std::chrono::hours(1);
    options_.iterations = std::nullopt;
    const auto ran = got(leg(true));
    EXPECT_EQ(ran.run.ended.size(), 1U);
    EXPECT_EQ(ran.boot_again, "");
}

TEST(BootReach, TellsWhatComesAfterTheInitramfsHasBegun) {
    Survey survey;
    survey.iommu_module = "virtio_iommu";
    survey.devices = {test::surveyed("pci", "a", "e1000e"), test::surveyed("pci", "b", "drv"),
                      test::surveyed("pci", "c", "drv")};
    survey.devices[1].driver_module = ""; // built in
    survey.devices[2].endpoint = false;   // a bridge
    EXPECT_THAT(
        boot_reach(survey),
        ElementsAre(Property(&BootReach::text, "virtio_iommu and e1000e load after dmarace"),
                    Property(&BootReach::text, "virtio_iommu loads after dmarace")));
}

TEST(BootReach, SaysSoWhereBothAreBuiltIn) {
    Survey survey;
    survey.devices = {test::surveyed("pci", "a", "drv")};
    survey.devices[0].driver_module = "";
    EXPECT_THAT(boot_reach(survey),
                ElementsAre(AllOf(Field(&BootReach::modules, IsEmpty()),
                                  Property(&BootReach::text, HasSubstr("built in")))));
}

} // namespace
} // namespace dmarace::campaign
