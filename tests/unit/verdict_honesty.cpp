// SPDX-License-Identifier: GPL-2.0-or-later
// An iteration that proved nothing must not pass.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using enum Verdict;

struct HonestyCase {
    std::string name;
    Verdict verdict;
    std::string reason;
    void (*arrange)(Scene&);
};

class VerdictHonesty : public ::testing::TestWithParam<HonestyCase> {};

TEST_P(VerdictHonesty, Judged) {
    Scene scene;
    GetParam().arrange(scene);
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, GetParam().verdict) << judgement.reason;
    EXPECT_THAT(judgement.reason, HasSubstr(GetParam().reason));
}

RuleCount& count(Scene& scene) { return scene.observed.counts.front(); }

void not_met(Scene& scene, std::uint64_t RuleCount::*but) {
    count(scene).met = 0;
    count(scene).*but = 1;
}

void ended(Scene& scene, ActorEnd::How how, const std::string& stack = "") {
    scene.observed.actors = {{"walk", how, stack}};
}

// The client is not owned, and a failure is allowed.
void allow(Scene& scene, FailureKind kind, const std::string& device) {
    scene.now("owned=0");
    scene.allow = {{.kind = kind, .device = device, .reason = "known", .where = {}}};
}

void nothing_but_an_optional_rule(Scene& scene) {
    count(scene) = {.rule = "1", .point = "p", .optional = true, .holds = true, .unhit = 1};
    scene.plan.rules.front().optional = true;
}

void an_optional_rule_and_a_type_write(Scene& scene, int os_error) {
    nothing_but_an_optional_rule(scene);
    StepResult step;
    step.verb = catalogue::Verb::type;
    step.os_error = os_error;
    step.type = types::TypeStep{.group = 1, .devices = 1, .word = "DMA"};
    auto& act = step.type->act;
    act.asked = types::TypeWord::dma;
    if (os_error == 0) {
        act.before = act.after = types::TypeWord::dma;
        act.bound = types::BoundSeen::no;
    }
    scene.observed.steps = {step};
}

void refused_beside_a_bind(Scene& scene) {
    an_optional_rule_and_a_type_write(scene, EPERM);
    scene.plan.rules.clear();
    scene.observed.counts.clear();
    auto& act = scene.observed.steps.front().type->act;
    act.before = act.after = types::TypeWord::identity;
    act.bound = types::BoundSeen::yes;
    scene.did("bind", kClient).bound(kGood);
}

