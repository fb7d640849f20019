// SPDX-License-Identifier: GPL-2.0-or-later
// Results of writes to iommu_groups/N/type that a kernel may give, or not.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using types::TypeAct;
using types::TypeWord;

struct TypeCase {
    const char* before;
    const char* asked;
    bool bound;
    int os_error;
    const char* after;
    bool allowed;
    unsigned devices = 1;
};

StepResult type_step(const TypeCase& c) {
    StepResult step;
    step.actor = "writer";
    step.index = 1;
    step.verb = catalogue::Verb::type;
    step.text = "type";
    step.began = 1000;
    step.ended = 2000;
    step.os_error = c.os_error;
    step.type = types::TypeStep{.group = 1, .devices = c.devices, .word = c.asked};
    auto& act = step.type->act;
    act.asked = types::type_word_from(c.asked);
    act.before = types::type_word_from(c.before);
    act.after = types::type_word_from(c.after);
    act.bound = c.bound ? types::BoundSeen::yes : types::BoundSeen::no;
    return step;
}

// Whether a scene, or one in which these steps were done, has a result that no kernel may give.
bool unexpected(const Scene& scene) {
    return std::ranges::count(scene.judged().failures, FailureKind::unexpected_errno,
                              &Failure::kind) > 0;
}

bool unexpected(Scene& scene, const std::vector<StepResult>& steps) {
    scene.observed.steps = steps;
    return unexpected(scene);
}

class VerdictTypes : public ::testing::TestWithParam<TypeCase> {};

TEST_P(VerdictTypes, Judged) {
    Scene scene;
    EXPECT_EQ(unexpected(scene, {type_step(GetParam())}), !GetParam().allowed);
}

const TypeCase kUnbound[] = {
    {"DMA", "identity", false, 0, "identity", true},
    {"DMA", "identity", false, 0, "DMA", false},
    {"identity", "DMA", false, 0, "DMA", true},
    {"identity", "DMA", false, 0, "identity", false},
    {"DMA-FQ", "DMA", false, 0, "DMA", true},
    {"DMA-FQ", "DMA", false, 0, "DMA-FQ", false},
    {"DMA", "DMA-FQ", false, 0, "DMA-FQ", true},
    {"DMA", "DMA-FQ", false, 0, "DMA", false}, // the live path has no silent fallback
    {"identity", "DMA-FQ", false, 0, "DMA-FQ", true},
    {"identity", "DMA-FQ", false, 0, "DMA", true}, // silent fallback
    {"identity", "DMA-FQ", false, 0, "identity", false},
    {"DMA", "auto", false, 0, "identity", true},
    {"identity", "auto", false, 0, "DMA-FQ", true},
    {"DMA", "auto", false, 0, "blocked", false},
    {"DMA", "DMA", false, 0, "DMA", true},
    {"DMA", "DMA", false, 0, "identity", false},
    {"DMA", "identity", false, EBUSY, "DMA", false},
    {"DMA", "identity", false, EPERM, "DMA", false},
    {"DMA", "identity", false, EINVAL, "DMA", false},
    {"DMA", "identity", false, ENOMEM, "DMA", false},
    {"DMA", "identity", false, EOPNOTSUPP, "DMA", true},
    {"identity", "DMA", false, EOPNOTSUPP, "identity", false},
    {"DMA", "identity", false, EACCES, "DMA", true},
    {"DMA", "identity", false, ENODEV, "", false},
    {"unknown", "DMA", false, EINVAL, "unknown", true},
};

