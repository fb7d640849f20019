// SPDX-License-Identifier: GPL-2.0-or-later
// For each rule a case that breaks it and a neighbour that must not.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::Not;

struct Case {
    std::string name;
    void (*arrange)(Scene&);
    std::string kind; // "kind device" that must be found
    bool broken;      // false: it must not be found, and the iteration passes
};

class VerdictKinds : public ::testing::TestWithParam<Case> {};

TEST_P(VerdictKinds, Judged) {
    Scene scene;
    GetParam().arrange(scene);
    const auto judgement = scene.judged();
    if (GetParam().broken) {
        EXPECT_THAT(kinds(judgement), Contains(GetParam().kind));
        EXPECT_EQ(judgement.verdict, Verdict::fail);
    } else {
        EXPECT_THAT(kinds(judgement), Not(Contains(GetParam().kind)));
        EXPECT_EQ(judgement.verdict, Verdict::pass) << judgement.reason;
    }
}

const std::string kAt = " pci/0000:00:02.0";

const Case kDirectCases[] = {
    {"AtBinding",
     [](Scene& s) { s.happened(audit("binding", kClient, changed(kDirect, "bound=0"))); },
     "dma-direct" + kAt, true},
    {"BehindADmaDomain", [](Scene& s) { s.bound(changed(kGood, "via_iommu=0")); },
     "dma-direct" + kAt, true},
    {"BehindAFlushQueueDomain",
     [](Scene& s) { s.bound(changed(kGood, "via_iommu=0 domain=dma-fq")); }, "dma-direct" + kAt,
     true},
    {"OnlyTheFwspecSaysSo", [](Scene& s) { s.settled(kClient, changed(kDirect, "fw=0 fwspec=1")); },
     "dma-direct" + kAt, true},
    {"IdentityIsLegal",
     [](Scene& s) {
         s.bound(changed(kGood, "via_iommu=0 domain=identity"));
         s.settled(kClient, changed(kGood, "via_iommu=0 domain=identity"));
     },
     "dma-direct" + kAt, false},
    {"IdentityIsNotTranslated",
     [](Scene& s) {
         s.plan.expect.dma = job::Dma::translated;
         s.settled(kClient, changed(kGood, "via_iommu=0 domain=identity"));
     },
     "dma-direct" + kAt, true},
    {"IdentityOfADeviceNobodyExpects",
     [](Scene& s) {
         s.plan.expect.dma = job::Dma::translated;
         s.plan.expect.devices = {"0000:00:03.0"};
         s.settled(kClient, changed(kGood, "via_iommu=0 domain=identity"));
     },
     "dma-direct" + kAt, false},
    {"NoIommuInFirmware",
     [](Scene& s) {
         s.bound(changed(kDirect, "fw=0"));
         s.settled(kClient, changed(kDirect, "fw=0"));
     },
     "dma-direct" + kAt, false},
    {"NotBound", [](Scene& s) { s.settled(kClient, changed(kDirect, "bound=0")); },
     "dma-direct" + kAt, false},
    {"ADomainOfTheDriversOwn",
     [](Scene& s) { s.settled(kClient, changed(kGood, "via_iommu=0 domain=unmanaged")); },
     "dma-direct" + kAt, false},
    {"WasTranslatedInTheBaseline",
     [](Scene& s) {
         s.baseline[kClient] = *to_audit(audit("demand", kClient, kGood));
         s.settled(kClient, changed(kGood, "via_iommu=0 domain=identity"));
     },
     "dma-direct" + kAt, true},
    {"WasTranslatedAndItsTypeWasChanged",
     [](Scene& s) {
         s.plan.expect.dma = job::Dma::as_type;
         s.baseline[kClient] = *to_audit(audit("demand", kClient, kGood));
         s.settled(kClient, changed(kGood, "via_iommu=0 domain=identity"));
     },
     "dma-direct" + kAt, false},
};

