// SPDX-License-Identifier: GPL-2.0-or-later
// Audits and the log as they are read, and the races of the first jobs, as both tell them.
#include "job/words.hpp"
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Lines as the module wrote them on Debian's kernels, board virtio-iommu.
const std::string kBinding = "bus seq=13 ts=14744688800 what=binding dev=pci/0000:00:02.0 "
                             "driver=e1000e tid=122 comm=sh";
const std::string kBound = "bus seq=16 ts=14907297136 what=bound dev=pci/0000:00:02.0 "
                           "driver=e1000e tid=122 comm=sh";
const std::string kAtBinding =
    "audit seq=14 ts=14745177728 at=binding dev=pci/0000:00:02.0 driver=e1000e bound=0 managed=0 "
    "fw=1 fwspec=1 domain=none via_iommu=0 map=skipped reason=\"not bound\"";
const std::string kAtBound =
    "audit seq=17 ts=14910390800 at=bound dev=pci/0000:00:02.0 driver=e1000e bound=1 managed=0 "
    "fw=1 fwspec=1 domain=none via_iommu=0 map=ok addr=0x44585000 phys=0x44585000";
const std::string kSettledLate =
    "bound=1 managed=0 owned=0 group=1 fw=1 fwspec=1 iommu=0000:00:01.0 iommu_refs=5 domain=dma "
    "domain_id=0000000012c80b24 via_iommu=1 map=ok addr=0xfffff000 phys=0x45b34000 "
    "iova_phys=0x45b34000";
const std::string kUnboundGrouped =
    "bound=0 owned=0 group=2 fw=1 fwspec=1 iommu=0000:00:01.0 iommu_refs=5 domain=dma "
    "domain_id=0000000066d2ece0 via_iommu=1 map=skipped reason=\"not bound\"";
const std::string kUnboundAlone =
    "bound=0 fw=1 fwspec=0 domain=none via_iommu=0 map=skipped reason=\"not bound\"";

// 7.3.4: bound inside the unlocked window, grouped and translated later.
Scene late_probe() {
    Scene scene;
    for (const auto& line : {kBinding, kAtBinding, kBound, kAtBound})
        scene.happened(event(line));
    return scene.settled(kOther, kUnboundGrouped)
        .settled(kClient, kSettledLate)
        .logged({kCut,
                 "e1000e 0000:00:02.0: late IOMMU probe at driver bind, something fishy here!",
                 "WARNING: drivers/iommu/iommu.c:654 at __iommu_probe_device+0x1f8/0x550, CPU#0: "
                 "insmod/112"});
}

// 6.12.117: the instance was not found, the client stays without for good.
Scene instance_lookup() {
    return Scene().bound(kDirect).settled(kOther, kUnboundAlone).settled(kClient, kDirect);
}

TEST(VerdictRaces, LateProbe) {
    const auto judgement = late_probe().judged();
    EXPECT_EQ(judgement.verdict, Verdict::fail);
    EXPECT_THAT(kinds(judgement),
                UnorderedElementsAre("domain-underfoot " + kClient, "dma-direct " + kClient,
                                     "not-owned " + kClient, "kernel-warning " + kClient));
    const auto& first = judgement.failures.front();
    EXPECT_EQ(first.kind, FailureKind::domain_underfoot);
    EXPECT_EQ(first.driver, "e1000e");
    EXPECT_THAT(first.detail, HasSubstr("direct then translated"));
    EXPECT_THAT(first.detail, HasSubstr("no group then group 1"));
    EXPECT_THAT(first.evidence, Contains(HasSubstr("late IOMMU probe")));
    EXPECT_THAT(judgement.reason, HasSubstr("domain-underfoot " + kClient + " (e1000e)"));
}

TEST(VerdictRaces, LateProbeOnAFixedKernelIsPutOffAndPasses) {
    const auto judgement = Scene().did("bind", kClient, EAGAIN).bound(kGood).judged();
    EXPECT_EQ(judgement.verdict, Verdict::pass);
    EXPECT_EQ(judgement.reason, "rule 1 met");
    EXPECT_THAT(judgement.failures, IsEmpty());
}

