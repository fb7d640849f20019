// SPDX-License-Identifier: GPL-2.0-or-later
// The board that a run found against the one after settle: for each kind what breaks it, and
// neighbours that the job meant, or that are as they were.
#include "job/words.hpp"
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kPort = "pci/0000:00:09.0";
const std::string kBehindPort = "pci/0000:01:00.0";
const std::string kClock = "platform/PNP0B00:00";

// A run that found a port with an endpoint behind it in one group, two clients in groups of
// their own, and one IOMMU; after settle all is so still.
struct BoardScene : Scene {
    FoundBoard found;
    std::uint64_t clock = 0;

    BoardScene() {
        has(kClient, "e1000e", 1);
        has(kOther, "e1000e", 2);
        has(kPort, "pcieport", 3);
        has(kBehindPort, "nvme", 3).path += "/0000:00:09.0/0000:01:00.0";
        found.iommus = {iommu()};
        observed.iommus = found.iommus;
        observed.compared = true;
    }

    static FoundIommu iommu() {
        return {.instance = "0000:00:01.0",
                .device = "virtio0",
                .driver = "virtio_iommu",
                .module = "virtio_iommu"};
    }
    FoundDevice& has(const std::string& device, const std::string& driver, int group) {
        auto& out = found.devices[device];
        out = {.device = device,
               .driver = driver,
               .module = driver,
               .path = "/sys/devices/pci0000:00",
               .group = group,
               .iommu = "0000:00:01.0",
               .domain = "dma",
               .translated = true};
        return out;
    }
    // The device is not as it was found.
    BoardScene& is(const std::string& device, const std::string& driver, int group) {
        observed.changed.push_back({.device = device, .driver = driver, .group = group});
        return *this;
    }
    BoardScene& away(const std::string& device) {
        is(device, "", -1);
        observed.changed.back().there = false;
        std::erase_if(observed.settled, [&](const auto& audit) { return audit.device == device; });
        return *this;
    }
    BoardScene& unbound(const std::string& device = kClient) {
        settled(device, changed(kGood, "bound=0"));
        return is(device, "", static_cast<int>(found.devices.at(device).group));
    }
    // A clock on a bridge with that driver, not bound any more.
    BoardScene& clock_on(const std::string& driver) {
        has("pci/0000:00:1f.0", driver, 5).path += "/0000:00:1f.0";
        has(kClock, "rtc_cmos", -1).path += "/0000:00:1f.0/PNP0B00:00";
        return is(kClock, "", -1);
    }
    BoardScene& reset(const std::string& text) {
        plan.reset.push_back(job::parse_step(text, {}).value());
        return *this;
    }
    // A step of an actor, as it was done, one after the other.
    BoardScene& act(const std::string& text, int os_error = 0, const std::string& by = "client") {
        StepResult result;
        const auto step = job::parse_step(text, {}).value();
        result.actor = by;
        result.verb = step.verb;
        result.text = text;
        if (!step.args.empty() && step.args.back().starts_with("pci/"))
            result.device = step.args.back();
        result.os_error = os_error;
        result.began = ++clock;
        result.ended = ++clock;
        auto* actor = const_cast<job::Actor*>(named(plan.actors, by));
        if (actor == nullptr) {
            plan.actors.push_back({.name = by, .steps = {}, .where = {}});
            actor = &plan.actors.back();
        }
        actor->steps.push_back(step);
        result.index = static_cast<unsigned>(actor->steps.size());
        observed.steps.push_back(result);
        return *this;
    }
    Judgement judged() {
        observed.found = std::make_shared<const FoundBoard>(found);
        return Scene::judged();
    }
};

enum Rule { broken, right };

struct BoardCase {
    std::string name, kind;
    Rule rule;
    void (*arrange)(BoardScene&);
};

class VerdictBoard : public ::testing::TestWithParam<BoardCase> {};

