// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/kernel_log.hpp"

#include <gtest/gtest.h>

namespace dmarace::board {
namespace {

TEST(KernelLog, reads_level_time_and_text) {
    const auto record = parse_kernel_record("4,1234,56789,-;late IOMMU probe\n");
    EXPECT_EQ(record.level, 4);
    EXPECT_EQ(record.ts, 56789U);
    EXPECT_EQ(record.text, "late IOMMU probe");
    EXPECT_EQ(record.device, "");
}

TEST(KernelLog, the_facility_is_not_the_level) {
    EXPECT_EQ(parse_kernel_record("14,1,2,-;x\n").level, 6);
}

TEST(KernelLog, a_device_of_a_bus_is_named) {
    const auto record = parse_kernel_record(
        "6,1,2,-;Adding to iommu group 1\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n");
    EXPECT_EQ(record.text, "Adding to iommu group 1");
    EXPECT_EQ(record.device, "pci/0000:00:02.0");
}

TEST(KernelLog, a_device_node_is_no_device_of_a_bus) {
    EXPECT_EQ(parse_kernel_record("6,1,2,-;x\n DEVICE=b8:0\n").device, "");
}

TEST(KernelLog, torn_records_do_no_harm) {
    for (const char* text : {"", ";", "4", "4,1", "4,1,2;", "\n DEVICE=", "4,1,2,-;x\n DEVICE=+"})
        EXPECT_EQ(parse_kernel_record(text).device, "") << text;
}

} // namespace
} // namespace dmarace::board