const Case kUnderfootCases[] = {
    {"SwitchedWhileBound",
     [](Scene& s) { s.bound(changed(kGood, "via_iommu=0 domain=identity domain_id=0x1")); },
     "domain-underfoot" + kAt, true},
    {"BetweenBindingAndBound",
     [](Scene& s) {
         s.happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")));
         s.happened(audit("bound", kClient, kGood));
     },
     "domain-underfoot" + kAt, true},
    {"AnotherDomainOfTheSameType", [](Scene& s) { s.bound(changed(kGood, "domain_id=0x77")); },
     "domain-underfoot" + kAt, true},
    {"AnotherGroup", [](Scene& s) { s.bound(changed(kGood, "group=9")); }, "domain-underfoot" + kAt,
     true},
    {"WhereEventsWereLost",
     [](Scene& s) {
         s.happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")));
         s.happened(event("lost seq=9 ts=1 n=3"));
         s.settled(kClient, kGood);
     },
     "domain-underfoot" + kAt, false},
    {"LiveFlushQueue",
     [](Scene& s) {
         s.bound(kGood);
         s.settled(kClient, changed(kGood, "domain=dma-fq"));
     },
     "domain-underfoot" + kAt, false},
    {"FlushQueueWithAnotherDomain",
     [](Scene& s) {
         s.bound(kGood);
         s.settled(kClient, changed(kGood, "domain=dma-fq domain_id=0x77"));
     },
     "domain-underfoot" + kAt, true},
    {"FlushQueueTakenDownLive",
     [](Scene& s) {
         s.bound(changed(kGood, "domain=dma-fq"));
         s.settled(kClient, kGood);
     },
     "domain-underfoot" + kAt, true},
    {"ChangedWhileUnbound",
     [](Scene& s) {
         s.bound(changed(kGood, "domain_id=0x77"));
         s.happened(event("bus what=unbinding dev=" + kClient));
         s.happened(event("bus what=unbound dev=" + kClient));
         s.bound(kGood);
     },
     "domain-underfoot" + kAt, false},
    {"BoundTwiceAndTheUnbindWasNotSeen",
     [](Scene& s) { s.bound(changed(kGood, "domain_id=0x77")).bound(kGood); },
     "domain-underfoot" + kAt, false},
    {"AfterADeferredBind",
     [](Scene& s) {
         s.happened(event("bus what=binding dev=" + kClient));
         s.happened(audit("binding", kClient, changed(kGood, "bound=0 domain_id=0x77")));
         s.happened(event("bus what=deferred dev=" + kClient));
         s.bound(kGood);
     },
     "domain-underfoot" + kAt, false},
    {"BoundAgainBySettle",
     [](Scene& s) {
         s.bound(changed(kGood, "domain_id=0x77"));
         s.happened(event("bus what=unbound dev=" + kClient));
     },
     "domain-underfoot" + kAt, false},
    {"AnotherDriver",
     [](Scene& s) {
         s.happened(event("audit at=bound dev=" + kClient + " driver=old " +
                          changed(kGood, "domain_id=0x77")));
     },
     "domain-underfoot" + kAt, false},
    {"ADriverThatManagesItsDma",
     [](Scene& s) {
         s.bound(changed(kGood, "managed=1 domain_id=0x77"));
         s.settled(kClient, changed(kGood, "managed=1"));
     },
     "domain-underfoot" + kAt, false},
    {"ADomainOfTheDriversOwn",
     [](Scene& s) {
         s.bound(kGood);
         s.settled(kClient, changed(kGood, "domain=unmanaged domain_id=0x77"));
     },
     "domain-underfoot" + kAt, false},
    {"RemovedAndAddedAgain",
     [](Scene& s) {
         s.bound(changed(kGood, "group=9 domain_id=0x77"));
         s.happened(event("bus what=removed dev=" + kClient));
         s.happened(event("bus what=added dev=" + kClient));
     },
     "domain-underfoot" + kAt, false},
};

