// SPDX-License-Identifier: GPL-2.0-or-later
// Legs of a run whose iterations are boots, as far as they need no kernel.
#include "campaign/campaign.hpp"
#include "campaign/restore.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"
#include "report/report.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using test::NoInterrupts;
using test::Quiet;
using testing::HasSubstr;
using testing::Not;

class AtBoot : public testing::Test {
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
        head.planned = 1;
        tree_.file("run/journal.jsonl", run::to_journal(head) + "\n" +
                                            run::to_journal(run::Before{boot, {}}) + "\n" + more);
        ASSERT_TRUE(files().arm({job + "-1", {"rule name=a point=x"}, {}, {}}, {job}, false));
    }
    Result<Ran> leg(bool resume) {
        options_.resume = resume;
        Machine machine{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
        return run_job(machine, progress_, quiet_, job_, options_, files());
    }
    std::string journal() const { return tree_.text("run/journal.jsonl"); }

    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Quiet progress_;
    NoInterrupts quiet_;
    job::Job job_;
    CampaignOptions options_;
};

TEST_F(AtBoot, ARunOfAnotherJobIsLeftAlone) {
    waits("other", "boot-1");
    const auto before = journal();
    const auto ran = leg(true);
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().fault, Fault::usage);
    EXPECT_EQ(journal(), before);
    EXPECT_TRUE(files().waiting());
}

TEST_F(AtBoot, AnotherRunThatWaitsIsLeftAlone) {
    waits("other", "boot-1");
    options_.out = tree_.root() / "new";
    const auto ran = leg(false);
    ASSERT_FALSE(ran);
    EXPECT_THAT(ran.error().message, HasSubstr("other-1"));
    EXPECT_EQ(files().waiting()->run_id, "other-1");
    EXPECT_FALSE(std::filesystem::exists(options_.out));
}

TEST_F(AtBoot, ABootThatHasNotComeIsWaitedFor) {
    waits("late", boot_id());
    const auto ran = leg(true);
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_THAT(ran->boot_again, HasSubstr("has not booted yet"));
    EXPECT_EQ(report::overall(ran->run), verdict::Verdict::inconclusive);
}

TEST_F(AtBoot, ABootThatWentDownWhileItWasJudgedIsACrash) {
    waits("late", "boot-1",
          run::to_journal(run::IterationBegin{1, "", {"judge the boot"}, "boot-2"}) + "\n");
    const auto ran = leg(true);
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(report::overall(ran->run), verdict::Verdict::crash);
    EXPECT_EQ(ran->run.ended.at(0).boot, "boot-2");
    EXPECT_EQ(ran->boot_again, "");
    EXPECT_FALSE(files().armed());
}

TEST_F(AtBoot, WhatTheModuleKeptIsJudged) {
    waits("late", "boot-1");
    control_.told(Line{"gate", {{"why", "load"}, {"ts", "5"}}});
    const auto ran = leg(true);
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_THAT(tree_.text("run/events.log"), HasSubstr("gate why=load"));
    EXPECT_THAT(journal(), Not(HasSubstr("somebody else has read")));
    EXPECT_FALSE(files().armed());
}

TEST_F(AtBoot, TheDurationEndsIt) {
    waits("late", "boot-1");
    options_.duration = std::chrono::hours(1);
    options_.iterations = std::nullopt;
    const auto ran = leg(true);
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_TRUE(ran->run.ended.empty());
    EXPECT_EQ(ran->boot_again, "");
}

SurveyedDevice client(const std::string& name, const std::string& module) {
    SurveyedDevice out;
    out.device.bus = "pci";
    out.device.name = name;
    out.driver = "drv";
    out.driver_module = module;
    out.behind_iommu = true;
    return out;
}

TEST(BootReach, TellsWhatComesAfterTheInitramfsHasBegun) {
    Survey survey;
    survey.iommu_module = "virtio_iommu";
    survey.devices = {client("a", "e1000e"), client("b", "")};
    auto bridge = client("c", "");
    bridge.endpoint = false;
    survey.devices.push_back(bridge);
    const auto reach = boot_reach(survey);
    ASSERT_EQ(reach.size(), 2U);
    EXPECT_EQ(reach[0].text(), "virtio_iommu and e1000e load after dmarace");
    EXPECT_EQ(reach[1].text(), "virtio_iommu loads after dmarace");
}

TEST(BootReach, SaysSoWhereBothAreBuiltIn) {
    Survey survey;
    survey.devices = {client("a", "")};
    const auto reach = boot_reach(survey);
    ASSERT_EQ(reach.size(), 1U);
    EXPECT_TRUE(reach[0].modules.empty());
    EXPECT_THAT(reach[0].text(), HasSubstr("built in"));
}

} // namespace
} // namespace dmarace::campaign
