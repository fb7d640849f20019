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

// What the actors of a [type] table did to one group, without a driver.
struct Storm {
    Scene scene;

    // As the first look found the group.
    explicit Storm(TypeWord type = TypeWord::dma, bool bound = false) {
        scene.observed.types.groups = {{3, "DMA", {kMember}}};
        scene.observed.types.actors = {{"writer", true, {}}, {"writer2", true, {}}};
        auto& acts = scene.observed.types.actors[0].acts;
        acts = {act(TypeAct::What::look, 10, 11), act(TypeAct::What::look, 12, 13)};
        acts[0].device = 0;
        acts[0].bound = bound ? types::BoundSeen::yes : types::BoundSeen::no;
        acts[1].after = type;
    }
    static TypeAct act(TypeAct::What what, std::uint64_t began, std::uint64_t ended) {
        TypeAct out;
        out.what = what;
        out.began = began;
        out.ended = ended;
        out.device = TypeAct::kNoDevice;
        return out;
    }
    Storm& write(std::size_t writer, std::uint64_t began, TypeWord asked, TypeWord after,
                 int os_error = 0, std::uint64_t took = 10) {
        auto out = act(TypeAct::What::write, began, began + took);
        out.read = began + took + 5;
        out.asked = asked;
        out.after = after;
        out.os_error = os_error;
        scene.observed.types.actors[writer].acts.push_back(out);
        return *this;
    }
    Storm& other(TypeAct::What what, std::uint64_t began, std::uint64_t ended) {
        auto out = act(what, began, ended);
        out.device = 0;
        scene.observed.types.actors.push_back({"binder", false, {out}});
        return *this;
    }
    std::uint64_t unexplained() const { return scene.judged().types.unexplained(); }
};

constexpr auto kDma = TypeWord::dma, kFq = TypeWord::dma_fq, kIdentity = TypeWord::identity,
               kAuto = TypeWord::automatic;

TEST(VerdictStorm, OneWriterReadsWhatItWrote) {
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kIdentity).unexplained(), 0U);
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kDma).unexplained(), 1U);
    EXPECT_EQ(
        Storm().write(0, 100, kIdentity, kIdentity).write(0, 200, kDma, kIdentity).unexplained(),
        1U);
}

TEST(VerdictStorm, TwoWritersExplainEachOtherWhereTheyOverlap) {
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kFq).write(1, 105, kFq, kFq).unexplained(), 0U);
    EXPECT_EQ(Storm().write(0, 100, kIdentity, kFq).write(1, 150, kFq, kFq).unexplained(), 1U)
        << "the other came after the read-back";
    EXPECT_EQ(Storm().write(1, 50, kFq, kFq).write(0, 100, kIdentity, kFq).unexplained(), 1U)
        << "the other was over before";
    EXPECT_EQ(Storm().write(1, 50, kFq, kFq, 0, 100).write(0, 100, kIdentity, kFq).unexplained(),
              0U)
        << "a long write may end at any time";
}

TEST(VerdictStorm, ARefusalNeedsADriverAtThatTime) {
    const auto refused = [] { return Storm().write(0, 100, kIdentity, kDma, EPERM); };
    EXPECT_EQ(refused().unexplained(), 1U);
    EXPECT_EQ(refused().other(TypeAct::What::bind, 105, 120).unexplained(), 0U);
    EXPECT_EQ(refused().other(TypeAct::What::bind, 120, 130).unexplained(), 1U);
    auto bound = Storm(kDma, true).write(0, 100, kIdentity, kDma, EPERM);
    EXPECT_EQ(bound.unexplained(), 0U);
    EXPECT_EQ(bound.other(TypeAct::What::unbind, 50, 60).unexplained(), 1U);
}

TEST(VerdictStorm, OnlyTheFlushQueueComesUpUnderADriver) {
    const auto bound = [](TypeWord asked, TypeWord after) {
        return Storm(kDma, true).write(0, 100, asked, after).unexplained();
    };
    EXPECT_EQ(bound(kFq, kFq), 0U);
    EXPECT_EQ(bound(kFq, kDma), 1U) << "the live path has no silent fallback";
    EXPECT_EQ(bound(kIdentity, kIdentity), 1U);
}

