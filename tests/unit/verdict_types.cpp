// SPDX-License-Identifier: GPL-2.0-or-later
// Results of writes to iommu_groups/N/type that a kernel may give, or not.
#include "verdict_support.hpp"

#include <gmock/gmock.h>

namespace dmarace::verdict::testing {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
    step.verb = "type";
    step.text = "type";
    step.began = 1000;
    step.ended = 2000;
    step.os_error = c.os_error;
    step.group = 1;
    step.type_before = c.before;
    step.type_asked = c.asked;
    step.type_after = c.after;
    step.group_devices = c.devices;
    step.group_bound = c.bound;
    return step;
}

bool unexpected(const Scene& scene) {
    for (const auto& failure : scene.judged().failures)
        if (failure.kind == "unexpected-errno")
            return true;
    return false;
}

class VerdictTypes : public ::testing::TestWithParam<TypeCase> {};

TEST_P(VerdictTypes, Judged) {
    Scene scene;
    scene.observed.steps = {type_step(GetParam())};
    EXPECT_EQ(unexpected(scene), !GetParam().allowed);
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
    {"DMA", "DMA", true, 0, "DMA", true},
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
    scene.observed.steps = {type_step({"DMA", "identity", false, EINVAL, "DMA", true, 2}),
                            type_step({"DMA", "DMA-FQ", false, 0, "DMA-FQ", true, 2})};
    EXPECT_TRUE(unexpected(scene));
}

TEST(VerdictTypeContext, ATypeTheDeviceCannotHave) {
    Scene scene;
    const auto step = type_step({"DMA", "identity", false, EINVAL, "DMA", true});
    scene.observed.steps = {step, step};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.steps = {step, type_step({"DMA", "identity", false, 0, "identity", true}), step};
    EXPECT_TRUE(unexpected(scene));
    scene.observed.steps = {step};
    EXPECT_TRUE(unexpected(scene));
    scene.logged("pci 0000:00:02.0: Device cannot be in identity domain");
    EXPECT_FALSE(unexpected(scene));
}

TEST(VerdictTypeContext, OldKernelsRefuseForDriversThatManageTheirDma) {
    Scene scene;
    scene.observed.steps = {type_step({"DMA", "identity", false, EBUSY, "DMA", true})};
    EXPECT_TRUE(unexpected(scene));
    scene.settled(kClient, changed(kGood, "managed=1"));
    EXPECT_FALSE(unexpected(scene));
}

TEST(VerdictTypeContext, ABindMeanwhileExcusesARefusal) {
    Scene scene;
    StepResult bind;
    bind.actor = "client";
    bind.verb = "bind";
    bind.began = 1500;
    bind.ended = 1700;
    scene.observed.steps = {type_step({"DMA", "identity", false, EPERM, "DMA", true}), bind};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.steps[1].began = 2500;
    scene.observed.steps[1].ended = 2600;
    EXPECT_TRUE(unexpected(scene));
}

TEST(VerdictTypeContext, AnotherWriterMakesTheReadBackSayNothing) {
    Scene scene;
    auto other = type_step({"DMA", "DMA-FQ", false, 0, "identity", true});
    other.actor = "writer2";
    scene.observed.steps = {type_step({"DMA", "identity", false, 0, "DMA-FQ", true}), other};
    EXPECT_FALSE(unexpected(scene));
    scene.observed.steps[1].group = 7;
    EXPECT_TRUE(unexpected(scene));
}

TEST(VerdictTypeContext, AGroupThatGoesAway) {
    Scene scene;
    scene.observed.steps = {type_step({"DMA", "identity", false, ENODEV, "", true})};
    EXPECT_TRUE(unexpected(scene));
    scene.happened(event("bus what=removed dev=" + kOther));
    EXPECT_FALSE(unexpected(scene));
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