TEST(VerdictRaces, InstanceLookup) {
    const auto hit = event("hit seq=10 rule=1 point=probe_iommu_group on=enter nth=1 tid=146 "
                           "comm=insmod actor=walk dev=platform/reg-dummy");
    const auto judgement = instance_lookup().happened(hit).judged();
    EXPECT_EQ(judgement.verdict, Verdict::fail);
    EXPECT_THAT(kinds(judgement), ElementsAre("dma-direct " + kClient, "no-group " + kClient));
    for (const auto& failure : judgement.failures)
        EXPECT_EQ(failure.driver, "e1000e");
}

// No client has a group there: what tells that an IOMMU is there is the walk,
// or, without holds, the module that was loaded.
TEST(VerdictRaces, InstanceLookupNeedsAnInstance) {
    auto scene = instance_lookup();
    EXPECT_EQ(scene.judged().verdict, Verdict::inconclusive);
    EXPECT_THAT(scene.judged().reason, HasSubstr("no IOMMU instance was seen"));
    scene.observed.holds = false;
    for (const auto& other : {step("insmod", "e1000e"), step("insmod", "virtio_iommu", ENODEV)}) {
        scene.observed.steps = {other};
        EXPECT_EQ(scene.judged().verdict, Verdict::inconclusive);
    }
    scene.observed.steps = {step("insmod", "virtio_iommu")};
    EXPECT_EQ(scene.judged().verdict, Verdict::fail);
}

// 7.3.4: the bind was put off, and settle bound it.
TEST(VerdictRaces, InstanceLookupOnAFixedKernel) {
    Scene scene;
    scene.happened(event("bus seq=13 what=deferred dev=pci/0000:00:02.0 err=-517 tid=112"));
    scene.did("bind", kClient, EAGAIN).settled(kOther, kUnboundGrouped);
    EXPECT_EQ(scene.judged().verdict, Verdict::pass);
    scene.settled(kClient, kUnboundGrouped); // and when settle did not
    EXPECT_EQ(scene.judged().verdict, Verdict::inconclusive);
    EXPECT_THAT(scene.judged().reason, HasSubstr("is not bound after settle"));
}

// Bound by settle, after the events were taken.
TEST(VerdictRaces, DirectAfterSettleWithoutAnEvent) {
    Scene scene;
    scene.settled(kClient, kDirect);
    EXPECT_THAT(kinds(scene.judged()), ElementsAre("dma-direct " + kClient, "no-group " + kClient));
    scene.known(kDirect);
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::pass);
    EXPECT_THAT(judgement.notes, ElementsAre(HasSubstr("since before the run")));
}

// The client never got its IOMMU, and the log says of a device that its driver waited long enough.
Scene timed_out(const std::string& device) {
    return Scene()
        .bound(kDirect)
        .settled(kClient, kDirect)
        .logged(device + ": deferred probe timeout, ignoring dependency");
}

TEST(VerdictRaces, DeferredProbeTimeoutIsLegalAndNoPass) {
    const auto judgement = timed_out("e1000e 0000:00:02.0").expects(job::Dma::translated).judged();
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
    EXPECT_THAT(judgement.reason, HasSubstr("deferred_probe_timeout=-1"));
}

// A job that is about the timeout says so, and gets a note.
TEST(VerdictRaces, DeferredProbeTimeoutMayBeWhatTheJobIsAbout) {
    auto scene = timed_out("e1000e 0000:00:02.0").expects(job::Dma::as_type);
    scene.plan.expect.timeout_is_legal = true;
    EXPECT_EQ(scene.judged().verdict, Verdict::pass);
    EXPECT_THAT(scene.judged().notes, Contains(HasSubstr("which is legal")));
}

// Another client's timeout excuses nobody else.
TEST(VerdictRaces, TimeoutOfAnotherDeviceExcusesNothing) {
    EXPECT_EQ(timed_out("nvme 0000:00:03.0").judged().verdict, Verdict::fail);
}

