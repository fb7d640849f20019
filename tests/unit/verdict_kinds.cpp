// SPDX-License-Identifier: GPL-2.0-or-later
// For each rule a case that breaks it and a neighbour that must not.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::Not;

// right: the kind must not be found, and the iteration passes.
enum Rule { broken, right };

struct KindCase {
    std::string name, kind;
    Rule rule;
    void (*arrange)(Scene&);
    std::string device = kClient;
};

class VerdictKinds : public ::testing::TestWithParam<KindCase> {};

TEST_P(VerdictKinds, Judged) {
    Scene scene;
    GetParam().arrange(scene);
    const auto judgement = scene.judged();
    const auto found = Contains(GetParam().kind + " " + GetParam().device);
    if (GetParam().rule == broken) {
        EXPECT_THAT(kinds(judgement), found);
        EXPECT_EQ(judgement.verdict, Verdict::fail);
    } else {
        EXPECT_THAT(kinds(judgement), Not(found));
        EXPECT_EQ(judgement.verdict, Verdict::pass) << judgement.reason;
    }
}

const KindCase kDirectCases[] = {
    {"AtBinding", "dma-direct", broken,
     [](Scene& s) { s.happened(audit("binding", kClient, changed(kDirect, "bound=0"))); }},
    {"BehindADmaDomain", "dma-direct", broken, [](Scene& s) { s.was("via_iommu=0"); }},
    {"BehindAFlushQueueDomain", "dma-direct", broken,
     [](Scene& s) { s.was("via_iommu=0 domain=dma-fq"); }},
    {"OnlyTheFwspecSaysSo", "dma-direct", broken,
     [](Scene& s) { s.settled(kClient, changed(kDirect, "fw=0 fwspec=1")); }},
    {"IdentityIsLegal", "dma-direct", right,
     [](Scene& s) { s.was("via_iommu=0 domain=identity").now("via_iommu=0 domain=identity"); }},
    {"IdentityIsNotTranslated", "dma-direct", broken,
     [](Scene& s) { s.expects(job::Dma::translated).now("via_iommu=0 domain=identity"); }},
    {"IdentityOfADeviceNobodyExpects", "dma-direct", right,
     [](Scene& s) {
         s.expects(job::Dma::translated);
         s.plan.expect.devices = {"0000:00:03.0"};
         s.now("via_iommu=0 domain=identity");
     }},
    {"NoIommuInFirmware", "dma-direct", right,
     [](Scene& s) {
         s.bound(changed(kDirect, "fw=0")).settled(kClient, changed(kDirect, "fw=0"));
     }},
    {"NotBound", "dma-direct", right,
     [](Scene& s) { s.settled(kClient, changed(kDirect, "bound=0")); }},
    {"ADomainOfTheDriversOwn", "dma-direct", right,
     [](Scene& s) { s.now("via_iommu=0 domain=unmanaged"); }},
    {"WasTranslatedInTheBaseline", "dma-direct", broken,
     [](Scene& s) { s.known().now("via_iommu=0 domain=identity"); }},
    {"WasTranslatedAndItsTypeWasChanged", "dma-direct", right,
     [](Scene& s) { s.expects(job::Dma::as_type).known().now("via_iommu=0 domain=identity"); }},
};