TEST(VerdictStorm, AGroupThatIsNotThereYet) {
    const auto written = [](TypeWord found, int os_error) {
        return Storm(found).write(0, 100, kAuto, TypeWord::none, os_error);
    };
    EXPECT_EQ(written(TypeWord::none, ENOENT).unexplained(), 0U);
    EXPECT_EQ(written(TypeWord::none, EPERM).unexplained(), 1U);
    EXPECT_EQ(written(kDma, ENOENT).unexplained(), 1U) << "it was there";
    EXPECT_EQ(Storm(TypeWord::none).write(0, 100, kDma, TypeWord::other, EINVAL).unexplained(), 0U)
        << "it has no default domain yet";
    auto came = written(TypeWord::none, ENOENT);
    EXPECT_EQ(came.write(0, 200, kIdentity, kIdentity).unexplained(), 0U);
    EXPECT_EQ(came.write(0, 300, kDma, TypeWord::none, ENOENT).unexplained(), 1U) << "it had come";
}

TEST(VerdictStorm, AutoIsWhatItWasWhereNobodyDisturbedIt) {
    Storm storm;
    storm.write(0, 100, kAuto, kDma).write(0, 200, kIdentity, kIdentity);
    EXPECT_EQ(storm.unexplained(), 0U);
    // Later, disturbed by a refused write only, it makes something else.
    storm.write(0, 300, kAuto, kFq).write(1, 300, kAuto, kFq);
    EXPECT_EQ(storm.unexplained(), 2U);
}

TEST(VerdictStorm, WritesAreTimedAndCounted) {
    Storm storm;
    storm.write(0, 1'000'000'000, kIdentity, kIdentity).write(0, 1'999'999'985, kDma, kDma);
    const auto types = storm.scene.judged().types;
    EXPECT_EQ(types.writes, 2U);
    EXPECT_DOUBLE_EQ(types.seconds, 1.0);
    EXPECT_EQ(types.explained(), 2U);
    EXPECT_EQ(types.cells.front().why, "no driver is bound");
    EXPECT_EQ(types.cells.front().reads, "the type asked for");
}

TEST(VerdictStorm, TheReadBackHasAReasonOfItsOwn) {
    const auto types =
        Storm().write(0, 100, kIdentity, kFq).write(1, 105, kFq, kFq).scene.judged().types;
    ASSERT_EQ(types.cells.size(), 2U);
    for (const auto& cell : types.cells)
        EXPECT_EQ(cell.reads,
                  cell.asked == cell.after ? "the type asked for" : "another write's type");
    const auto lost = Storm().write(0, 100, kIdentity, kDma).scene.judged().types;
    EXPECT_EQ(lost.cells.front().why, "no driver is bound");
    EXPECT_TRUE(lost.cells.front().read_lost);
}

TEST(VerdictStorm, WhatCouldHaveGoneEitherWayIsCounted) {
    const auto either = [](TypeWord asked, TypeWord after, int os_error) {
        return Storm()
            .write(0, 100, asked, after, os_error)
            .other(TypeAct::What::bind, 105, 120)
            .scene.judged()
            .types.either();
    };
    EXPECT_EQ(either(kDma, kDma, EPERM), 1U) << "it was DMA before";
    EXPECT_EQ(either(kIdentity, kIdentity, 0), 0U) << "the read-back tells";
    EXPECT_EQ(either(kIdentity, kDma, EPERM), 0U);
}

TEST(VerdictStorm, AWriteThatNeverReturnedIsNotJudged) {
    Storm storm;
    auto& acts = storm.scene.observed.types.actors[0].acts;
    acts.push_back(Storm::act(TypeAct::What::write, 100, 0));
    acts.back().asked = kIdentity;
    EXPECT_EQ(storm.unexplained(), 0U);
    EXPECT_EQ(storm.write(1, 200, kDma, kIdentity).unexplained(), 0U) << "it may still take effect";
}

} // namespace dmarace::verdict::testing
