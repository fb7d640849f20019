// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kNic = "sys/devices/pci0000:00/0000:00:02.0";

TEST(Devices, reads_driver_group_and_modalias) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e", "3");
    tree.file(std::string(kNic) + "/modalias", "pci:v00008086\n");
    const auto device = Devices(tree.files()).find("pci/0000:00:02.0");
    ASSERT_TRUE(device);
    EXPECT_EQ(device->driver, "e1000e");
    EXPECT_EQ(device->group, 3);
    EXPECT_EQ(device->modalias, "pci:v00008086");
    EXPECT_EQ(device->path, "/sys/devices/pci0000:00/0000:00:02.0");
}

TEST(Devices, a_name_alone_is_enough_where_it_is_unique) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic);
    EXPECT_TRUE(Devices(tree.files()).find("0000:00:02.0"));
}

TEST(Devices, a_name_on_two_buses_must_say_which) {
    FakeTree tree;
    tree.device("amba", "rtc", "sys/devices/a").device("platform", "rtc", "sys/devices/b");
    const auto device = Devices(tree.files()).find("rtc");
    ASSERT_FALSE(device);
    EXPECT_EQ(device.error().fault, Fault::usage);
    EXPECT_THAT(device.error().message, HasSubstr("several buses"));
    EXPECT_TRUE(Devices(tree.files()).find("amba/rtc"));
}

TEST(Devices, an_unknown_name_tells_the_nearest) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic);
    const auto device = Devices(tree.files()).find("pci/0000:00:03.0");
    ASSERT_FALSE(device);
    EXPECT_THAT(device.error().message, HasSubstr("pci/0000:00:02.0"));
}

TEST(Devices, bind_and_unbind_write_the_driver_files) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic, "e1000e");
    const Devices devices(tree.files());
    const auto device = devices.find("0000:00:02.0");
    ASSERT_TRUE(device);
    EXPECT_TRUE(devices.unbind(*device));
    EXPECT_TRUE(devices.bind(*device, "e1000e"));
    EXPECT_EQ(tree.text("sys/bus/pci/drivers/e1000e/unbind"), "0000:00:02.0");
    EXPECT_EQ(tree.text("sys/bus/pci/drivers/e1000e/bind"), "0000:00:02.0");
}

TEST(Devices, a_driver_that_is_not_there_is_told_by_name) {
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", kNic);
    const Devices devices(tree.files());
    const auto bound = devices.bind(*devices.find("0000:00:02.0"), "nosuch");
    ASSERT_FALSE(bound);
    EXPECT_EQ(bound.error().os_error, ENODEV);
    EXPECT_THAT(bound.error().message, HasSubstr("nosuch"));
}

TEST(Devices, groups_come_in_order_of_their_numbers) {
    FakeTree tree;
    for (const char* number : {"10", "2"})
        tree.link("sys/kernel/iommu_groups/" + std::string(number) + "/devices/x" + number,
                  "sys/devices/x" + std::string(number))
            .link("sys/devices/x" + std::string(number) + "/subsystem", "sys/bus/pci");
    const auto groups = Devices(tree.files()).groups();
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].number, 2);
    EXPECT_THAT(groups[1].devices, ElementsAre("pci/x10"));
}

TEST(Devices, deferred_is_nothing_without_debugfs_and_names_with_it) {
    FakeTree tree;
    EXPECT_FALSE(Devices(tree.files()).deferred());
    tree.file("sys/kernel/debug/devices_deferred", "0000:00:02.0\tpci: wait for supplier\n");
    EXPECT_THAT(*Devices(tree.files()).deferred(), ElementsAre("0000:00:02.0"));
}

constexpr const char* kWalk = "sys/devices/platform/dmarace-sim/walk";

TEST(Simulated, stays_where_buses_have_operations) {
    test::FakeTree tree;
    EXPECT_FALSE(Simulated(tree.files()).stays()); // not loaded
    tree.file(kWalk, "own-ops\n");
    EXPECT_FALSE(Simulated(tree.files()).stays());
    tree.file(kWalk, "bus-ops\n");
    EXPECT_TRUE(Simulated(tree.files()).stays());
}

} // namespace
} // namespace dmarace::board