const KindCase kUnderfootCases[] = {
    {"SwitchedWhileBound", "domain-underfoot", broken,
     [](Scene& s) { s.was("via_iommu=0 domain=identity domain_id=0x1"); }},
    {"BetweenBindingAndBound", "domain-underfoot", broken,
     [](Scene& s) {
         s.happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")))
             .happened(audit("bound", kClient, kGood));
     }},
    {"AnotherDomainOfTheSameType", "domain-underfoot", broken,
     [](Scene& s) { s.was("domain_id=0x77"); }},
    {"AnotherGroup", "domain-underfoot", broken, [](Scene& s) { s.was("group=9"); }},
    {"WhereEventsWereLost", "domain-underfoot", right,
     [](Scene& s) {
         s.happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")))
             .happened(event("lost seq=9 ts=1 n=3"))
             .settled(kClient, kGood);
     }},
    {"LiveFlushQueue", "domain-underfoot", right,
     [](Scene& s) { s.bound(kGood).now("domain=dma-fq"); }},
    {"FlushQueueWithAnotherDomain", "domain-underfoot", broken,
     [](Scene& s) { s.bound(kGood).now("domain=dma-fq domain_id=0x77"); }},
    {"FlushQueueTakenDownLive", "domain-underfoot", broken,
     [](Scene& s) { s.was("domain=dma-fq").settled(kClient, kGood); }},
    {"ChangedWhileUnbound", "domain-underfoot", right,
     [](Scene& s) { s.was("domain_id=0x77").bus("unbinding").bus("unbound").bound(kGood); }},
    {"BoundTwiceAndTheUnbindWasNotSeen", "domain-underfoot", right,
     [](Scene& s) { s.was("domain_id=0x77").bound(kGood); }},
    {"AfterADeferredBind", "domain-underfoot", right,
     [](Scene& s) {
         s.bus("binding")
             .happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")))
             .bus("deferred")
             .bound(kGood);
     }},
    {"BoundAgainBySettle", "domain-underfoot", right,
     [](Scene& s) { s.was("domain_id=0x77").bus("unbound"); }},
    {"AnotherDriver", "domain-underfoot", right,
     [](Scene& s) {
         s.happened(event("audit at=bound dev=" + kClient + " driver=old " +
                          changed(kGood, "domain_id=0x77")));
     }},
    {"ADriverThatManagesItsDma", "domain-underfoot", right,
     [](Scene& s) { s.was("managed=1 domain_id=0x77").now("managed=1"); }},
    {"ADomainOfTheDriversOwn", "domain-underfoot", right,
     [](Scene& s) { s.bound(kGood).now("domain=unmanaged domain_id=0x77"); }},
    {"RemovedAndAddedAgain", "domain-underfoot", right,
     [](Scene& s) { s.was("group=9 domain_id=0x77").bus("removed").bus("added"); }},
};

const KindCase kGroupCases[] = {
    {"NoGroup", "no-group", broken, [](Scene& s) { s.now("group= domain=none via_iommu=0"); }},
    {"NoGroupAndUnbound", "no-group", right,
     [](Scene& s) { s.settled(kClient, changed(kDirect, "bound=0")); }},
    {"NoGroupAndNoIommu", "no-group", right,
     [](Scene& s) { s.settled(kClient, changed(kDirect, "fw=0")); }},
    {"GroupOfTheBaselineLost", "no-group", broken,
     [](Scene& s) {
         s.known(changed(kGood, "via_iommu=0")).now("group= fw=0 fwspec=0 via_iommu=0 domain=");
     }},
    {"NotOwned", "not-owned", broken, [](Scene& s) { s.now("owned=0"); }},
    {"NotOwnedButManaged", "not-owned", right, [](Scene& s) { s.now("owned=0 managed=1"); }},
    {"NotOwnedButUnbound", "not-owned", right, [](Scene& s) { s.now("owned=0 bound=0"); }},
    {"OwnerUnknownBeforeTheKernelHadOne", "not-owned", right, [](Scene& s) { s.now("owned="); }},
    {"NotOwnedDuringTheRaceOnly", "not-owned", right, [](Scene& s) { s.was("owned=0"); }},
    {"SysfsSaysAnotherType", "type-mismatch", broken, [](Scene& s) { s.typed("identity"); }},
    {"SysfsSaysFlushQueue", "type-mismatch", broken, [](Scene& s) { s.typed("DMA-FQ"); }},
    {"SysfsSaysTheSame", "type-mismatch", right, [](Scene& s) { s.typed("DMA"); }},
    {"ADomainOfAnOwner", "type-mismatch", right,
     [](Scene& s) { s.typed("DMA").now("domain=unmanaged"); }},
    {"MembersDiffer", "type-mismatch", broken,
     [](Scene& s) { s.settled(kOther, changed(kGood, "group=1 domain_id=0xb2")); }, kOther},
    {"MembersAgree", "type-mismatch", right, [](Scene& s) { s.settled(kOther, kGood); }, kOther},
    {"DmaApiBehindIdentity", "type-mismatch", broken, [](Scene& s) { s.now("domain=identity"); }},
    {"DmaApiBehindNoDomain", "type-mismatch", broken,
     [](Scene& s) { s.now("domain=none domain_id="); }},
    {"NotBoundAnyMore", "not-bound", broken,
     [](Scene& s) { s.known().now("bound=0").did("bind", kClient); }},
    {"NotBoundAndNobodyTried", "not-bound", right, [](Scene& s) { s.known().now("bound=0"); }},
};

const std::string kIoStop = "io stop " + kClient;