TEST_P(VerdictBoard, Judged) {
    BoardScene scene;
    GetParam().arrange(scene);
    const auto judgement = scene.judged();
    if (GetParam().rule == broken) {
        EXPECT_THAT(kinds(judgement), Contains(GetParam().kind));
        EXPECT_EQ(judgement.verdict, Verdict::fail);
    } else {
        EXPECT_THAT(kinds(judgement), IsEmpty());
        EXPECT_EQ(judgement.verdict, Verdict::pass) << judgement.reason;
    }
}

const std::string kGone = "gone " + kClient;

const BoardCase kGoneCases[] = {
    {"AsItWas", kGone, right, [](BoardScene&) {}},
    {"RemovedAndNobodyLooksForIt", kGone, broken,
     [](BoardScene& s) { s.act("remove " + kClient).away(kClient); }},
    {"NobodyTouchedIt", kGone, broken, [](BoardScene& s) { s.away(kClient); }},
    {"NotFoundAgain", kGone, broken,
     [](BoardScene& s) { s.act("remove " + kClient).act("rescan pci").away(kClient); }},
    {"NotFoundAgainAfterThatOfTheReset", kGone, broken,
     [](BoardScene& s) { s.reset("remove " + kClient).reset("rescan pci").away(kClient); }},
    {"TheResetFindsItAgain", kGone, right,
     [](BoardScene& s) { s.reset("rescan pci").act("remove " + kClient).away(kClient); }},
    {"TheResetTookIt", kGone, right,
     [](BoardScene& s) { s.reset("remove " + kClient).away(kClient); }},
    {"ExpectedSo", kGone, right,
     [](BoardScene& s) { s.act("remove " + kClient).act("expect gone " + kClient).away(kClient); }},
    {"AfterItWasExpectedGone", kGone, broken,
     [](BoardScene& s) {
         s.act("remove " + kClient).act("expect gone " + kClient).act("rescan pci").away(kClient);
     }},
    {"BesideVirtualFunctions", kGone, broken,
     [](BoardScene& s) { s.act("sriov " + kOther + " 2").away(kClient); }},
    {"AVirtualFunction", kGone, right,
     [](BoardScene& s) {
         s.found.devices.at(kClient).physical = kOther;
         s.act("sriov " + kOther + " 0").away(kClient);
     }},
    {"WithItsPort", "gone " + kBehindPort, broken,
     [](BoardScene& s) { s.act("remove " + kPort).away(kPort).away(kBehindPort); }},
    {"NobodyLookedAfterwards", kGone, right,
     [](BoardScene& s) {
         s.away(kClient);
         s.observed.compared = false;
     }},
};

const std::string kClockNotBound = "not-bound " + kClock;
const std::string kNotBound = "not-bound " + kClient;

void bound_again(BoardScene& s, const std::string& by) {
    s.act("unbind " + kClient).act("bind " + kClient, 0, by);
    s.unbound();
}