const TypeCase kBound[] = {
    {"DMA", "identity", true, EPERM, "DMA", true},
    {"DMA", "identity", true, EBUSY, "DMA", true},
    {"DMA", "identity", true, EPERM, "identity", false}, // refused, and changed all the same
    {"DMA", "identity", true, EINVAL, "DMA", false},
    {"DMA", "identity", true, 0, "identity", false},
    {"DMA", "identity", true, 0, "DMA", false},
    {"DMA", "DMA-FQ", true, 0, "DMA-FQ", true},
    {"DMA", "DMA-FQ", true, EBUSY, "DMA", true},
    {"DMA", "DMA-FQ", true, EPERM, "DMA", true},
    {"DMA-FQ", "DMA", true, 0, "DMA", false},
    {"DMA-FQ", "DMA", true, EPERM, "DMA-FQ", true},
    {"DMA", "DMA", true, 0, "DMA", false}, // no kernel asks before it looks for a driver
    {"DMA", "DMA", true, EPERM, "DMA", true},
    {"DMA", "auto", true, 0, "identity", false},
    {"DMA", "auto", true, EBUSY, "DMA", true},
};

const TypeCase kWords[] = {
    {"DMA", "nonsense", false, EINVAL, "DMA", true},
    {"DMA", "nonsense", true, EINVAL, "DMA", true},
    {"DMA", "nonsense", false, 0, "DMA", false},
    {"DMA", "nonsense", true, EPERM, "DMA", false},
    {"DMA", "nonsense", false, EINVAL, "identity", false},
};

const TypeCase kSeveral[] = {
    {"DMA", "identity", false, EINVAL, "DMA", true, 2},
    {"DMA", "identity", false, 0, "identity", true, 2},
    {"DMA", "DMA-FQ", true, EINVAL, "DMA", true, 2},
    {"DMA", "identity", false, EINVAL, "identity", false, 2},
};

INSTANTIATE_TEST_SUITE_P(Unbound, VerdictTypes, ::testing::ValuesIn(kUnbound));
INSTANTIATE_TEST_SUITE_P(Bound, VerdictTypes, ::testing::ValuesIn(kBound));
INSTANTIATE_TEST_SUITE_P(Words, VerdictTypes, ::testing::ValuesIn(kWords));
INSTANTIATE_TEST_SUITE_P(Several, VerdictTypes, ::testing::ValuesIn(kSeveral));

TEST(VerdictTypeContext, AKernelRefusesGroupsOfSeveralOrItDoesNot) {
    Scene scene;
    EXPECT_TRUE(unexpected(scene, {type_step({"DMA", "identity", false, EINVAL, "DMA", true, 2}),
                                   type_step({"DMA", "DMA-FQ", false, 0, "DMA-FQ", true, 2})}));
}

TEST(VerdictTypeContext, ATypeTheDeviceCannotHave) {
    Scene scene;
    const auto step = type_step({"DMA", "identity", false, EINVAL, "DMA", true});
    EXPECT_FALSE(unexpected(scene, {step, step}));
    EXPECT_TRUE(unexpected(
        scene, {step, type_step({"DMA", "identity", false, 0, "identity", true}), step}));
    EXPECT_TRUE(unexpected(scene, {step}));
    scene.observed.log = {{1, 4, "pci 0000:00:02.0: Device cannot be in x domain", ""}};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.log[0].ts = 60'000'000;
    EXPECT_TRUE(unexpected(scene)) << "it was said a minute later";
}

// Up to 6.3 the kernel says why, and what it would have said and did not is no reason.
TEST(VerdictTypeContext, ARefusalWithoutItsSentence) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    Scene scene;
    for (const auto second : {1, 20}) {
        auto write = type_step({"DMA", "identity", true, EBUSY, "DMA", true});
        write.began = second * kSecond;
        write.ended = write.began + 1000;
        scene.observed.steps.push_back(write);
    }
    scene.observed.log = {{1'000'000, 4, "Device is still bound to driver", ""}};
    EXPECT_TRUE(unexpected(scene));
    scene.observed.log.push_back({20'000'000, 4, "Device is still bound to driver", ""});
    EXPECT_FALSE(unexpected(scene));
    for (unsigned i = 0; i < 10; ++i)
        scene.observed.log[1].ts = 16'000'000, scene.observed.log.push_back(scene.observed.log[1]);
    EXPECT_FALSE(unexpected(scene)) << "its lines were spent, or others write";
}

