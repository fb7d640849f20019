// SPDX-License-Identifier: GPL-2.0-or-later
// What a run finds, and what is not so any more.
#include "campaign/survey.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using test::FakeTree;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kHost = "sys/devices/pci0000:00/";

// Two clients of one IOMMU, one of them bound.
void fill(FakeTree& tree) {
    tree.device("pci", "0000:00:02.0", kHost + std::string("0000:00:02.0"), "e1000e", "1");
    tree.device("pci", "0000:00:03.0", kHost + std::string("0000:00:03.0"), "", "2");
    tree.link("sys/class/iommu/smmu3.0/device", "sys/devices/platform/9050000.smmuv3");
    tree.link("sys/devices/platform/9050000.smmuv3/driver", "sys/bus/platform/drivers/arm-smmu-v3");
}

verdict::FoundBoard found_in(const FakeTree& tree) {
    const board::Devices devices(tree.files());
    Survey survey;
    for (auto& device : devices.all())
        survey.devices.emplace_back().device = std::move(device);
    survey.groups = {{1, {"pci/0000:00:02.0"}}, {2, {"pci/0000:00:03.0"}}, {9, {}}};
    const auto audit = parse_line("audit dev=pci/0000:00:02.0 domain=dma via_iommu=1").value();
    return found_board(devices, survey, {audit});
}

TEST(Found, EveryDeviceWithItsDriverGroupAndDomain) {
    FakeTree tree;
    fill(tree);
    const auto found = found_in(tree);
    const auto& bound = found.devices.at("pci/0000:00:02.0");
    EXPECT_EQ(bound.driver, "e1000e");
    EXPECT_EQ(bound.group, 1);
    EXPECT_EQ(bound.domain, "dma");
    EXPECT_TRUE(bound.translated);
    EXPECT_EQ(found.devices.at("pci/0000:00:03.0").driver, "");
    EXPECT_THAT(found.empty_groups, ElementsAre("9"));
    ASSERT_EQ(found.iommus.size(), 1U);
    EXPECT_EQ(found.iommus[0].device, "9050000.smmuv3");
    EXPECT_EQ(found.iommus[0].driver, "arm-smmu-v3");
}

TEST(Found, TheTypeOfAGroupSaysWhatNoAuditDoes) {
    FakeTree tree;
    fill(tree);
    auto found = found_in(tree);
    add_types(found, {.groups = {{.number = 1, .type = "identity", .devices = {}},
                                 {.number = 2, .type = "identity", .devices = {}}}});
    EXPECT_EQ(found.devices.at("pci/0000:00:02.0").domain, "dma") << "its audit told";
    EXPECT_EQ(found.devices.at("pci/0000:00:03.0").domain, "identity");
}

TEST(Found, WhatIsNotSoAnyMore) {
    FakeTree tree;
    fill(tree);
    const auto found = found_in(tree);
    EXPECT_THAT(changes_since(board::Devices(tree.files()), found), IsEmpty());

    std::filesystem::remove(tree.root() / kHost / "0000:00:02.0/driver");
    std::filesystem::remove(tree.root() / "sys/bus/pci/devices/0000:00:03.0");
    const auto changed = changes_since(board::Devices(tree.files()), found);
    ASSERT_EQ(changed.size(), 2U);
    EXPECT_EQ(changed[0].device, "pci/0000:00:02.0");
    EXPECT_EQ(changed[0].driver, "");
    EXPECT_EQ(changed[0].group, 1);
    EXPECT_TRUE(changed[0].there);
    EXPECT_EQ(changed[1].device, "pci/0000:00:03.0");
    EXPECT_FALSE(changed[1].there);
}

} // namespace
} // namespace dmarace::campaign