const Case kGroupCases[] = {
    {"NoGroup",
     [](Scene& s) { s.settled(kClient, changed(kGood, "group= domain=none via_iommu=0")); },
     "no-group" + kAt, true},
    {"NoGroupAndUnbound", [](Scene& s) { s.settled(kClient, changed(kDirect, "bound=0")); },
     "no-group" + kAt, false},
    {"NoGroupAndNoIommu", [](Scene& s) { s.settled(kClient, changed(kDirect, "fw=0")); },
     "no-group" + kAt, false},
    {"GroupOfTheBaselineLost",
     [](Scene& s) {
         s.baseline[kClient] = *to_audit(audit("demand", kClient, changed(kGood, "via_iommu=0")));
         s.settled(kClient, changed(kGood, "group= fw=0 fwspec=0 via_iommu=0 domain="));
     },
     "no-group" + kAt, true},
    {"NotOwned", [](Scene& s) { s.settled(kClient, changed(kGood, "owned=0")); }, "not-owned" + kAt,
     true},
    {"NotOwnedButManaged",
     [](Scene& s) { s.settled(kClient, changed(kGood, "owned=0 managed=1")); }, "not-owned" + kAt,
     false},
    {"NotOwnedButUnbound", [](Scene& s) { s.settled(kClient, changed(kGood, "owned=0 bound=0")); },
     "not-owned" + kAt, false},
    {"OwnerUnknownBeforeTheKernelHadOne",
     [](Scene& s) { s.settled(kClient, changed(kGood, "owned=")); }, "not-owned" + kAt, false},
    {"NotOwnedDuringTheRaceOnly", [](Scene& s) { s.bound(changed(kGood, "owned=0")); },
     "not-owned" + kAt, false},
    {"SysfsSaysAnotherType",
     [](Scene& s) {
         s.observed.groups = {{1, "identity", {kClient}}};
     },
     "type-mismatch" + kAt, true},
    {"SysfsSaysFlushQueue",
     [](Scene& s) {
         s.observed.groups = {{1, "DMA-FQ", {kClient}}};
     },
     "type-mismatch" + kAt, true},
    {"SysfsSaysTheSame",
     [](Scene& s) {
         s.observed.groups = {{1, "DMA", {kClient}}};
     },
     "type-mismatch" + kAt, false},
    {"ADomainOfAnOwner",
     [](Scene& s) {
         s.observed.groups = {{1, "DMA", {kClient}}};
         s.settled(kClient, changed(kGood, "domain=unmanaged"));
     },
     "type-mismatch" + kAt, false},
    {"MembersDiffer", [](Scene& s) { s.settled(kOther, changed(kGood, "group=1 domain_id=0xb2")); },
     "type-mismatch pci/0000:00:03.0", true},
    {"MembersAgree", [](Scene& s) { s.settled(kOther, kGood); }, "type-mismatch pci/0000:00:03.0",
     false},
    {"DmaApiBehindIdentity",
     [](Scene& s) { s.settled(kClient, changed(kGood, "domain=identity")); }, "type-mismatch" + kAt,
     true},
    {"DmaApiBehindNoDomain",
     [](Scene& s) { s.settled(kClient, changed(kGood, "domain=none domain_id=")); },
     "type-mismatch" + kAt, true},
    {"NotBoundAnyMore",
     [](Scene& s) {
         s.baseline[kClient] = *to_audit(audit("demand", kClient, kGood));
         s.settled(kClient, changed(kGood, "bound=0"));
         s.observed.steps.push_back(step("bind", kClient));
     },
     "not-bound" + kAt, true},
    {"NotBoundAndNobodyTried",
     [](Scene& s) {
         s.baseline[kClient] = *to_audit(audit("demand", kClient, kGood));
         s.settled(kClient, changed(kGood, "bound=0"));
     },
     "not-bound" + kAt, false},
};