// What nobody said and nothing contradicts is a guess.
TEST(VerdictTypeContext, AGuessSaysSo) {
    Scene scene;
    const auto step = type_step({"DMA", "identity", false, EINVAL, "DMA", true});
    scene.observed.steps = {step, step};
    const auto types = scene.judged().types;
    EXPECT_EQ(types.either(), 2U);
    EXPECT_EQ(types.cells.front().why, "the device cannot have this type, perhaps");
    scene.observed.log = {{1, 4, "Device is still bound to driver", ""}};
    EXPECT_TRUE(unexpected(scene)) << "this kernel says why, and did not say that";
}

TEST(VerdictTypeContext, OldKernelsRefuseForDriversThatManageTheirDma) {
    Scene scene;
    EXPECT_TRUE(unexpected(scene, {type_step({"DMA", "identity", false, EBUSY, "DMA", true})}));
    scene.now("managed=1");
    EXPECT_FALSE(unexpected(scene));
}

// Since 6.4 such a driver owns the group only while somebody uses the device through it.
TEST(VerdictTypeContext, LaterOnesForThoseThatOwnTheGroup) {
    Scene scene;
    scene.now("managed=1 owned=0");
    EXPECT_TRUE(unexpected(scene, {type_step({"DMA", "identity", false, EPERM, "DMA", true})}));
    scene.now("managed=1 owned=1");
    EXPECT_FALSE(unexpected(scene));
    scene.now("managed=1 owned=0");
    scene.happened(event("audit at=bound ts=50 dev=" + std::string(kClient) +
                         " driver=vfio-pci bound=1 managed=1 group=1"));
    EXPECT_TRUE(unexpected(scene)) << "what did not ask for the owner does not tell of one";
}

constexpr const char* kMember = "pci/0000:00:06.0";

// A write to the group of kMember, from 1000 to 2000.
StepResult member_write(const TypeCase& c) {
    auto step = type_step(c);
    step.device = kMember;
    return step;
}

StepResult doing(const char* verb, const char* device, std::uint64_t began, std::uint64_t ended,
                 int os_error = 0) {
    auto out = step(verb, device, os_error);
    out.began = began;
    out.ended = ended;
    return out;
}

// A group of two of which one is away is a group of one.
TEST(VerdictTypeContext, MembersAreThoseOfTheMoment) {
    Scene scene;
    scene.observed.groups = {{1, "DMA", {kMember, kOther}}};
    scene.observed.log = {{1, 4, "Group has more than one device", ""}};
    scene.observed.steps = {member_write({"DMA", "identity", false, EINVAL, "DMA", true, 2}),
                            doing("remove", kOther.c_str(), 3000, 3100),
                            doing("rescan", "", 6000, 7000)};
    scene.bus("removed", kOther, 3050).bus("added", kOther, 6500);
    auto alone = member_write({"DMA", "identity", false, 0, "identity", true, 1});
    alone.began = 4000;
    alone.ended = 5000;
    scene.observed.steps.push_back(alone);
    EXPECT_FALSE(unexpected(scene));
    scene.observed.steps[3] = member_write({"DMA", "identity", false, EINVAL, "DMA", true, 1});
    scene.observed.steps[3].began = 4000;
    scene.observed.steps[3].ended = 5000;
    EXPECT_TRUE(unexpected(scene)) << "it was alone";
}

TEST(VerdictTypeContext, ABindMeanwhileExcusesARefusal) {
    Scene scene;
    const auto write = member_write({"DMA", "identity", false, EPERM, "DMA", true});
    EXPECT_FALSE(unexpected(scene, {write, doing("bind", kMember, 1500, 1700)}));
    scene.observed.steps[1] = doing("bind", kMember, 2500, 2600);
    EXPECT_TRUE(unexpected(scene)) << "it came later";
    scene.observed.steps[1] = doing("bind", kOther.c_str(), 1500, 1700);
    EXPECT_TRUE(unexpected(scene)) << "it was another group's";
    scene.observed.steps[1] = doing("unbind", kMember, 500, 900);
    EXPECT_TRUE(unexpected(scene)) << "the driver was gone before";
}

