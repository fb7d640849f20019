// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/boot_reach.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::HasSubstr;

SurveyedDevice client(const std::string& name, const std::string& module) {
    SurveyedDevice out;
    out.device.bus = "pci";
    out.device.name = name;
    out.driver = "drv";
    out.driver_module = module;
    out.behind_iommu = true;
    return out;
}

TEST(BootReach, TellsWhatComesAfterTheInitramfsHasBegun) {
    Survey survey;
    survey.iommu_module = "virtio_iommu";
    survey.devices = {client("a", "e1000e"), client("b", "")};
    auto bridge = client("c", "");
    bridge.endpoint = false;
    survey.devices.push_back(bridge);
    const auto reach = boot_reach(survey);
    ASSERT_EQ(reach.size(), 2U);
    EXPECT_EQ(reach[0].text(), "virtio_iommu and e1000e load after dmarace");
    EXPECT_EQ(reach[1].text(), "virtio_iommu loads after dmarace");
}

TEST(BootReach, SaysSoWhereBothAreBuiltIn) {
    Survey survey;
    survey.devices = {client("a", "")};
    const auto reach = boot_reach(survey);
    ASSERT_EQ(reach.size(), 1U);
    EXPECT_TRUE(reach[0].modules.empty());
    EXPECT_THAT(reach[0].text(), HasSubstr("built in"));
}

} // namespace
} // namespace dmarace::campaign