// R3e: a writer dies in the kernel, the remover hangs behind it.
TEST(VerdictRaces, TypeVsRemove) {
    Scene scene;
    scene.logged({"Unable to handle kernel NULL pointer dereference at virtual address 0000000000",
                  "Internal error: Oops: 0000000096000004 [#1] SMP",
                  "CPU: 0 UID: 0 PID: 300 Comm: dmarace Tainted: G O 7.3.4",
                  "pc : iommu_group_store_type+0x160/0x2a8"});
    scene.observed.actors = {
        {"writer", ActorEnd::How::killed, ""},
        {"remover", ActorEnd::How::stuck,
         "remove pci/0000:00:02.0\n[<0>] kernfs_drain+0x68/0x140\n[<0>] kobject_del+0x20/0x40"}};
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::hang);
    EXPECT_THAT(kinds(judgement), ElementsAre("kernel-oops", "hang " + kClient));
    EXPECT_THAT(judgement.failures[0].evidence,
                Contains(HasSubstr("iommu_group_store_type+0x160")));
    EXPECT_THAT(judgement.failures[0].evidence, Contains(HasSubstr("actor writer")));
    EXPECT_THAT(judgement.failures[1].evidence, Contains(HasSubstr("kernfs_drain")));
}

TEST(VerdictRaces, AnActorThatIsDoneLongBeforeTheOthersIsSaid) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    const auto notes = [&](std::uint64_t early, std::uint64_t late, bool awaited) {
        Scene scene;
        job::Actor busy{"busy", {}, {}};
        if (awaited)
            busy.steps.push_back(job::parse_step("wait done:client", {}).value());
        scene.plan.actors = {{"client", {}, {}}, std::move(busy)};
        scene.plan.rules[0].wait_for.clear();
        for (const auto& [actor, end] : {std::pair{"client", early}, std::pair{"busy", late}}) {
            scene.did("sleep", "1s");
            scene.observed.steps.back().actor = actor;
            scene.observed.steps.back().began = kSecond;
            scene.observed.steps.back().ended = kSecond + end;
        }
        return scene.judged().notes;
    };
    EXPECT_THAT(notes(kSecond, 5 * kSecond, false),
                ElementsAre(HasSubstr("actor client was done")));
    EXPECT_THAT(notes(kSecond, 5 * kSecond, true), IsEmpty()) << "it is waited for";
    EXPECT_THAT(notes(4 * kSecond, 5 * kSecond, false), IsEmpty());
    EXPECT_THAT(notes(kSecond / 10, kSecond / 2, false), IsEmpty()) << "in a moment";
}

TEST(VerdictRaces, AnOopsIsNamedByItsFunction) {
    for (const std::string place :
         {"pc : iommu_attach+0x1/0x2 [vfio]", "RIP: 0010:iommu_attach+0x1/0x2"}) {
        Scene scene;
        scene.logged(std::vector<std::string>{
            "Unable to handle kernel paging request at virtual address dead000000000122",
            "Mem abort info:", place, "lr : really_probe+0x1/0x2"});
        EXPECT_THAT(scene.judged().failures[0].detail, HasSubstr("(in iommu_attach)"));
    }
}

TEST(VerdictRaces, AFixThatIsALockShowsWhereItBlocked) {
    Scene scene;
    scene.observed.counts[0].met = 0;
    scene.observed.counts[0].blocked = 1;
    scene.happened(event("stack actor=client step=\"bind x\" stack=\"mutex_lock;use_domain;really_"
                         "probe;bind_store\""));
    const auto judgement = scene.judged();
    EXPECT_EQ(judgement.verdict, Verdict::pass);
    EXPECT_THAT(judgement.notes,
                ElementsAre("actor client was blocked in 'bind x', by whom is not known: "
                            "mutex_lock;use_domain;really_probe"));
}

TEST(VerdictRaces, WhoBlockedIsNamedWhereItIsKnown) {
    Scene scene;
    scene.happened(event("signal name=blocked:client by=owner"));
    for (const auto* us : {"120", "340"}) // twice in one iteration is one note
        scene.happened(event("signal name=blocked:client by=lock tid=9 comm=x actor=client "
                             "lock=mutex sym=iommu_probe_device_lock owner=walk owner_tid=8 "
                             "rule=window us=" +
                             std::string(us)));
    EXPECT_THAT(scene.judged().notes,
                ElementsAre("actor client was blocked by walk, which owns the mutex "
                            "iommu_probe_device_lock, while rule window held"));
}