const BoardCase kBoundCases[] = {
    {"NobodyTouchedIt", kNotBound, broken, [](BoardScene& s) { s.unbound(); }},
    {"BoundByTheJob", kNotBound, broken, [](BoardScene& s) { bound_again(s, "client"); }},
    {"BoundInVain", kNotBound, broken,
     [](BoardScene& s) { s.reset("unbind " + kClient).act("bind " + kClient, ENOMEM).unbound(); }},
    {"TriedInVain", kNotBound, right,
     [](BoardScene& s) {
         s.reset("unbind " + kClient).act("try bind " + kClient, ENODEV).unbound();
     }},
    {"TriedInVainForWantOfMemory", kNotBound, broken,
     [](BoardScene& s) {
         s.reset("unbind " + kClient).act("try bind " + kClient, ENOMEM).unbound();
     }},
    {"ItsIommuIsUnbound", kNotBound, right,
     [](BoardScene& s) {
         s.act("unbind virtio/" + BoardScene::iommu().device).unbound();
         s.observed.iommus.clear();
     }},
    {"ItsIommuIsBoundAgain", kNotBound, broken,
     [](BoardScene& s) {
         const auto name = "virtio/" + BoardScene::iommu().device;
         s.act("unbind " + name).act("bind " + name).unbound();
     }},
    {"Probed", kNotBound, broken,
     [](BoardScene& s) { s.act("unbind " + kClient).act("probe " + kClient).unbound(); }},
    {"ATablesBindFails", kNotBound, broken,
     [](BoardScene& s) {
         s.observed.failed_acts = {{.actor = "writer",
                                    .what = types::TypeAct::What::bind,
                                    .device = kClient,
                                    .os_error = ENOMEM,
                                    .count = 11}};
         s.unbound();
     }},
    {"UnboundLast", kNotBound, right,
     [](BoardScene& s) { s.act("bind " + kClient).act("unbind " + kClient).unbound(); }},
    {"UnboundByTheReset", kNotBound, right,
     [](BoardScene& s) { s.reset("unbind " + kClient).unbound(); }},
    {"ExpectedSo", kNotBound, right,
     [](BoardScene& s) { s.act("expect unbound " + kClient).unbound(); }},
    {"FoundAgainAndNotProbed", kNotBound, right,
     [](BoardScene& s) {
         s.reset("autoprobe off pci").reset("remove " + kClient).reset("rescan pci").unbound();
     }},
    {"FoundAgainAndProbed", kNotBound, broken,
     [](BoardScene& s) {
         s.reset("autoprobe on pci").reset("remove " + kClient).reset("rescan pci").unbound();
     }},
    {"BehindTheIommuAndNotProbed", kNotBound, right,
     [](BoardScene& s) {
         s.reset("autoprobe off pci").reset("remove behind virtio_iommu").reset("rescan pci");
         s.unbound();
     }},
    {"OnABridgeThatWasRemoved", kClockNotBound, right,
     [](BoardScene& s) { s.clock_on("").reset("remove behind virtio_iommu").reset("rescan pci"); }},
    {"OnABridgeThatStayed", kClockNotBound, broken,
     [](BoardScene& s) { s.clock_on("").reset("remove " + kClient).reset("rescan pci"); }},
    {"OnACardThatWasRemoved", kClockNotBound, broken,
     [](BoardScene& s) {
         s.clock_on("lpc_ich").reset("remove behind virtio_iommu").reset("rescan pci");
     }},
    {"ItsModuleIsOut", kNotBound, right,
     [](BoardScene& s) { s.act("rmmod e1000e").unbound().unbound(kOther); }},
    {"ItsModuleIsInAgain", kNotBound, broken,
     [](BoardScene& s) { s.act("rmmod e1000e").act("insmod e1000e async").unbound(); }},
    {"ItWasNotBoundBefore", kNotBound, right,
     [](BoardScene& s) {
         s.unbound();
         s.found.devices.at(kClient).driver.clear();
     }},
    {"TheIommusModuleIsOut", kNotBound, right,
     [](BoardScene& s) {
         s.act("rmmod virtio_iommu").act("remove " + kClient).act("rescan pci").unbound();
         s.observed.iommus.clear();
     }},
    {"UnboundWhileItWasBound", kNotBound, right,
     [](BoardScene& s) {
         s.act("unbind " + kClient).act("bind " + kClient, 0, "other").unbound();
         s.observed.steps.front().ended = s.observed.steps.back().began + 1;
         s.observed.steps.back().os_error = ENODEV; // inconclusive if it were a success
         s.plan.actors.back().steps.back().may_fail = true;
     }},
};

const std::string kDriver = "driver-changed " + kClient;

