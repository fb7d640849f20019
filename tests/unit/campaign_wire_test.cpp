// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/wire.hpp"

#include <gtest/gtest.h>

namespace dmarace::campaign {
namespace {

TEST(Wire, a_type_step_comes_through_whole) {
    verdict::StepResult step;
    step.actor = "writer";
    step.index = 3;
    step.verb = catalogue::Verb::type;
    step.text = "type 4 DMA-FQ";
    step.device = "pci/0000:00:02.0";
    step.os_error = 1;
    step.detail = "said \"no\"";
    step.began = 12;
    step.ended = 34;
    step.group = 4;
    step.type_before = "DMA";
    step.type_asked = "DMA-FQ";
    step.type_after = "DMA";
    step.group_devices = 2;
    step.group_bound = true;
    const auto line = parse_line(to_text(wire::to_line(step)));
    ASSERT_TRUE(line);
    const auto back = wire::to_step(*line);
    EXPECT_EQ(back.actor, step.actor);
    EXPECT_EQ(back.index, step.index);
    EXPECT_EQ(back.text, step.text);
    EXPECT_EQ(back.device, step.device);
    EXPECT_EQ(back.os_error, step.os_error);
    EXPECT_EQ(back.detail, step.detail);
    EXPECT_EQ(back.began, step.began);
    EXPECT_EQ(back.ended, step.ended);
    EXPECT_EQ(back.group, step.group);
    EXPECT_EQ(back.type_before, step.type_before);
    EXPECT_EQ(back.type_after, step.type_after);
    EXPECT_EQ(back.group_devices, step.group_devices);
    EXPECT_EQ(back.group_bound, step.group_bound);
}

TEST(Wire, a_plain_step_has_no_group) {
    verdict::StepResult step;
    step.verb = catalogue::Verb::bind;
    const auto back = wire::to_step(wire::to_line(step));
    EXPECT_FALSE(back.group);
    EXPECT_FALSE(back.group_bound);
}

TEST(Wire, a_group_keeps_its_members) {
    const verdict::GroupType group{7, "identity", {"pci/a", "pci/b"}};
    const auto back = wire::to_group(wire::to_line(group));
    EXPECT_EQ(back.group, 7);
    EXPECT_EQ(back.type, "identity");
    EXPECT_EQ(back.devices, group.devices);
}

} // namespace
} // namespace dmarace::campaign
