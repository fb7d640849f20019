// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"
#include "campaign/steps.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using test::FakeTree;
using testing::HasSubstr;

constexpr auto kNic = "sys/devices/pci0000:00/0000:00:02.0";
constexpr auto kGroup = "sys/kernel/iommu_groups/3";

job::Step step(job::Verb verb, std::vector<std::string> args) {
    job::Step out;
    out.verb = verb;
    out.args = std::move(args);
    return out;
}

StepContext context_of(const FakeTree& tree) {
    return {board::Devices(tree.files()), board::Modules(), {}, true, nullptr, {}};
}

TEST(Steps, bind_uses_the_driver_the_device_had) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic).file("sys/bus/pci/drivers/e1000e/bind");
    auto context = context_of(tree);
    context.drivers["pci/0000:00:02.0"] = "e1000e";
    const auto result = perform(context, step(job::Verb::bind, {"pci/0000:00:02.0"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(result.device, "pci/0000:00:02.0");
    EXPECT_EQ(tree.text("sys/bus/pci/drivers/e1000e/bind"), "0000:00:02.0");
}

TEST(Steps, bind_without_a_known_driver_says_so) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic);
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::bind, {"pci/0000:00:02.0"}));
    EXPECT_EQ(result.os_error, ENODEV);
    EXPECT_THAT(result.detail, HasSubstr("no driver is known"));
}

TEST(Steps, expect_tells_bound_from_unbound) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e");
    auto context = context_of(tree);
    EXPECT_EQ(perform(context, step(job::Verb::expect, {"bound", "0000:00:02.0"})).os_error, 0);
    const auto wrong = perform(context, step(job::Verb::expect, {"unbound", "0000:00:02.0"}));
    EXPECT_EQ(wrong.os_error, EPROTO);
    EXPECT_THAT(wrong.detail, HasSubstr("bound to e1000e"));
}

TEST(Steps, type_writes_and_reads_back) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e", "3")
        .link(std::string(kGroup) + "/devices/0000:00:02.0", kNic)
        .link(std::string(kNic) + "/subsystem", "sys/bus/pci")
        .file(std::string(kGroup) + "/type", "DMA\n");
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::type, {"3", "identity"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    ASSERT_TRUE(result.type);
    EXPECT_EQ(result.type->group, 3);
    EXPECT_EQ(result.type->devices, 1U);
    EXPECT_EQ(result.type->word, "identity");
    EXPECT_EQ(result.type->act.before, types::TypeWord::dma);
    EXPECT_EQ(result.type->act.asked, types::TypeWord::identity);
    EXPECT_EQ(result.type->act.after, types::TypeWord::identity);
    EXPECT_EQ(result.type->act.bound, types::BoundSeen::yes);
}

// The history of a group is its members' history, when it is gone as well.
TEST(Steps, type_of_a_group_that_is_gone_names_its_member) {
    FakeTree tree;
    tree.file("sys/kernel/iommu_groups/4/type", "DMA\n");
    auto context = context_of(tree);
    context.known.of_devices = {{"pci/0000:00:02.0", 3}};
    for (const auto* word : {"3", "pci/0000:00:02.0"}) {
        const auto result = perform(context, step(job::Verb::type, {word, "identity"}));
        EXPECT_EQ(result.os_error, ENOENT) << result.detail;
        EXPECT_EQ(result.device, "pci/0000:00:02.0");
        ASSERT_TRUE(result.type);
        EXPECT_EQ(result.type->group, 3);
        EXPECT_EQ(result.type->act.bound, types::BoundSeen::no);
    }
}

TEST(Steps, wait_gives_up_at_its_limit_and_returns_at_once_without_holds) {
    FakeTree tree;
    auto context = context_of(tree);
    board::Channel channel;
    context.channel = &channel;
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"never", "10ms"})).os_error, ETIMEDOUT);
    context.holds = false;
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"never", "10ms"})).os_error, 0);
}

TEST(Steps, wait_takes_a_signal_that_came_before) {
    FakeTree tree;
    auto context = context_of(tree);
    board::Channel channel;
    context.channel = &channel;
    context.signals = {"here"};
    EXPECT_EQ(perform(context, step(job::Verb::wait, {"here", "10ms"})).os_error, 0);
}

TEST(Steps, repeat_performs_its_body_so_often) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e").file("sys/bus/pci/drivers_probe");
    auto context = context_of(tree);
    auto repeat = step(job::Verb::repeat, {"3"});
    repeat.body = {step(job::Verb::expect, {"bound", "0000:00:02.0"})};
    EXPECT_EQ(perform(context, repeat).os_error, 0);
    repeat.body = {step(job::Verb::expect, {"unbound", "0000:00:02.0"})};
    EXPECT_EQ(perform(context, repeat).os_error, EPROTO);
}

TEST(Steps, a_simulated_client_is_removed_and_found_by_its_iommu) {
    FakeTree tree;
    const std::string iommu = "sys/devices/platform/dmarace-sim/";
    tree.device("platform", "dmarace-sim-client.1", "sys/devices/platform/dmarace-sim-client.1")
        .file(iommu + "remove")
        .file(iommu + "rescan");
    auto context = context_of(tree);
    const std::string client = "platform/dmarace-sim-client.1";
    EXPECT_EQ(perform(context, step(job::Verb::remove, {client})).os_error, 0);
    EXPECT_EQ(tree.text(iommu + "remove"), "dmarace-sim-client.1");
    EXPECT_EQ(perform(context, step(job::Verb::rescan, {client})).os_error, 0);
    EXPECT_EQ(tree.text(iommu + "rescan"), "1");
}

TEST(Steps, a_simulated_client_has_its_driver) {
    FakeTree tree;
    tree.device("platform", "dmarace-sim-client.1", "sys/devices/platform/dmarace-sim-client.1")
        .file("sys/bus/platform/drivers/dmarace-sim-client/bind");
    auto context = context_of(tree);
    const auto result = perform(context, step(job::Verb::bind, {"platform/dmarace-sim-client.1"}));
    EXPECT_EQ(result.os_error, 0) << result.detail;
    EXPECT_EQ(tree.text("sys/bus/platform/drivers/dmarace-sim-client/bind"),
              "dmarace-sim-client.1");
}

TEST(Steps, a_device_with_a_group_is_beyond_a_walk) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "", "3")
        .device("pci", "0000:00:03.0", "sys/devices/x");
    auto context = context_of(tree);
    const auto grouped = perform(context, step(job::Verb::expect, {"ungrouped", "0000:00:02.0"}));
    EXPECT_EQ(grouped.os_error, EOPNOTSUPP);
    EXPECT_THAT(grouped.detail, HasSubstr("a later walk finds nothing to do"));
    EXPECT_EQ(perform(context, step(job::Verb::expect, {"ungrouped", "0000:00:03.0"})).os_error, 0);
}

TEST(Simulated, says_how_a_walk_is_done_and_passes_on_what_the_kernel_answers) {
    FakeTree tree;
    const auto files = tree.files();
    const board::Simulated simulated(files);
    EXPECT_FALSE(simulated.means());
    EXPECT_FALSE(simulated.walk());
    tree.file("sys/devices/platform/dmarace-sim/walk", "bus-ops\n");
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of the IOMMU driver"));
    tree.file("sys/devices/platform/dmarace-sim/walk", "own-ops\n");
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of dmarace_sim"));
    EXPECT_TRUE(simulated.walk());
}

} // namespace
} // namespace dmarace::campaign