const BoardCase kDriverCases[] = {
    {"ByItself", kDriver, broken, [](BoardScene& s) { s.is(kClient, "vfio-pci", 1); }},
    {"FoundAgain", kDriver, broken,
     [](BoardScene& s) {
         s.act("remove " + kClient).act("rescan pci").is(kClient, "vfio-pci", 1);
     }},
    {"ClaimedAndNotGivenBack", kDriver, broken,
     [](BoardScene& s) { s.act("claim " + kClient).is(kClient, "vfio-pci", 1); }},
    {"ANeighbourIsBoundToAnother", kDriver, broken,
     [](BoardScene& s) { s.act("bind " + kOther + " vfio-pci").is(kClient, "vfio-pci", 1); }},
    {"BoundToIt", kDriver, right,
     [](BoardScene& s) {
         s.act("unbind " + kClient).act("bind " + kClient + " vfio-pci");
         s.is(kClient, "vfio-pci", 1);
     }},
    {"ByItsOverride", kDriver, right,
     [](BoardScene& s) {
         s.reset("override " + kClient + " vfio-pci").act("probe " + kClient);
         s.is(kClient, "vfio-pci", 1);
     }},
    {"ANewModulesWhileItHadNone", kDriver, right,
     [](BoardScene& s) { s.act("unbind " + kClient).act("insmod e1000").is(kClient, "e1000", 1); }},
    {"ItHadNone", kDriver, right,
     [](BoardScene& s) {
         s.is(kClient, "vfio-pci", 1);
         s.found.devices.at(kClient).driver.clear();
     }},
};

// After settle a device that was not in it is in the client's group.
void joins(BoardScene& s, const std::string& device) {
    s.observed.groups = {{1, "DMA", {kClient, device}}};
}
const std::string kStranger = "pci/0000:00:0a.0", kJoined = "group-changed " + kStranger;

const BoardCase kStrangerCases[] = {
    {"ByItself", kJoined, broken, [](BoardScene& s) { joins(s, kStranger); }},
    {"ItWasThereInNoGroup", kJoined, broken,
     [](BoardScene& s) {
         s.has(kStranger, "nvme", -1);
         s.is(kStranger, "nvme", 1);
         joins(s, kStranger);
     }},
    {"BesideABind", kJoined, broken,
     [](BoardScene& s) {
         s.act("bind " + kOther);
         joins(s, kStranger);
     }},
    {"TheJobLookedForDevices", kJoined, right,
     [](BoardScene& s) {
         s.act("rescan pci");
         joins(s, kStranger);
     }},
    {"NobodyHadDrivenIt", kJoined, right,
     [](BoardScene& s) {
         s.has(kStranger, "", -1);
         s.is(kStranger, "nvme", 1);
         joins(s, kStranger);
     }},
    {"InAnotherBoot", kJoined, right,
     [](BoardScene& s) {
         s.found.other_boot = true;
         joins(s, kStranger);
     }},
    {"InAGroupOfItsOwn", kJoined, right,
     [](BoardScene& s) {
         s.observed.groups = {{1, "DMA", {kClient}}, {8, "DMA", {kStranger}}};
     }},
};

const std::string kChanged = "group-changed " + kBehindPort;

const BoardCase kGroupCases[] = {
    {"AlongWithItsPort", kChanged, broken,
     [](BoardScene& s) {
         s.act("remove " + kPort).act("rescan pci").is(kPort, "pcieport", 3);
         s.is(kBehindPort, "nvme", 4);
     }},
    {"MergedWithAnother", "group-changed " + kClient, broken,
     [](BoardScene& s) { s.act("remove " + kClient).act("rescan pci").is(kClient, "e1000e", 2); }},
    {"AnotherNumber", "group-changed " + kClient, broken,
     [](BoardScene& s) { s.is(kClient, "e1000e", 9); }},
    {"AnotherNumberAfterARemoval", kChanged, right,
     [](BoardScene& s) { s.act("remove " + kClient).act("rescan pci").is(kClient, "e1000e", 9); }},
    {"AnotherNumberAfterThePortsRemoval", kChanged, right,
     [](BoardScene& s) {
         s.act("remove " + kPort).act("rescan pci").is(kPort, "pcieport", 7);
         s.is(kBehindPort, "nvme", 7);
     }},
    {"AnotherNumberInAnotherBoot", kChanged, right,
     [](BoardScene& s) {
         s.found.other_boot = true;
         s.is(kClient, "e1000e", 9);
     }},
    {"ANeighbourIsAway", kChanged, right,
     [](BoardScene& s) { s.reset("rescan pci").act("remove " + kBehindPort).away(kBehindPort); }},
    {"GroupLost", "group-changed " + kClient, broken,
     [](BoardScene& s) { s.is(kClient, "e1000e", -1); }},
    {"NoGroupUntilItIsBound", kChanged, right,
     [](BoardScene& s) {
         s.reset("autoprobe off pci").act("remove " + kClient).act("rescan pci").unbound();
         s.observed.changed.back().group = -1;
     }},
    {"LeftBehindEmpty", "stale-group", broken,
     [](BoardScene& s) {
         s.observed.groups = {{1, "DMA", {kClient}}, {5, "DMA", {}}};
     }},
    {"EmptyBefore", "stale-group", right,
     [](BoardScene& s) {
         s.observed.groups = {{1, "DMA", {kClient}}, {5, "DMA", {}}};
         s.found.empty_groups = {"5"};
     }},
};

