// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/points.hpp"
#include "job/locks.hpp"
#include "job/words.hpp"
#include "job_support.hpp"
#include "kmod/dmarace_abi.h"

namespace dmarace::job {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kHead = kPlain + "source = \"x\"\nrisk = \"taint\"\n";

// What lint says to a job that loads.
std::vector<std::string> said(const std::string& text) {
    return lines_of(lint(job_of(kHead + text)));
}

// Two devices and the IOMMU; a use of each, so that none is left over.
const std::string kParams =
    "[params]\n"
    "client = { type = \"device\" }\n"
    "other = { type = \"device\" }\n"
    "iommu = { type = \"module\", pick = \"iommu-driver\" }\n"
    "[reset]\nsteps = [\"expect unbound {client}\", \"expect unbound {other}\", "
    "\"rmmod {iommu}\"]\n";

std::string rule(const std::string& point, const std::string& rest) {
    return "[[rule]]\npoint = \"" + point + "\"\ntimeout = \"2s\"\n" + rest;
}

std::string actor(const std::string& name, const std::vector<std::string>& steps) {
    return actor_of(name, steps.empty() ? "" : "\"" + joined(steps, "\", \"") + "\"");
}

// A rule that holds an actor of that name.
std::string held(const std::string& point, const std::string& actor, const std::string& until) {
    return rule(point,
                "actor = \"" + actor + "\"\nsignal = \"held\"\nwait_for = \"" + until + "\"\n");
}

// The walk held at a point until the client is done.
std::string walk_held(const std::string& point, const std::string& rest) {
    return kParams + actor("walk", {"insmod {iommu}"}) +
           actor("client", {"wait held", "bind {client}"}) +
           rule(point, "actor = \"walk\"\nsignal = \"held\"\n" + rest);
}

struct LintCase {
    const char* name;
    std::string job;
    std::vector<testing::Matcher<std::string>> lines{}; // in order, and no other
};

class Lint : public testing::TestWithParam<LintCase> {};

TEST_P(Lint, Says) {
    EXPECT_THAT(said(GetParam().job), testing::ElementsAreArray(GetParam().lines));
}

std::string case_name(const testing::TestParamInfo<LintCase>& tested) { return tested.param.name; }

const LintCase kSignals[] = {
    {"ActorsThatWaitInACircle",
     actor("a", {"wait done:b"}) + actor("b", {"wait done:c"}) + actor("c", {"wait done:a"}),
     {"7:16: error: actors 'a' and 'b' wait for each other", testing::_, testing::_}},
    {"ActorsThatWaitInALine",
     actor("a", {"wait done:b"}) + actor("b", {"wait done:c"}) + actor("c", {"walk"})},
    {"ARightPairIsQuiet", walk_held("probe_iommu_group", "wait_for = \"done:client\"\n")},
    {"NothingRaisesIt",
     actor("a", {"wait in-windw"}) + actor("b", {"signal in-window"}),
     {"7:16: error: nothing raises 'in-windw'; did you mean 'in-window'?",
      "10:18: warning: nobody waits for 'in-window'"}},
    {"ARuleWaitsForWhatNothingRaises",
     actor("a", {"walk"}) + rule("probe_iommu_group", "wait_for = \"go\"\n"),
     {"11:13: error: nothing raises 'go'"}},
    {"OfARuleNobodyWaitsFor",
     actor("a", {"walk"}) + "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\n",
     {"10:11: warning: nobody waits for 'x'"}},
    {"AnActorWaitsForItself",
     actor("a", {"wait done:a"}),
     {HasSubstr("7:16: error: actor 'a' waits for itself: 'done:a'")}},
    {"AnActorWaitsUntilItIsBlocked",
     actor("a", {"wait blocked:a"}),
     {HasSubstr("waits for itself")}},
    {"AnActorWaitsForALaterStepOfItsOwn",
     actor("a", {"walk", "wait step:a:2"}),
     {HasSubstr("7:24: error: actor 'a' waits for itself: 'step:a:2'")}},
    {"AnActorMayWaitForAnEarlierStep", actor("a", {"walk", "wait step:a:1"})},
    {"OnlyItselfRaisesItLater",
     actor("a", {"wait x", "signal x"}),
     {"7:16: error: actor 'a' waits for 'x', which only itself raises, later"}},
    {"ItselfMayRaiseItBefore", actor("a", {"signal x", "wait x"})},
    {"AnotherActorMayRaiseItToo", actor("a", {"wait x", "signal x"}) + actor("b", {"signal x"})},
    {"ARepeatUntilNothingRaisesIt",
     actor_of("a", R"({ repeat = "until go", steps = ["walk"] })"),
     {"7:28: error: nothing raises 'go'"}},
    {"ARepeatMayRaiseWhatEndsIt",
     actor_of("a", R"({ repeat = "until go", steps = ["signal go"] })")},
    {"ARepeatWaitsForItself",
     actor_of("a", R"({ repeat = "until done:a", steps = ["walk"] })"),
     {HasSubstr("7:28: error: actor 'a' waits for itself: 'done:a'")}},
    {"RepeatsInACircle",
     actor_of("a", R"({ repeat = "until done:b", steps = ["walk"] })") +
         actor("b", {"wait done:a"}),
     {HasSubstr("7:28: error: actors 'a' and 'b' wait for each other"), testing::_}},
    {"ARuleHoldsTheActorItWaitsFor",
     actor("a", {"walk"}) + rule("probe_iommu_group", "actor = \"a\"\nwait_for = \"done:a\"\n"),
     {"12:13: error: the rule holds actor 'a' until 'done:a', which cannot come "
      "while it is held"}},
    {"OnlyOptionalRulesRaiseIt",
     actor("a", {"wait x"}) +
         "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\noptional = true\n",
     {HasSubstr("7:16: warning: only optional rules raise 'x'")}},
    {"OnlyTheRuleItselfRaisesIt",
     actor("a", {"walk"}) + rule("probe_iommu_group", "signal = \"x\"\nwait_for = \"x\"\n"),
     {HasSubstr("12:13: warning: only this rule raises 'x'")}},
    {"AQueueIsMadeBesideARemoval",
     actor("w", {"type 3 DMA", "type 3 DMA-FQ"}) + actor("r", {"remove pci/0000:00:02.0"}),
     {"7:32: error: writing DMA-FQ while a group's last device is removed is a NULL dereference "
      "since 6.5: write risk = \"reboot\", or leave DMA-FQ out"}},
    {"AQueueIsMadeBeforeARemoval",
     actor("w", {"type 3 DMA-FQ", "remove pci/0000:00:02.0"}) + actor("r", {"walk"})},
    {"ResetIsBeforeArming",
     actor("a", {"wait x"}) + "[reset]\nsteps = [\"signal x\", \"wait done:a\"]\n",
     {"7:16: error: nothing raises 'x'",
      "9:11: error: [reset] runs before the rules are armed: a signal raised "
      "there is forgotten",
      "9:23: error: [reset] runs before the rules are armed: no signal comes "
      "there"}},
    {"ARepeatInResetHasNoSignal",
     actor("a", {"walk"}) +
         "[reset]\nsteps = [{ repeat = \"until done:a\", steps = [\"walk\"] }]\n",
     {HasSubstr("error: [reset] runs before the rules are armed: no signal comes there")}},
};

bool owns(const char* point, unsigned lock) {
    const auto* row = catalogue::find_point(point);
    return row && (row->locks & lock);
}

// The point table grows; these rows must be what the cases below rely on.
TEST(LintLocks, ThePointsAreWhatTheyWere) {
    EXPECT_TRUE(owns("iommu_setup_default_domain", DMARACE_LOCK_GROUP));
    EXPECT_TRUE(owns("iommu_deinit_device", DMARACE_LOCK_GROUP));
    EXPECT_TRUE(owns("viommu_probe_device", DMARACE_LOCK_PROBE));
    EXPECT_TRUE(owns("iommu_init_device", DMARACE_LOCK_PROBE));
    EXPECT_FALSE(owns("iommu_group_alloc_device", DMARACE_LOCK_PROBE));
}

// The remover of a device, held where its group's mutex is owned, beside a writer.
std::string remover_and_writer(const std::string& until) {
    return kParams + actor("remover", {"remove {client}"}) +
           actor("writer", {"wait releasing", "type {client} DMA"}) +
           rule("iommu_deinit_device", "actor = \"remover\"\ndev = \"{client}\"\n"
                                       "signal = \"releasing\"\nwait_for = \"" +
                                           until + "\"\n");
}

// A bind of the client, held until a step of 'b'.
std::string bind_held(const std::vector<std::string>& steps, const std::string& until) {
    return kParams + actor("a", {"bind {client}"}) + actor("b", steps) +
           held("of_iommu_configure", "a", until);
}

std::string delayed(const std::string& time) {
    return actor("a", {"walk"}) + "[[rule]]\npoint = \"iommu_init_device\"\ndelay = \"" + time +
           "\"\n";
}

const LintCase kLocks[] = {
    {"TheDefaultDomainIsSetUnderTheGroupMutex",
     walk_held("iommu_setup_default_domain", "wait_for = \"done:client\"\n"),
     {"22:13: error: this tests nothing: held actor 'walk' owns the group mutex at "
      "'iommu_setup_default_domain', and client's 'bind {client}' needs the group mutex of "
      "{client} in iommu_device_use_default_domain; wait for blocked:client if that is the "
      "test, or hold the walk at exit of probe_iommu_group: grouped, no domain yet, no lock "
      "owned"}},
    {"ARemoverUntilTheWriterIsBlocked", remover_and_writer("blocked:writer")},
    {"ARemoverUntilTheWriterIsDone",
     remover_and_writer("done:writer"),
     {HasSubstr("owns the group mutex of {client} at 'iommu_deinit_device', and "
                "writer's 'type {client} DMA' needs")}},
    {"ABindOwnsItsDeviceLockEverywhere",
     bind_held({"wait held", "unbind {client}"}, "done:b"),
     {HasSubstr("held actor 'a' owns the device lock of {client} at 'of_iommu_configure', and "
                "b's 'unbind {client}' needs the device lock of {client} in "
                "device_release_driver")}},
    {"ABindOwnsNoOtherDevicesLock", bind_held({"wait held", "unbind {other}"}, "done:b")},
    {"StepsAfterTheOneWaitedForDoNotCount",
     bind_held({"wait held", "bind {other}", "unbind {client}"}, "step:b:2")},
    {"TheStepWaitedForCounts",
     bind_held({"wait held", "bind {other}", "unbind {client}"}, "step:b:3"),
     {HasSubstr("b's 'unbind {client}'")}},
    {"ALongDelayUnderTheProbeLockStopsEveryBind",
     delayed("5s"),
     {HasSubstr("9:10: warning: 'iommu_init_device' is under iommu_probe_device_lock")}},
    {"AShortDelayUnderTheProbeLockDoesNot", delayed("20ms")},
    {"ASiblingThatIsAddedNeedsItToo",
     kParams + actor("walk", {"insmod {iommu}"}) +
         actor("sibling", {"wait held", "rescan pci", "bind {client}"}) +
         held("iommu_setup_default_domain", "walk", "step:sibling:2"),
     {HasSubstr("sibling's 'rescan pci' needs the group mutex")}},
    {"WaitingForBlockedIsTheTest",
     walk_held("iommu_setup_default_domain", "wait_for = \"blocked:client\"\n")},
    {"WaitingForBlockedToo",
     walk_held("iommu_setup_default_domain", "wait_for = [\"done:client\", \"blocked:client\"]\n")},
    {"ExitOfTheWalksFunctionOwnsNothing",
     walk_held("probe_iommu_group",
               "on = \"exit\"\ndev = \"{client}\"\nwait_for = \"done:client\"\n")},
    {"TwoDevicesMayShareAGroup",
     kParams + actor("remover", {"remove {client}"}) + actor("b", {"bind {other}"}) +
         rule("iommu_deinit_device",
              "actor = \"remover\"\ndev = \"{client}\"\nwait_for = \"done:b\"\n"),
     {HasSubstr("warning: if these are the same, this tests nothing")}},
    {"ARemoverOwnsTheRescanLock",
     kParams + actor("a", {"remove {client}"}) + actor("b", {"wait held", "rescan pci"}) +
         held("probe_iommu_group", "a", "done:b"),
     {HasSubstr("owns pci_rescan_remove_lock")}},
    {"AnActorOfSeveralStepsOwnsOnlyWhatAllOfThemOwn",
     kParams + actor("a", {"rescan pci", "insmod {iommu}"}) +
         actor("b", {"wait held", "remove {client}"}) + held("probe_iommu_group", "a", "done:b")},
    {"StepsBeforeTheHoldDoNotCount",
     bind_held({"unbind {client}", "wait held", "bind {other}"}, "done:b")},
    {"BusNamesMayBeLeftOut",
     actor("a", {"bind pci/0000:00:02.0"}) + actor("b", {"unbind 0000:00:02.0"}) +
         rule("of_iommu_configure", "actor = \"a\"\nwait_for = \"done:b\"\n"),
     {HasSubstr("error: this tests nothing")}},
    {"SignalsOfADeviceNeedItsLocks",
     kParams + actor("a", {"bind {client}"}) +
         rule("of_iommu_configure", "actor = \"a\"\nwait_for = \"bound:{client}\"\n"),
     {HasSubstr("'bound:{client}' needs the device lock of {client}")}},
    {"SignalsOfAnotherDeviceNeedOthers",
     kParams + actor("a", {"bind {client}"}) +
         rule("of_iommu_configure", "actor = \"a\"\nwait_for = \"bound:{other}\"\n")},
    {"AnotherSignalThatCanComeIsEnough",
     kParams + actor("a", {"bind {client}"}) + actor("b", {"signal go", "unbind {client}"}) +
         rule("of_iommu_configure", "actor = \"a\"\nwait_for = [\"done:b\", \"go\"]\n")},
    {"WithoutAnActorTheRuleMayHoldWhomItWaitsFor",
     actor("a", {"walk"}) + rule("probe_iommu_group", "wait_for = \"done:a\"\n"),
     {HasSubstr("11:13: warning: without 'actor', the rule may hold a itself")}},
    {"UnderTheProbeLockUntilSomebodySleepsOnItIsTheTest",
     walk_held("viommu_probe_device", "wait_for = [\"done:client\", \"blocked:client\"]\n")},
    {"UnderTheProbeLockUntilSomebodyIsDone",
     walk_held("viommu_probe_device", "wait_for = \"done:client\"\n"),
     {HasSubstr("is under iommu_probe_device_lock"), HasSubstr("tests nothing")}},
    {"InsideAProbeTheProbeLockIsOwnedThoughTheRowDoesNotSaySo",
     walk_held("iommu_group_alloc_device", "wait_for = \"done:client\"\n"),
     {HasSubstr("owns iommu_probe_device_lock at 'iommu_group_alloc_device', "
                "and client's 'bind {client}' needs")}},
    {"InARemovalTheProbeLockIsNotOwned", kParams + actor("a", {"remove {other}"}) +
                                             actor("client", {"wait held", "bind {client}"}) +
                                             held("dev_iommu_free", "a", "done:client")},
    {"TheTypeTableIsAnActor",
     kParams + actor("a", {"remove {client}"}) + "[type]\n" +
         rule("iommu_deinit_device", "actor = \"a\"\nwait_for = \"done:writer\"\n"),
     {HasSubstr("writer's type writes needs the group mutex")}},
};

INSTANTIATE_TEST_SUITE_P(Signals, Lint, testing::ValuesIn(kSignals), case_name);
INSTANTIATE_TEST_SUITE_P(Locks, Lint, testing::ValuesIn(kLocks), case_name);

TEST(LintLocks, ABindsDefaultDomainIsUnderTheProbeLockAWalksIsNot) {
    const auto job = [](const std::string& steps) {
        return kParams + actor_of("a", steps) + actor("b", {"wait held", "insmod {iommu}"}) +
               held("iommu_setup_dma_ops", "a", "done:b");
    };
    EXPECT_THAT(said(job("\"bind {client}\"")), ElementsAre(HasSubstr("tests nothing")));
    const auto owned_by = [&](const std::string& steps) {
        const Job loaded = job_of(kHead + job(steps));
        std::string out;
        for (const auto& lock : locks_owned(loaded, loaded.rules.front()))
            out += to_text(lock) + ", ";
        return out;
    };
    EXPECT_THAT(owned_by("\"bind {client}\""), HasSubstr("iommu_probe_device_lock"));
    EXPECT_THAT(owned_by("\"walk\""), Not(HasSubstr("iommu_probe_device_lock")));
    EXPECT_THAT(owned_by("\"type {client} DMA\""), Not(HasSubstr("iommu_probe_device_lock")));
}

// What a step locks is its form's: the word that names it is not always the first.
TEST(LintLocks, OfTheWordThatTheFormNames) {
    const auto needed = [](const std::string& text) {
        std::vector<std::string> out;
        for (const auto& lock : locks_needed({}, *parse_step(text, {})))
            out.push_back(to_text(lock));
        return out;
    };
    for (const char* step : {"type {client} DMA", "io start {client}"})
        EXPECT_THAT(needed(step), ElementsAre("the group mutex of {client}"));
    EXPECT_THAT(needed("type all DMA"), ElementsAre("the group mutex"));
    EXPECT_THAT(needed("expect type 3 DMA"), ElementsAre("the group mutex of 3"));
    EXPECT_THAT(needed("expect type {client} DMA"), ElementsAre("the group mutex of {client}"));
    EXPECT_THAT(needed("remove behind iommu"),
                ElementsAre("pci_rescan_remove_lock", "the device lock", "the group mutex"));
    EXPECT_THAT(needed("remove {client}"),
                ElementsAre("pci_rescan_remove_lock", "the device lock of {client}",
                            "the group mutex of {client}"));
    EXPECT_THAT(needed("wait go"), IsEmpty());
}

TEST(LintJob, SmallThings) {
    const auto lines =
        said("[params]\nx = { type = \"text\", default = \"y\" }\n" + actor("a", {}) +
             actor("b", {"write /sys/x 1", "insmod ./m.ko"}) +
             "[[rule]]\npoint = \"probe_iommu_group\"\nwait_for = \"done:b\"\nactor = \"a\"\n"
             "[[rule]]\npoint = \"f\"\nunsafe = true\ndelay = \"1ms\"\n");
    EXPECT_THAT(lines, ElementsAre("6:1: warning: parameter {x} is never used",
                                   "8:9: warning: actor 'a' has no steps",
                                   "12:11: warning: 'write /sys/x 1' needs --unsafe",
                                   "12:29: warning: 'insmod ./m.ko' needs --unsafe",
                                   "15:13: warning: no timeout; this hold ends after 2s",
                                   HasSubstr("17:1: warning: the rule at 'f' needs --unsafe")));
}

TEST(LintJob, ARiskierJobThanItSays) {
    EXPECT_THAT(lines_of(lint(job_of(kPlain + actor("a", {"walk"}) +
                                     "[[rule]]\npoint = \"probe_iommu_group\"\nreturn = -12\n"))),
                ElementsAre(HasSubstr("no 'source'"), HasSubstr("risk = \"none\"")));
}

TEST(LintJob, RebootIsSaid) {
    EXPECT_THAT(lint(job_of(kPlain + "source = \"x\"\nrisk = \"reboot\"\n[type]\n")),
                testing::SizeIs(1));
}

TEST(WhyUnsafe, NamesTheFirstReason) {
    const auto why = [](const std::string& text) { return why_unsafe(job_of(kPlain + text)); };
    EXPECT_EQ(why(actor("a", {"walk"})), "");
    EXPECT_THAT(why("risk = \"reboot\"\n" + actor("a", {"walk"})), HasSubstr("may wedge"));
    EXPECT_EQ(why(actor_of("a", "{ repeat = 2, steps = [\"write /sys/x 1\"] }")),
              "'write /sys/x 1' needs --unsafe");
    EXPECT_THAT(
        why(actor("a", {"walk"}) + "[[rule]]\npoint = \"f\"\nunsafe = true\nsignal = \"x\"\n"),
        HasSubstr("the rule at 'f' needs --unsafe"));
}

} // namespace
} // namespace dmarace::job