TEST(VerdictTypeContext, ABindMeanwhileExcusesNoOtherErrno) {
    Scene scene;
    const auto bind = doing("bind", kMember, 1500, 1700);
    EXPECT_TRUE(
        unexpected(scene, {member_write({"DMA", "identity", false, EINVAL, "DMA", true}), bind}));
    EXPECT_TRUE(unexpected(
        scene, {member_write({"DMA", "identity", false, EPERM, "identity", true}), bind}))
        << "refused, and changed all the same";
}

// The bus events say more than the steps: the driver core claims the group
// after the bind step began, and gives it up before unbind returns.
TEST(VerdictTypeContext, EventsSayWhenTheDriverWasBound) {
    Scene scene;
    scene.bus("binding", kMember, 100).bus("bound", kMember, 200);
    EXPECT_FALSE(unexpected(scene, {member_write({"DMA", "identity", true, EPERM, "DMA", true})}));
    EXPECT_TRUE(unexpected(scene, {member_write({"DMA", "identity", true, 0, "identity", true})}))
        << "changed under a driver that was bound all the while";
    scene.bus("unbinding", kMember, 1500).bus("unbound", kMember, 1600);
    EXPECT_FALSE(unexpected(scene)) << "it may have come after the unbind";
}

// The witness rules of the module see the claim itself, and who came into the group when.
TEST(VerdictTypeContext, WitnessesKnowBetterThanTheBus) {
    const auto seen = [](Scene& scene, const std::string& rule, std::uint64_t ts, int ret = 0) {
        scene.happened(event("hit rule=dmarace:" + rule + " point=x dev=" + kMember +
                             " ts=" + std::to_string(ts) + " ret=" + std::to_string(ret)));
    };
    const auto refused = member_write({"DMA", "identity", false, EPERM, "DMA", true});
    const auto went = member_write({"DMA", "identity", false, 0, "identity", true});
    const auto bind = doing("bind", kMember, 500, 3000);
    Scene scene;
    scene.bus("binding", kMember, 2500).bus("bound", kMember, 2900);
    EXPECT_FALSE(unexpected(scene, {refused, bind})) << "claimed at any time of the bind";
    seen(scene, "claim", 2100);
    seen(scene, "claimed", 2200);
    EXPECT_TRUE(unexpected(scene)) << "claimed later";
    EXPECT_FALSE(unexpected(scene, {went, bind}));

    Scene again;
    again.bus("removed", kMember, 600).bus("added", kMember, 1800);
    seen(again, "leave", 550);
    seen(again, "come", 700);
    seen(again, "came", 800);
    const auto gone = member_write({"DMA", "identity", false, ENODEV, "identity", true});
    EXPECT_TRUE(unexpected(
        again, {gone, doing("remove", kMember, 500, 650), doing("rescan", "", 660, 5000)}))
        << "it had come long before 'added'";
    again.observed.events.back() =
        event("hit rule=dmarace:came point=x dev=" + std::string(kMember) + " ts=800 ret=-19");
    EXPECT_FALSE(unexpected(again)) << "it did not come";

    // Up to 5.19 an IOMMU that came late hears of a removal after the module.
    Scene late;
    late.bus("removed", kMember, 100);
    seen(late, "leave", 150);
    seen(late, "come", 200);
    seen(late, "came", 300);
    late.bus("removed", kMember, 5000);
    EXPECT_TRUE(
        unexpected(late, {gone, doing("remove", kMember, 50, 160), doing("rescan", "", 170, 400),
                          doing("remove", kMember, 4900, 5100)}))
        << "it was there from 300 to 4900";
}

// A step looks for the members, waits, and writes: its own word of them may be old.
TEST(VerdictTypeContext, WhoWasAMemberIsKnownBetterFromEvents) {
    Scene scene;
    scene.bus("binding", kMember, 100).bus("bound", kMember, 200);
    scene.logged("Device is still bound to driver");
    auto write = member_write({"DMA", "identity", true, EBUSY, "DMA", true, 2});
    EXPECT_FALSE(unexpected(scene, {write}));
}