void iommu_lost(BoardScene& s) {
    s.reset("autoprobe off pci").reset("remove behind virtio_iommu").reset("rmmod virtio_iommu");
    s.reset("rescan pci").act("insmod virtio_iommu").act("try bind " + kClient, EAGAIN).unbound();
    s.observed.iommus.clear();
}

const std::string kProbe = "virtio_iommu virtio0: probe with driver virtio_iommu failed with "
                           "error -2";

const BoardCase kIommuCases[] = {
    {"ItsProbeFailed", "iommu-unbound virtio0", broken,
     [](BoardScene& s) {
         iommu_lost(s);
         s.logged(kProbe);
     }},
    {"AsOldKernelsSayIt", "iommu-unbound ff930300.iommu", broken,
     [](BoardScene& s) { s.logged("rk_iommu: probe of ff930300.iommu failed with error -2"); }},
    {"OfTegraItIsTheMemorysController", "iommu-unbound 70019000.mc", broken,
     [](BoardScene& s) {
         s.logged("tegra-mc 70019000.mc: probe with driver tegra-mc failed with error -22");
     }},
    {"TriedAgainAndServes", "iommu-unbound virtio0", right,
     [](BoardScene& s) { s.logged(kProbe); }},
    {"AnotherDriversProbe", "iommu-unbound 0000:00:02.0", right,
     [](BoardScene& s) {
         s.logged("e1000e 0000:00:02.0: probe with driver e1000e failed with error -2");
     }},
    {"NotThereAnyMore", "iommu-unbound virtio0", broken,
     [](BoardScene& s) { s.observed.iommus.clear(); }},
    {"ItsModuleIsOut", "iommu-unbound virtio0", right,
     [](BoardScene& s) {
         s.act("rmmod virtio-iommu");
         s.observed.iommus.clear();
     }},
};

const std::string kUnasked = "bound-unasked " + kClient;

const BoardCase kJobCases[] = {
    {"BoundThoughNotProbed", kUnasked, broken,
     [](BoardScene& s) {
         s.act("autoprobe off pci").act("remove " + kClient).act("rescan pci").act("settle");
         s.act("expect unbound " + kClient, EPROTO).act("probe " + kClient);
     }},
    {"LeftAlone", kUnasked, right,
     [](BoardScene& s) {
         s.act("autoprobe off pci").act("remove " + kClient).act("rescan pci").act("settle");
         s.act("expect unbound " + kClient).act("probe " + kClient).act("autoprobe on pci");
     }},
    {"BoundByTheJob", kUnasked, right,
     [](BoardScene& s) {
         s.act("autoprobe off pci").act("remove " + kClient).act("rescan pci");
         s.act("bind " + kClient).act("try expect unbound " + kClient, EPROTO);
     }},
    {"BlockedIsTheBug", "blocked", broken,
     [](BoardScene& s) {
         s.plan.rules.front().blocked_fails = true;
         s.observed.counts.front().met = 0;
         s.observed.counts.front().blocked = 1;
     }},
    {"BlockedIsTheFix", "blocked", right,
     [](BoardScene& s) {
         s.observed.counts.front().met = 0;
         s.observed.counts.front().blocked = 1;
     }},
    {"MetWhereBlockedIsTheBug", "blocked", right,
     [](BoardScene& s) { s.plan.rules.front().blocked_fails = true; }},
};

