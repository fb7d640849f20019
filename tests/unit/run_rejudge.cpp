// SPDX-License-Identifier: GPL-2.0-or-later
// What an iteration observed, written, read back and judged anew.
#include "results.hpp"
#include "run/recording.hpp"
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::run {
namespace {

using namespace verdict::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using verdict::Judgement;
using verdict::Verdict;

constexpr const char* kHead = "{\"t\":\"run\",\"schema\":1,\"job\":\"x\",\"run_id\":\"1\"}\n";

// A journal with the iteration as it was judged.
std::string journal_of(const Scene& scene, const Judgement& judgement) {
    IterationBegin begin;
    begin.iteration = scene.observed.iteration;
    IterationEnd end;
    end.iteration = scene.observed.iteration;
    end.judgement = judgement;
    std::string text = kHead + to_journal(begin) + "\n";
    for (const auto& step : scene.observed.steps)
        text += to_journal(step, scene.observed.iteration) + "\n";
    return text + to_journal(end) + "\n";
}

Recording recording_of(const Scene& scene) {
    const auto& found = scene.observed.found;
    return {.journal = journal_of(scene, scene.judged()),
            .events = event_lines(scene.observed),
            .log = log_lines(scene.observed),
            .observed = (found ? board_lines({}, found.get()) : "") +
                        baseline_lines(scene.baseline) + observed_lines(scene.observed)};
}

// To the last word, evidence and notes included.
std::string shown(const Judgement& judgement) {
    IterationEnd end;
    end.judgement = judgement;
    return to_journal(end);
}

struct Shape {
    const char* name;
    void (*make)(Scene&);
};

const Shape kShapes[] = {
    {"Good", [](Scene&) {}},
    {"Direct", [](Scene& s) { s.bound(kDirect).settled(kClient, kDirect); }},
    {"BoundTwice", [](Scene& s) { s.bound(kGood).bound(changed(kGood, "domain_id=0xff")); }},
    {"ALeak",
     [](Scene& s) {
         for (const auto& device : {kClient, kOther})
             s.observed.before.push_back(audited(device, changed(kGood, "iommu_refs=10")));
         s.settled(kClient, changed(kGood, "iommu_refs=11"))
             .settled(kOther, changed(kGood, "iommu_refs=11"));
     }},
    {"TheKernelsLog",
     [](Scene& s) {
         s.logged("WARNING: CPU: 1 PID: 2 at drivers/iommu/iommu.c:123 x+0x1/0x2")
             .logged("virtio-pci 0000:00:02.0: deferred probe pending", kClient);
         s.observed.log.push_back({.ts = 5, .level = 6, .text = "  [odd] ] line", .device = ""});
     }},
    {"AStuckActor",
     [](Scene& s) {
         s.observed.actors.push_back(
             {"client", verdict::ActorEnd::How::stuck, "a+0x1\nb \"c\" \\d\ne"});
         s.observed.blocked.push_back({"kworker[12]", "x\ny"});
     }},
    {"AnOops",
     [](Scene& s) {
         s.observed.actors.push_back({"client", verdict::ActorEnd::How::killed, ""});
         s.observed.taint_after = 640;
     }},
    {"Cancelled",
     [](Scene& s) {
         s.observed.actors.push_back({"client", verdict::ActorEnd::How::cancelled, ""});
     }},
    {"StepsThatFailed", [](Scene& s) { s.did("bind", kClient, 16).did("unbind", kClient); }},
    {"AWriteToAType",
     [](Scene& s) {
         auto write = step("type", kClient);
         write.text = "type " + kClient + " identity";
         write.began = 5;
         write.ended = 9;
         types::TypeStep type{.group = 1, .devices = 1, .word = "identity"};
         type.act.what = types::TypeAct::What::write;
         type.act.asked = types::TypeWord::identity;
         type.act.before = types::TypeWord::dma;
         type.act.after = types::TypeWord::dma;
         type.act.bound = types::BoundSeen::yes;
         write.type = type;
         s.observed.steps.push_back(write);
     }},
    {"NotSettled", [](Scene& s) { s.observed.settle_failed = "probes still run:\n x"; }},
    {"TheHarness",
     [](Scene& s) {
         s.observed.error = "cannot read: No such file";
         s.observed.lease_lost = true;
     }},
    {"LostEvents",
     [](Scene& s) {
         s.observed.lost_events = 3;
         s.happened(event("lost n=3"));
     }},
    {"NotHit",
     [](Scene& s) {
         s.observed.counts[0].hits = s.observed.counts[0].met = 0;
         s.observed.counts[0].armed = false;
     }},
    {"AGroup",
     [](Scene& s) {
         s.observed.groups.push_back(
             {.number = 1, .type = "identity", .devices = {kClient, kOther}});
     }},
    {"AgainstWhatWasFound",
     [](Scene& s) {
         verdict::FoundBoard found;
         found.empty_groups = {"4", "7"};
         found.devices[kClient] = {.device = kClient, .driver = "e1000e", .group = 1};
         found.devices[kOther] = {.device = kOther, .driver = "nvme", .group = 1};
         found.iommus = {{.instance = "smmu3.0", .device = "9050000.smmuv3"}};
         found.devices[kOther].aliases = {"0000:02:00.0"};
         found.streams = {{.iommu = "9050000.smmuv3", .id = 0x10, .first = 0x200, .count = 9},
                          {.iommu = "9050000.smmuv3", .device = kClient, .id = 7, .ignored = 8}};
         for (const auto* sid : {"0x10", "0xf"})
             s.logged("arm-smmu-v3 9050000.smmuv3: event: X client: x sid: " + std::string(sid));
         s.observed.found = std::make_shared<const verdict::FoundBoard>(found);
         s.observed.compared = true;
         s.observed.changed = {{.device = kClient, .there = false}, {.device = kOther, .group = 2}};
         s.observed.groups = {{4, "DMA", {}}, {5, "DMA", {}}};
         s.observed.failed_acts = {{.actor = "binder",
                                    .what = types::TypeAct::What::bind,
                                    .device = kOther,
                                    .os_error = 12,
                                    .count = 3}};
     }},
    {"AgainstABaseline",
     [](Scene& s) { s.expects(job::Dma::baseline).known().settled(kClient, kDirect); }},
    {"WithoutHolds", [](Scene& s) { s.observed.holds = false; }},
};

TEST(RunRecording, EventsHaveTheAuditsThatEvidenceCites) {
    Scene scene;
    scene.settled(kClient, kDirect);
    const auto text = event_lines(scene.observed);
    const auto cited = dmarace::to_text(verdict::to_line(scene.observed.settled.back()));
    EXPECT_NE(text.find("\n" + cited + "\n"), std::string::npos) << text;
}

TEST(RunRecording, IsJudgedAsItWas) {
    for (const auto& shape : kShapes) {
        Scene scene;
        shape.make(scene);
        const auto read = got(read_recording(recording_of(scene)));
        ASSERT_EQ(read.size(), 1U) << shape.name;
        const auto& [number, recorded] = *read.begin();
        EXPECT_EQ(number, scene.observed.iteration) << shape.name;
        const auto again =
            verdict::judge(scene.plan, scene.allow, recorded.board->baseline, recorded.observed);
        EXPECT_EQ(shown(again), shown(scene.judged())) << shape.name;
    }
}

// The recording judged anew by a job whose plan is the scene's, against the run of a journal.
Result<Rejudgement> anew(const Scene& scene, const Recording& recording,
                         const std::string& journal) {
    job::Job job;
    job.name = "x";
    job.rules = scene.plan.rules;
    job.expect = scene.plan.expect;
    return rejudge(got(read_journal(journal)), job, recording);
}

Rejudgement anew(const Scene& scene, const Recording& recording) {
    return got(anew(scene, recording, recording.journal));
}

TEST(RunRejudge, SaysWhatChanged) {
    Scene scene;
    scene.bound(kDirect).settled(kClient, kDirect);
    auto recording = recording_of(scene);
    Judgement wrong;
    wrong.verdict = Verdict::pass;
    recording.journal = journal_of(scene, wrong);
    const auto now = anew(scene, recording);
    EXPECT_EQ(now.changed, 1U);
    EXPECT_EQ(now.run.ended[0].judgement.verdict, Verdict::fail);
    EXPECT_EQ(shown(now.run.ended[0].judgement), shown(scene.judged()));
    EXPECT_THAT(now.notes, ElementsAre(HasSubstr("iteration 1: pass, now fail (dma-direct")));
}

TEST(RunRejudge, AsBeforeIsNoChange) {
    const Scene scene;
    const auto now = anew(scene, recording_of(scene));
    EXPECT_EQ(now.changed, 0U);
    EXPECT_THAT(now.notes, ElementsAre());
}

TEST(RunRejudge, ARunOfAnOlderDmaraceCannotBeJudged) {
    const Scene scene;
    auto recording = recording_of(scene);
    recording.observed = "";
    EXPECT_TRUE(
        refused(anew(scene, recording, recording.journal), Fault::usage, "cannot be judged anew"));
}

TEST(RunRejudge, WhatWasCutOffIsNoIteration) {
    Scene scene;
    scene.bound(kGood);
    const auto whole = recording_of(scene);
    auto without_events = whole, without_a_step = whole;
    without_events.events.resize(whole.events.rfind("audit", whole.events.find("# after")));
    scene.observed.steps.push_back(step("bind", kClient));
    without_a_step.observed = observed_lines(scene.observed);
    for (const auto& recording : {without_events, without_a_step})
        EXPECT_TRUE(refused(anew(scene, recording, whole.journal), "is not all there"));
}

TEST(RunRejudge, OneThatWasCutOffIsKeptAndTheOthersAreJudged) {
    Scene cut;
    cut.bound(kGood);
    cut.observed.iteration = 2;
    const auto second = recording_of(cut);
    Scene scene;
    scene.bound(kDirect).settled(kClient, kDirect);
    auto both = recording_of(scene);
    both.journal = journal_of(scene, {}) + second.journal.substr(std::string(kHead).size());
    both.observed += second.observed; // its events are lost
    const auto now = anew(scene, both);
    EXPECT_EQ(now.changed, 1U);
    EXPECT_THAT(now.notes, ElementsAre(HasSubstr("iteration 1: "), HasSubstr("iteration 2: kept")));
    EXPECT_EQ(now.run.ended[0].judgement.verdict, Verdict::fail);
    EXPECT_EQ(shown(now.run.ended[1].judgement), shown(cut.judged()));
}

TEST(RunRejudge, WhereTheMachineEndedItsVerdictIsKept) {
    const Scene scene;
    auto recording = recording_of(scene);
    IterationEnd crash;
    crash.iteration = 2;
    crash.judgement.verdict = Verdict::crash;
    recording.journal += to_journal(crash) + "\n";
    const auto now = anew(scene, recording);
    EXPECT_EQ(now.changed, 0U);
    EXPECT_EQ(now.run.ended[1].judgement.verdict, Verdict::crash);
    EXPECT_THAT(now.notes, ElementsAre(HasSubstr("iteration 2: kept")));
}

// Some hundred thousand acts of a [type] table are recorded nowhere.
TEST(RunRejudge, WithoutItsActsTheJournalsWordCounts) {
    Scene scene;
    scene.observed.types.actors.push_back({"writer", true, {{}}});
    Judgement judged = scene.judged();
    judged.verdict = Verdict::fail;
    judged.failures.push_back(
        {catalogue::FailureKind::unexpected_errno, kClient, "", "EIO", {}, false});
    auto recording = recording_of(scene);
    recording.journal = journal_of(scene, judged);
    const auto now = anew(scene, recording);
    EXPECT_EQ(now.changed, 0U);
    EXPECT_EQ(shown(now.run.ended[0].judgement), shown(judged));
    EXPECT_THAT(now.notes, ElementsAre(HasSubstr("was not recorded")));
}

TEST(RunRejudge, TheBoardIsReadBack) {
    types::Inventory board;
    board.groups.push_back({.number = 3,
                            .type = "DMA",
                            .devices = {{.name = kClient,
                                         .driver = "e1000e",
                                         .managed = true,
                                         .endpoint = false,
                                         .iommu = {"virtio0", "virtio_iommu"},
                                         .virtual_functions = 7}}});
    const Scene scene;
    auto recording = recording_of(scene);
    recording.observed = board_lines(board) + recording.observed;
    const auto read = got(read_recording(recording));
    const auto& group = read.at(1).board->inventory.groups.at(0);
    EXPECT_EQ(group.number, 3U);
    EXPECT_EQ(group.type, "DMA");
    const auto& device = group.devices.at(0);
    EXPECT_EQ(device.name, kClient);
    EXPECT_EQ(device.driver, "e1000e");
    EXPECT_TRUE(device.managed);
    EXPECT_FALSE(device.endpoint);
    EXPECT_THAT(device.iommu, ElementsAre("virtio0", "virtio_iommu"));
    EXPECT_EQ(device.virtual_functions, 7U);
}

} // namespace
} // namespace dmarace::run