// Only the time of the write itself counts.
TEST(VerdictTypeContext, AStepIsAsLongAsItsWrite) {
    Scene scene;
    scene.bus("binding", kMember, 1400).bus("bound", kMember, 1500);
    auto write = member_write({"DMA", "identity", false, EPERM, "DMA", true});
    const auto bind = doing("bind", kMember, 1300, 1600);
    EXPECT_FALSE(unexpected(scene, {write, bind}));
    write.type->act.began = 1100;
    write.type->act.ended = 1200;
    write.type->act.read = 1250;
    EXPECT_TRUE(unexpected(scene, {write, bind}));
}

// Up to 6.3 a bind owns the lock that a write needs: it is before it or after it.
TEST(VerdictTypeContext, UnderTheDevicesLockNoWriteIsDecided) {
    const auto judged = [](std::uint64_t began, std::uint64_t ended, int os_error) {
        Scene scene;
        scene.bus("binding", kMember, 1000).bus("bound", kMember, 2000);
        scene.logged("Device is still bound to driver");
        auto write = member_write(
            {"DMA", "identity", false, os_error, os_error == 0 ? "identity" : "DMA", true});
        write.began = began;
        write.ended = ended;
        return unexpected(scene, {write, doing("bind", kMember, 900, 2100)});
    };
    EXPECT_FALSE(judged(950, 1500, 0)) << "before it";
    EXPECT_TRUE(judged(950, 1500, EBUSY));
    EXPECT_FALSE(judged(1100, 2050, EBUSY)) << "after it";
    EXPECT_TRUE(judged(1100, 2050, 0));
    EXPECT_FALSE(judged(950, 2050, 0));
    EXPECT_FALSE(judged(950, 2050, EBUSY));
}

// vfio-pci, which nobody opened: it is bound, and owns no group.
TEST(VerdictTypeContext, ABoundDriverThatManagesItsDmaKeepsNoTypeFromChanging) {
    Scene scene;
    const auto bind = [&](const std::string& driver, const std::string& managed) {
        scene.bus("binding", kMember, 100)
            .happened(event("audit at=binding ts=110 dev=" + std::string(kMember) +
                            " driver=" + driver + " bound=0 managed=" + managed))
            .bus("bound", kMember, 200);
    };
    const auto write = member_write({"DMA", "identity", false, 0, "identity", true});
    bind("vfio-pci", "1");
    EXPECT_FALSE(unexpected(scene, {write}));
    scene.bus("unbinding", kMember, 210).bus("unbound", kMember, 220);
    EXPECT_FALSE(unexpected(scene));
    scene.observed.events.clear();
    bind("e1000e", "0");
    EXPECT_TRUE(unexpected(scene)) << "this one owns it";
}

TEST(VerdictTypeContext, ADriverThatManagesItsDmaWasBoundBefore) {
    Scene scene;
    scene.observed.before.push_back(audited(kMember, "bound=1 managed=1"));
    scene.bus("unbinding", kMember, 2500).bus("unbound", kMember, 2600);
    const auto write = member_write({"DMA", "identity", false, 0, "identity", true});
    EXPECT_FALSE(unexpected(scene, {write}));
    scene.observed.before.front().managed = false;
    EXPECT_TRUE(unexpected(scene));
}

TEST(VerdictTypeContext, AnotherWriterMakesTheReadBackSayNothing) {
    Scene scene;
    auto other = type_step({"DMA", "DMA-FQ", false, 0, "identity", true});
    other.actor = "writer2";
    EXPECT_FALSE(
        unexpected(scene, {type_step({"DMA", "identity", false, 0, "DMA-FQ", true}), other}));
    scene.observed.steps[1].type->group = 7;
    EXPECT_TRUE(unexpected(scene));
}

TEST(VerdictTypeContext, AWriteThatWasOverBeforeExplainsNoReadBack) {
    Scene scene;
    auto other = type_step({"DMA", "DMA-FQ", false, 0, "DMA-FQ", true});
    other.actor = "writer2";
    other.began = 100;
    other.ended = 200;
    EXPECT_TRUE(
        unexpected(scene, {type_step({"DMA", "identity", false, 0, "DMA-FQ", true}), other}))
        << "identity came after it";
    scene.observed.steps[1].ended = 1500;
    EXPECT_FALSE(unexpected(scene)) << "either may have been the last";
}