// The client is found with this domain, and has an identity domain now.
void identity(BoardScene& s, const std::string& before) {
    s.expects(job::Dma::translated);
    s.found.devices.at(kClient).domain = before;
    s.found.devices.at(kClient).translated = before == "dma";
    s.now("via_iommu=0 domain=identity");
}

void all_identity(BoardScene& s) {
    for (auto& [name, device] : s.found.devices)
        device.domain = "identity", device.translated = false;
}

const std::string kDirectClient = "dma-direct " + kClient;

const BoardCase kIdentityCases[] = {
    {"OfThisBoot", kDirectClient, right, [](BoardScene& s) { identity(s, "identity"); }},
    {"OfThisBootAndBoundByTheJob", kDirectClient, right,
     [](BoardScene& s) {
         identity(s, "identity");
         s.act("bind " + kClient);
     }},
    {"Changed", kDirectClient, broken, [](BoardScene& s) { identity(s, "dma"); }},
    {"AnotherThanTheDriversOwn", kDirectClient, broken,
     [](BoardScene& s) { identity(s, "unmanaged"); }},
    {"ChangedForOneThatTheJobDoesNotName", kDirectClient, broken,
     [](BoardScene& s) {
         identity(s, "dma");
         s.act("bind " + kOther);
     }},
    {"NotKnownForOneThatTheJobDoesNotName", kDirectClient, right,
     [](BoardScene& s) {
         identity(s, "");
         s.act("bind " + kOther);
     }},
    {"AsEveryOtherDevice", kDirectClient, right,
     [](BoardScene& s) {
         identity(s, "identity");
         all_identity(s);
         s.found.devices.at(kClient).domain.clear();
         s.act("bind " + kClient);
     }},
    {"DirectBeforeAndNotOfTheJob", kDirectClient, right,
     [](BoardScene& s) {
         auto& found = s.found.devices.at(kClient);
         found.domain = "none";
         found.translated = false;
         s.act("bind " + kOther).now("via_iommu=0 domain=none domain_id=");
     }},
    {"DirectBeforeAndOfTheJob", kDirectClient, broken,
     [](BoardScene& s) {
         auto& found = s.found.devices.at(kClient);
         found.domain = "none";
         found.translated = false;
         s.act("bind " + kClient).now("via_iommu=0 domain=none domain_id=");
     }},
};

std::string name_of(const ::testing::TestParamInfo<BoardCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Gone, VerdictBoard, ::testing::ValuesIn(kGoneCases), name_of);
INSTANTIATE_TEST_SUITE_P(NotBound, VerdictBoard, ::testing::ValuesIn(kBoundCases), name_of);
INSTANTIATE_TEST_SUITE_P(Drivers, VerdictBoard, ::testing::ValuesIn(kDriverCases), name_of);
INSTANTIATE_TEST_SUITE_P(Strangers, VerdictBoard, ::testing::ValuesIn(kStrangerCases), name_of);
INSTANTIATE_TEST_SUITE_P(Groups, VerdictBoard, ::testing::ValuesIn(kGroupCases), name_of);
INSTANTIATE_TEST_SUITE_P(Iommu, VerdictBoard, ::testing::ValuesIn(kIommuCases), name_of);
INSTANTIATE_TEST_SUITE_P(Job, VerdictBoard, ::testing::ValuesIn(kJobCases), name_of);
INSTANTIATE_TEST_SUITE_P(Identity, VerdictBoard, ::testing::ValuesIn(kIdentityCases), name_of);

TEST(VerdictBoardText, TheErrnoOfABindIsTold) {
    BoardScene scene;
    std::ranges::find(kBoundCases, "ATablesBindFails", &BoardCase::name)->arrange(scene);
    EXPECT_THAT(scene.judged().reason,
                HasSubstr("e1000e does not bind any more: 'bind " + kClient +
                          "' of writer failed 11 times: Cannot allocate memory (ENOMEM)"));
}