const Case kStateCases[] = {
    {"MapMismatch",
     [](Scene& s) { s.settled(kClient, changed(kGood, "map=mismatch phys=0x1 iova_phys=0x0")); },
     "map-error" + kAt, true},
    {"MapErrorAtBound",
     [](Scene& s) { s.happened(audit("bound", kClient, changed(kGood, "map=error"))); },
     "map-error" + kAt, true},
    {"MapSkipped", [](Scene& s) { s.settled(kClient, changed(kGood, "map=skipped")); },
     "map-error" + kAt, false},
    {"FwspecLostWhileBound",
     [](Scene& s) {
         s.bound(kGood);
         s.settled(kClient, changed(kGood, "fwspec=0"));
     },
     "fwspec-lost" + kAt, true},
    {"FwspecLostBetweenBindings",
     [](Scene& s) {
         s.bound(kGood);
         s.happened(event("bus what=unbound dev=" + kClient));
         s.bound(changed(kGood, "fwspec=0"));
         s.settled(kClient, changed(kGood, "fwspec=0"));
     },
     "fwspec-lost" + kAt, true},
    {"FwspecGoneWithTheIommu",
     [](Scene& s) {
         s.bound(kGood);
         s.happened(event("bus what=unbound dev=" + kClient));
         s.settled(kClient, changed(kGood, "fwspec=0 bound=0"));
         s.observed.steps.push_back(step("rmmod", "virtio_iommu"));
     },
     "fwspec-lost" + kAt, false},
    {"FwspecOfANewDevice",
     [](Scene& s) {
         s.bound(kGood);
         s.happened(event("bus what=removed dev=" + kClient));
         s.settled(kClient, changed(kGood, "fwspec=0"));
     },
     "fwspec-lost" + kAt, false},
    {"FwspecGained", [](Scene& s) { s.bound(changed(kGood, "fwspec=0")); }, "fwspec-lost" + kAt,
     false},
    {"GroupGoneWhileBound",
     [](Scene& s) {
         s.bound(kGood);
         s.settled(kClient, changed(kGood, "group= domain=none via_iommu=0"));
     },
     "fwspec-lost" + kAt, true},
};

// The client and a second one, before the iteration and after it.
void refs(Scene& s, const std::string& before, const std::string& after) {
    const auto words = [](const std::string& count) { return "iommu_refs=" + count; };
    for (const auto& device : {kClient, kOther})
        s.observed.before.push_back(
            *to_audit(audit("demand", device, changed(kGood, words(before)))));
    s.settled(kClient, changed(kGood, words(after)));
    s.settled(kOther, changed(kGood, words(after)));
}

const Case kLeakCases[] = {
    {"OneMoreReference", [](Scene& s) { refs(s, "10", "11"); }, "reference-leak" + kAt, true},
    {"AsMany", [](Scene& s) { refs(s, "10", "10"); }, "reference-leak" + kAt, false},
    {"Fewer", [](Scene& s) { refs(s, "10", "9"); }, "reference-leak" + kAt, false},
    {"SomebodyLookedWhileOneWasAudited",
     [](Scene& s) {
         refs(s, "10", "10");
         s.settled(kClient, changed(kGood, "iommu_refs=11"));
     },
     "reference-leak" + kAt, false},
    {"AnotherClientIsBound",
     [](Scene& s) {
         refs(s, "10", "11");
         s.observed.before.pop_back();
     },
     "reference-leak" + kAt, false},
    {"NothingToCompareWith",
     [](Scene& s) {
         refs(s, "10", "11");
         s.observed.before.clear();
     },
     "reference-leak" + kAt, false},
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Direct, VerdictKinds, ::testing::ValuesIn(kDirectCases), name_of);
INSTANTIATE_TEST_SUITE_P(Underfoot, VerdictKinds, ::testing::ValuesIn(kUnderfootCases), name_of);
INSTANTIATE_TEST_SUITE_P(Group, VerdictKinds, ::testing::ValuesIn(kGroupCases), name_of);
INSTANTIATE_TEST_SUITE_P(State, VerdictKinds, ::testing::ValuesIn(kStateCases), name_of);
INSTANTIATE_TEST_SUITE_P(Leak, VerdictKinds, ::testing::ValuesIn(kLeakCases), name_of);

TEST(VerdictKinds, TheGravestComesFirst) {
    Scene scene;
    refs(scene, "10", "11");
    scene.logged("refcount_t: underflow; use-after-free.");
    scene.logged("pci 0000:00:02.0: Failed to add to iommu group 1: -12");
    scene.observed.settle_failed = "a task is stuck";
    EXPECT_THAT(kinds(scene.judged()),
                ::testing::ElementsAre("hang", "attach-failed" + kAt, "reference-leak" + kAt,
                                       "kernel-warning"));
}

} // namespace dmarace::verdict::testing