TEST(VerdictRaces, BaselineThatBreaksARuleIsAFinding) {
    Baseline baseline;
    baseline[kOther] = audited(kOther, kGood);
    EXPECT_THAT(judge_baseline(baseline), IsEmpty());
    baseline[kClient] = audited(kClient, kDirect);
    const auto failures = judge_baseline(baseline);
    ASSERT_EQ(failures.size(), 2U);
    EXPECT_EQ(failures[0].kind, FailureKind::dma_direct);
    EXPECT_EQ(failures[1].kind, FailureKind::no_group);
}

TEST(VerdictAudit, ReadsEveryWord) {
    const Audit expected{41, 99, "bound", kClient, "e1000e",
                         // bound, managed, owned, fw, fwspec, via_iommu
                         true, false, true, true, true, true, "virtio0", 5, 3, "dma-fq", "a1f0",
                         "skipped", "mask too small", "0xff", "0xfe", "0xfd"};
    EXPECT_EQ(
        to_audit(event("audit seq=41 ts=99 at=bound dev=pci/0000:00:02.0 driver=e1000e bound=1 "
                       "managed=0 owned=1 fw=1 fwspec=1 iommu=virtio0 iommu_refs=5 group=3 "
                       "domain=dma-fq domain_id=a1f0 via_iommu=1 map=skipped "
                       "reason=\"mask too small\" addr=0xff phys=0xfe iova_phys=0xfd")),
        expected);
}

TEST(VerdictAudit, AFactThatIsLeftOutIsUnknown) {
    Audit expected;
    expected.at = "demand";
    expected.device = "platform/a";
    EXPECT_EQ(to_audit(event("audit dev=platform/a")), expected);
}

TEST(VerdictAudit, OtherLinesAreNone) {
    EXPECT_FALSE(to_audit(event("bus what=bound dev=pci/0000:00:02.0")));
    EXPECT_FALSE(to_audit(event("audit at=bound")));
}

TEST(VerdictAudit, LineComesBack) {
    const auto line = event("audit seq=2 ts=3 at=binding dev=pci/x driver=d bound=0 managed=1 "
                            "owned=0 fw=1 fwspec=0 iommu=i iommu_refs=4 group=0 domain=none "
                            "domain_id=0 via_iommu=0 map=error reason=\"no page\"");
    EXPECT_EQ(to_line(*to_audit(line)), line);
}

TEST(VerdictTaint, ABitThatTheLogDoesNotTell) {
    const auto tainted = [](unsigned long before, unsigned long after) {
        Scene scene;
        scene.observed.taint_before = before;
        scene.observed.taint_after = after;
        return joined(kinds(scene.judged()), "\n");
    };
    constexpr auto die = 1UL << 7, warn = 1UL << 9, out_of_tree = 1UL << 12, unsigned_ = 1UL << 13;
    EXPECT_EQ(tainted(out_of_tree, out_of_tree | unsigned_), "");
    EXPECT_EQ(tainted(out_of_tree, out_of_tree | unsigned_ | warn), "kernel-warning");
    EXPECT_EQ(tainted(out_of_tree | warn, out_of_tree | unsigned_ | warn), "");
    EXPECT_EQ(tainted(out_of_tree | warn, out_of_tree | unsigned_ | warn | die), "kernel-oops");
}

TEST(VerdictText, EveryVerdictComesBack) {
    for (const auto verdict : {Verdict::pass, Verdict::fail, Verdict::crash, Verdict::hang,
                               Verdict::inconclusive, Verdict::skip, Verdict::error})
        EXPECT_EQ(verdict_from(to_text(verdict)), verdict);
    EXPECT_FALSE(verdict_from("passed"));
    EXPECT_FALSE(verdict_from(""));
}

} // namespace dmarace::verdict::testing