// Its attach was refused, its DMA went nowhere: cause and end are one failure.
TEST(VerdictBoardText, ADriverThatGaveUpIsToldWithWhatItLacked) {
    BoardScene scene;
    scene.logged("e1000e 0000:00:02.0: Failed to add to iommu group 1: -22");
    scene.bound(kDirect);
    scene.unbound();
    const auto judgement = scene.judged();
    EXPECT_THAT(kinds(judgement),
                ::testing::IsSupersetOf({kDirectClient, "attach-failed " + kClient}));
    EXPECT_THAT(kinds(judgement), Not(Contains(kNotBound)));
    for (const auto& failure : judgement.failures)
        EXPECT_TRUE(failure.kind == FailureKind::no_group ||
                    joined(failure.evidence, " ").contains("e1000e gave it up"));
    auto refused = scene;
    refused.act("bind " + kClient, ENOMEM);
    EXPECT_THAT(kinds(refused.judged()), Contains(kNotBound)) << "for another reason";
    scene.allow = {{.kind = FailureKind::dma_direct}, {.kind = FailureKind::attach_failed}};
    EXPECT_THAT(kinds(scene.judged()), Contains(kNotBound)) << "what is allowed explains nothing";
}

TEST(VerdictBoardText, AFailedIommuNamesItsClientsAndGivesNoAdvice) {
    BoardScene scene;
    iommu_lost(scene);
    scene.logged(kProbe);
    scene.logged("e1000e 0000:00:03.0: deferred probe timeout, ignoring dependency", kOther);
    scene.act("bind " + kOther).settled(kOther, kDirect);
    const auto judgement = scene.judged();
    EXPECT_THAT(judgement.reason, HasSubstr("its probe failed with error -2"));
    EXPECT_THAT(judgement.reason, HasSubstr(kClient + " is not bound"));
    EXPECT_THAT(judgement.reason, HasSubstr(kOther + " is bound to e1000e with direct DMA"));
    EXPECT_THAT(kinds(judgement), Not(Contains(kNotBound)));
    for (const auto& note : judgement.notes)
        EXPECT_THAT(note, Not(HasSubstr("deferred_probe_timeout=-1")));
}

TEST(VerdictBoardText, AnIdentityDomainOfUnknownOriginIsADoubt) {
    BoardScene scene;
    identity(scene, "");
    scene.act("bind " + kClient);
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
    EXPECT_THAT(judgement.reason, HasSubstr("may be its driver's word"));
}

TEST(VerdictBoardText, AFailedActOfATableIsAStepThatFailed) {
    Scene scene;
    scene.observed.failed_acts = {{.actor = "binder",
                                   .what = types::TypeAct::What::unbind,
                                   .device = kClient,
                                   .os_error = EIO,
                                   .count = 1}};
    EXPECT_EQ(scene.judged().verdict, Verdict::inconclusive);
    EXPECT_THAT(scene.judged().reason, HasSubstr("'unbind " + kClient +
                                                 "' of binder failed 1 "
                                                 "time: Input/output error (EIO)"));
}

// drivers_probe answers 0 where no driver matches, too.
TEST(VerdictBoardText, AProbeOnTrialPromisesNoDriver) {
    BoardScene scene;
    scene.act("unbind " + kClient).act("try probe " + kClient).unbound();
    EXPECT_THAT(kinds(scene.judged()), IsEmpty());
}

TEST(VerdictBoardText, ADriverThatDoesNotComeIsNotUnasked) {
    BoardScene scene;
    scene.act("autoprobe off pci").act("remove " + kClient).act("rescan pci").act("settle");
    scene.act("expect bound " + kClient, EPROTO).unbound();
    EXPECT_THAT(kinds(scene.judged()), IsEmpty());
    EXPECT_EQ(scene.judged().verdict, Verdict::inconclusive);
}

} // namespace dmarace::verdict::testing
