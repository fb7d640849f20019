// SPDX-License-Identifier: GPL-2.0-or-later
#include "search/search.hpp"

#include <gmock/gmock.h>

namespace dmarace::search {
namespace {

TEST(SearchRecording, IsKeptAsText) {
    ActRecord record{
        "insmod virtio_iommu", "bind pci/a", "7.3.4+deb13-arm64", "virtio-iommu", {}, {}, {}, {}};
    record.touches.push_back({{"device.iommu_group", "pci/0000:00:02.0"},
                              Access::write,
                              {{"__iommu_probe_device", 0x154}, {"probe_iommu_group", 0}},
                              {"iommu_probe_device_lock", "device pci/0000:00:02.0"},
                              7,
                              12,
                              "a name"});
    record.touches.push_back(
        {{"group.domain", "group 3"}, Access::both, {{"f", 1}}, {}, 8, 12, ""});
    record.locks.push_back({true, "iommu_probe_device_lock", {{"mutex_lock", 0}}, 6, 12});
    record.sleepers = {"iommu_probe_device", "bus_iommu_probe"};
    record.lost = {"a ring was too small: 3 samples"};
    const auto again = record_from(to_text(record));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, record);
}

TEST(SearchRecording, SaysWhichLineIsNone) {
    EXPECT_EQ(record_from("").error().message, "no record of an act");
    EXPECT_THAT(record_from("act name=a\ntouch kind=odd").error().message,
                testing::StartsWith("line 2: kind 'odd'"));
}

TEST(SearchRecording, ShowsTheInstructionAndWhoCalled) {
    const std::vector<Frame> chain{{"f", 0x10}, {"g", 0x20}, {"h", 0}};
    EXPECT_EQ(shown(chain), "f+0x10 < g < h");
    EXPECT_EQ(shown(chain, 1), "f+0x10");
}

} // namespace
} // namespace dmarace::search