const KindCase kStateCases[] = {
    {"MapMismatch", "map-error", broken,
     [](Scene& s) { s.now("map=mismatch phys=0x1 iova_phys=0x0"); }},
    {"MapErrorAtBound", "map-error", broken,
     [](Scene& s) { s.happened(audit("bound", kClient, changed(kGood, "map=error"))); }},
    {"MapSkipped", "map-error", right, [](Scene& s) { s.now("map=skipped"); }},
    {"FwspecLostWhileBound", "fwspec-lost", broken,
     [](Scene& s) { s.bound(kGood).now("fwspec=0"); }},
    {"FwspecLostBetweenBindings", "fwspec-lost", broken,
     [](Scene& s) { s.bound(kGood).bus("unbound").was("fwspec=0").now("fwspec=0"); }},
    {"FwspecGoneWithTheIommu", "fwspec-lost", right,
     [](Scene& s) {
         s.bound(kGood).bus("unbound").now("fwspec=0 bound=0").did("rmmod", "virtio_iommu");
     }},
    {"FwspecOfANewDevice", "fwspec-lost", right,
     [](Scene& s) { s.bound(kGood).bus("removed").now("fwspec=0"); }},
    {"FwspecGained", "fwspec-lost", right, [](Scene& s) { s.was("fwspec=0"); }},
    {"IoReadOtherBytes", "wrong-data", broken,
     [](Scene& s) { s.did("io", kClient, EILSEQ).observed.steps.back().text = kIoStop; }},
    {"IoFailed", "wrong-data", broken,
     [](Scene& s) { s.did("io", kClient, EIO).observed.steps.back().text = kIoStop; }},
    {"IoReadWhatItWrote", "wrong-data", right,
     [](Scene& s) { s.did("io", kClient).observed.steps.back().text = kIoStop; }},
    {"ABindThatFailedForIo", "wrong-data", right,
     [](Scene& s) { s.did("bind", kOther, EIO).did("bind", kOther); }},
    {"GroupGoneWhileBound", "fwspec-lost", broken,
     [](Scene& s) { s.bound(kGood).now("group= domain=none via_iommu=0"); }},
};

// The client and a second one, before the iteration and after it.
void refs(Scene& s, const std::string& before, const std::string& after) {
    for (const auto& device : {kClient, kOther}) {
        s.observed.before.push_back(audited(device, changed(kGood, "iommu_refs=" + before)));
        s.settled(device, changed(kGood, "iommu_refs=" + after));
    }
}

const KindCase kLeakCases[] = {
    {"OneMoreReference", "reference-leak", broken, [](Scene& s) { refs(s, "10", "11"); }},
    {"AsMany", "reference-leak", right, [](Scene& s) { refs(s, "10", "10"); }},
    {"Fewer", "reference-leak", right, [](Scene& s) { refs(s, "10", "9"); }},
    {"SomebodyLookedWhileOneWasAudited", "reference-leak", right,
     [](Scene& s) {
         refs(s, "10", "10");
         s.now("iommu_refs=11");
     }},
    {"AnotherClientIsBound", "reference-leak", right,
     [](Scene& s) {
         refs(s, "10", "11");
         s.observed.before.pop_back();
     }},
    {"NothingToCompareWith", "reference-leak", right,
     [](Scene& s) {
         refs(s, "10", "11");
         s.observed.before.clear();
     }},
};

std::string name_of(const ::testing::TestParamInfo<KindCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Direct, VerdictKinds, ::testing::ValuesIn(kDirectCases), name_of);
INSTANTIATE_TEST_SUITE_P(Underfoot, VerdictKinds, ::testing::ValuesIn(kUnderfootCases), name_of);
INSTANTIATE_TEST_SUITE_P(Group, VerdictKinds, ::testing::ValuesIn(kGroupCases), name_of);
INSTANTIATE_TEST_SUITE_P(State, VerdictKinds, ::testing::ValuesIn(kStateCases), name_of);
INSTANTIATE_TEST_SUITE_P(Leak, VerdictKinds, ::testing::ValuesIn(kLeakCases), name_of);

TEST(VerdictKinds, TheGravestComesFirst) {
    Scene scene;
    refs(scene, "10", "11");
    scene.logged("refcount_t: underflow; use-after-free.")
        .logged("pci 0000:00:02.0: Failed to add to iommu group 1: -12");
    scene.observed.settle_failed = "a task is stuck";
    EXPECT_THAT(kinds(scene.judged()),
                ::testing::ElementsAre("hang", "attach-failed " + kClient,
                                       "reference-leak " + kClient, "kernel-warning"));
}

} // namespace dmarace::verdict::testing