const HonestyCase kCases[] = {
    {"Met", pass, "rule 1 met", [](Scene&) {}},
    {"Blocked", pass, "rule 1 blocked", [](Scene& s) { not_met(s, &RuleCount::blocked); }},
    {"Unhit", inconclusive, "rule 1 (of_iommu_configure) was never hit",
     [](Scene& s) {
         count(s).met = count(s).hits = 0;
         count(s).unhit = 1;
     }},
    {"Timeout", inconclusive, "rule 1 (of_iommu_configure) was held until its timeout",
     [](Scene& s) { not_met(s, &RuleCount::timeout); }},
    {"Released", inconclusive, "neither met nor blocked",
     [](Scene& s) { not_met(s, &RuleCount::released); }},
    {"ADelayNeedsNoSignal", pass, "rule 1 hit",
     [](Scene& s) {
         count(s).holds = false;
         count(s).met = 0;
     }},
    {"NotArmed", inconclusive, "not armed", [](Scene& s) { count(s).armed = false; }},
    {"NotCounted", inconclusive, "has no count", [](Scene& s) { s.observed.counts.clear(); }},
    {"OneRuleOfTwo", inconclusive, "rule 2 (probe_iommu_group) has no count",
     [](Scene& s) {
         s.plan.rules.push_back({});
         s.plan.rules.back().point = "probe_iommu_group";
     }},
    {"Missed", inconclusive, "missed 2 hits", [](Scene& s) { count(s).nmissed = 2; }},
    {"MissedByAnOptionalRule", inconclusive, "missed 1 hit ",
     [](Scene& s) {
         count(s).nmissed = 1;
         count(s).optional = true;
     }},
    {"CouldNotSleep", inconclusive, "could not sleep", [](Scene& s) { count(s).atomic = 1; }},
    {"LostEvents", inconclusive, "3 events lost", [](Scene& s) { s.observed.lost_events = 3; }},
    {"LostLease", error, "lease", [](Scene& s) { s.observed.lease_lost = true; }},
    {"Optional", inconclusive, "nothing was tested", nothing_but_an_optional_rule},
    {"OptionalAndATypeWrite", pass, "1 type write",
     [](Scene& s) { an_optional_rule_and_a_type_write(s, 0); }},
    {"ATypeWriteThatNobodyMayDo", inconclusive, "nothing was tested",
     [](Scene& s) { an_optional_rule_and_a_type_write(s, EACCES); }},
    {"ATypeWriteThatWasRefused", inconclusive,
     "no change of the type of group 1 was accepted, of 1",
     [](Scene& s) {
         an_optional_rule_and_a_type_write(s, EPERM);
         auto& act = s.observed.steps.front().type->act;
         act.before = act.after = types::TypeWord::identity;
         act.bound = types::BoundSeen::yes;
     }},
    {"ATypeWriteThatWasRefusedBesideABind", pass, "1 type write", refused_beside_a_bind},
    {"ATableThatWasRefusedBesideABind", inconclusive, "no change of the type of group 1",
     [](Scene& s) {
         refused_beside_a_bind(s);
         s.observed.types.actors.emplace_back();
     }},
    {"ADriverThatCameWithAModule", pass, "devices came or went",
     [](Scene& s) {
         s.plan.rules.clear();
         s.observed.counts.clear();
         s.happened(event("bus seq=16 ts=14907297136 what=bound dev=" + kClient +
                          " driver=e1000e tid=122 comm=sh"));
         s.bound(kGood);
     }},
    {"NoRuleAtAll", inconclusive, "nothing was tested",
     [](Scene& s) {
         s.plan.rules.clear();
         s.observed.counts.clear();
     }},
    {"NoAudit", inconclusive, "no device was audited",
     [](Scene& s) { s.observed.settled.clear(); }},
    {"WithoutHolds", inconclusive, "--no-holds", [](Scene& s) { s.observed.holds = false; }},
    {"WithoutHoldsAFailureCounts", fail, "not-owned",
     [](Scene& s) {
         s.observed.holds = false;
         s.now("owned=0");
     }},
    {"HarnessError", error, "no /dev/dmarace",
     [](Scene& s) { s.observed.error = "no /dev/dmarace"; }},
    {"HarnessErrorWithoutHolds", error, "x",
     [](Scene& s) {
         s.observed.holds = false;
         s.observed.error = "x";
     }},
    {"AFailureWinsOverAnError", fail, "the harness failed too: no /dev/dmarace",
     [](Scene& s) {
         s.observed.error = "no /dev/dmarace";
         s.logged("Internal error: Oops: 0 [#1] SMP");
     }},
    {"AFailureWinsOverAnUnhitRule", fail, "not-owned",
     [](Scene& s) {
         count(s).hits = count(s).met = 0;
         s.now("owned=0");
     }},
    {"Stuck", hang, "actor walk is stuck in the kernel, in 'insmod x'",
     [](Scene& s) { ended(s, ActorEnd::How::stuck, "insmod x\nframe"); }},
    {"Returned", pass, "", [](Scene& s) { ended(s, ActorEnd::How::returned); }},
    {"Cancelled", inconclusive, "actor walk was cancelled",
     [](Scene& s) { ended(s, ActorEnd::How::cancelled); }},
    {"KilledWithoutALogLine", inconclusive, "walk was killed in a step by signal 9, and neither",
     [](Scene& s) { ended(s, ActorEnd::How::killed, "signal 9"); }},
    {"KilledWithALogLine", fail, "kernel-oops",
     [](Scene& s) {
         ended(s, ActorEnd::How::killed, "signal 9");
         s.logged("Internal error: Oops: 0 [#1] SMP");
     }},
    {"KilledAndTheTaintIsNew", fail, "kernel-oops",
     [](Scene& s) {
         ended(s, ActorEnd::How::killed, "signal 9");
         s.observed.taint_after = 1U << kTaintDie;
     }},
    {"ActorFailed", inconclusive, "actor walk ended with exit code 1",
     [](Scene& s) { ended(s, ActorEnd::How::failed, "exit code 1"); }},
    {"ActorToldHalf", inconclusive, "actor walk told the end of 0 of 1 step",
     [](Scene& s) {
         ended(s, ActorEnd::How::returned);
         s.plan.actors = {{.name = "walk", .steps = {job::Step{}}, .where = {}}};
     }},
    {"Garbled", inconclusive, "1 message of actors could not be read",
     [](Scene& s) { s.happened(event("garbled actor=walk")); }},
    {"NotSettled", hang, "did not settle: e1000e still probes",
     [](Scene& s) { s.observed.settle_failed = "e1000e still probes"; }},
    {"ClientNotBoundAfterSettle", inconclusive, "is not bound after settle",
     [](Scene& s) { s.did("bind", kClient).now("bound=0"); }},
    {"ClientThatCouldNotBeBound", pass, "",
     [](Scene& s) { s.did("bind", kClient, ENODEV).now("bound=0"); }},
    {"ClientUnboundOnPurpose", pass, "",
     [](Scene& s) { s.did("bind", kClient).did("unbind", kClient).now("bound=0"); }},
    {"ExpectedDeviceIsNotThere", inconclusive, "expected device pci/0000:00:1f.0 has no audit",
     [](Scene& s) { s.plan.expect.devices = {"pci/0000:00:1f.0"}; }},
    {"AllowedFailure", pass, "rule 1 met",
     [](Scene& s) { allow(s, FailureKind::not_owned, "0000:00:02.0"); }},
    {"AllowedForAnotherDevice", fail, "not-owned",
     [](Scene& s) { allow(s, FailureKind::not_owned, kOther); }},
    {"AnotherKindAllowed", fail, "not-owned",
     [](Scene& s) { allow(s, FailureKind::no_group, kClient); }},
};