TEST(VerdictTypeContext, AGroupThatGoesAway) {
    Scene scene;
    EXPECT_TRUE(unexpected(scene, {member_write({"DMA", "identity", false, ENODEV, "", true})}));
    scene.bus("removed", kOther, 900);
    EXPECT_TRUE(unexpected(scene)) << "another group's device";
    scene.bus("removed", kMember, 900);
    EXPECT_FALSE(unexpected(scene));
}

// A driver of the IOMMU that is inserted later makes the group.
TEST(VerdictTypeContext, AGroupThatWasNotThereYet) {
    Scene scene;
    EXPECT_FALSE(unexpected(scene, {member_write({"", "identity", false, ENOENT, "", true})}));
    EXPECT_TRUE(unexpected(scene, {member_write({"DMA", "identity", false, ENOENT, "", true})}))
        << "it was there, and nothing took it away";
}

// No event tells that it was bound all the while, and a bind that found it so
// returns 0 as well.
TEST(VerdictTypeContext, ABoundDeviceThatIsBoundAgain) {
    Scene scene;
    auto write = member_write({"DMA", "identity", true, EPERM, "DMA", true});
    scene.observed.steps = {write, doing("bind", kMember, 2500, 2600)};
    scene.observed.before = {audited(kMember, changed(kGood, "group=1"))};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.before = {audited(kMember, changed(kGood, "bound=0"))};
    EXPECT_TRUE(unexpected(scene)) << "it was bound only later";
}

// pcieport and its like are bound, and own no group.
TEST(VerdictTypeContext, ADriverThatManagesItsDmaIsNoOwner) {
    Scene scene;
    scene.observed.steps = {member_write({"DMA", "identity", false, 0, "identity", true})};
    scene.observed.before = {audited(kMember, changed(kGood, "managed=1"))};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.before = {audited(kMember, changed(kGood, "managed=0"))};
    EXPECT_TRUE(unexpected(scene)) << "its driver is one that does not";
}

// The number was looked up before the removal; the device has come back since.
TEST(VerdictTypeContext, AGroupThatWentAwayBefore) {
    Scene scene;
    scene.observed.steps = {member_write({"DMA", "identity", false, ENOENT, "", true}),
                            doing("remove", kMember, 90, 120), doing("rescan", "", 150, 300)};
    scene.bus("removed", kMember, 100).bus("added", kMember, 200);
    EXPECT_FALSE(unexpected(scene));
    scene.observed.steps[0].os_error = EPERM;
    EXPECT_TRUE(unexpected(scene)) << "the device was back";
    auto& write = scene.observed.steps[0];
    write.os_error = ENOENT;
    write.began = 10;
    write.ended = 20;
    EXPECT_TRUE(unexpected(scene)) << "it went away later";
}

TEST(VerdictTypeContext, AFallbackIsNoted) {
    Scene scene;
    scene.observed.steps = {type_step({"identity", "DMA-FQ", false, 0, "DMA", true})};
    EXPECT_THAT(scene.judged().notes, Contains(HasSubstr("fell back from DMA-FQ to DMA")));
    scene.observed.steps = {type_step({"identity", "DMA-FQ", false, 0, "DMA-FQ", true})};
    EXPECT_THAT(scene.judged().notes, IsEmpty());
}

TEST(VerdictTypeContext, TheFailureSaysWhatWasWritten) {
    Scene scene;
    scene.observed.groups = {{1, "DMA", {kClient}}};
    scene.observed.steps = {type_step({"DMA", "identity", false, ENOMEM, "DMA", true})};
    const auto failures = scene.judged().failures;
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0].device, kClient);
    EXPECT_EQ(failures[0].detail, "write 'identity' to group 1 of type DMA, no driver bound: "
                                  "Cannot allocate memory, reads back DMA");
}

} // namespace dmarace::verdict::testing