std::string name_of(const ::testing::TestParamInfo<HonestyCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Cases, VerdictHonesty, ::testing::ValuesIn(kCases), name_of);

Judgement after_step_of_walk(const std::string& verb, int os_error, bool may_fail = false) {
    Scene scene;
    job::Step planned;
    planned.may_fail = may_fail;
    scene.plan.actors = {{.name = "walk", .steps = {planned}, .where = {}}};
    auto result = step(verb, "", os_error);
    result.actor = "walk";
    result.text = verb;
    result.detail = "why";
    scene.observed.steps = {result};
    return scene.judged();
}

TEST(VerdictSteps, AStepThatFailedLeavesOutAPartOfTheRace) {
    EXPECT_EQ(after_step_of_walk("insmod", ENOENT).verdict, inconclusive);
    EXPECT_EQ(after_step_of_walk("insmod", ENOENT).reason, "'insmod' of walk failed: why");
    EXPECT_EQ(after_step_of_walk("insmod", ENOENT, true).verdict, pass);
    EXPECT_EQ(after_step_of_walk("bind", EAGAIN).verdict, pass);
    EXPECT_EQ(after_step_of_walk("bind", ENODEV).verdict, inconclusive);
    EXPECT_EQ(after_step_of_walk("expect", EPROTO).verdict, inconclusive);
}

TEST(VerdictReason, ManyRulesAreCounted) {
    Scene scene;
    for (int i = 2; i < 8; ++i) {
        scene.observed.counts.push_back(count(scene));
        scene.observed.counts.back().rule = std::to_string(i);
    }
    scene.observed.counts.back().optional = true;
    scene.observed.counts.back().hits = 0;
    EXPECT_EQ(scene.judged().reason, "6 of 7 rules hit");
}

TEST(VerdictAllow, ATextSilencesThatLineAndNoOther) {
    Scene scene;
    scene.logged("kmemleak: 3 new suspected memory leaks");
    scene.logged("WARNING: suspicious RCU usage");
    scene.allow = {{.kind = FailureKind::kernel_warning, .text = "memory leak", .reason = "known"}};
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::fail);
    ASSERT_THAT(judgement.failures, SizeIs(2));
    EXPECT_TRUE(judgement.failures[0].allowed);
    EXPECT_FALSE(judgement.failures[1].allowed);
    EXPECT_THAT(judgement.reason, HasSubstr("suspicious RCU"));
}

TEST(VerdictAllow, StaysVisible) {
    Scene scene;
    scene.now("owned=0");
    scene.allow = {{.kind = FailureKind::not_owned, .device = "", .reason = "bug 7", .where = {}}};
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::pass);
    ASSERT_THAT(judgement.failures, SizeIs(1));
    EXPECT_TRUE(judgement.failures[0].allowed);
    EXPECT_THAT(judgement.failures[0].detail, HasSubstr("(allowed: bug 7)"));
}

} // namespace dmarace::verdict::testing
