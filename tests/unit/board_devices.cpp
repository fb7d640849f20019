// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kNic = "sys/devices/pci0000:00/0000:00:02.0";

class DevicesTest : public testing::Test {
protected:
    FakeTree& nic(const std::string& driver = "", const std::string& group = "") {
        return tree_.device("pci", "0000:00:02.0", kNic, driver, group);
    }

    FakeTree tree_;
    const Devices devices_{tree_.files()};
};

TEST_F(DevicesTest, reads_driver_group_and_modalias) {
    nic("e1000e", "3").file(std::string(kNic) + "/modalias", "pci:v00008086\n");
    // A name alone is enough where it is unique.
    EXPECT_TRUE(devices_.find("0000:00:02.0"));
    const auto device = got(devices_.find("pci/0000:00:02.0"));
    EXPECT_EQ(device.driver, "e1000e");
    EXPECT_EQ(device.group, 3);
    EXPECT_EQ(device.modalias, "pci:v00008086");
    EXPECT_EQ(device.path, "/sys/devices/pci0000:00/0000:00:02.0");
}

TEST_F(DevicesTest, a_name_on_two_buses_must_say_which) {
    tree_.device("amba", "rtc", "sys/devices/a").device("platform", "rtc", "sys/devices/b");
    EXPECT_TRUE(refused(devices_.find("rtc"), Fault::usage, "several buses"));
    EXPECT_TRUE(devices_.find("amba/rtc"));
}

TEST_F(DevicesTest, bind_and_unbind_write_the_driver_files) {
    nic("e1000e");
    const auto device = got(devices_.find("0000:00:02.0"));
    EXPECT_TRUE(devices_.unbind(device));
    EXPECT_TRUE(devices_.bind(device, "e1000e"));
    for (const auto* file : {"unbind", "bind"})
        EXPECT_EQ(tree_.text(std::string("sys/bus/pci/drivers/e1000e/") + file), "0000:00:02.0");
}

TEST_F(DevicesTest, what_is_not_there_is_told_by_name) {
    nic();
    EXPECT_TRUE(refused(devices_.find("pci/0000:00:03.0"), "pci/0000:00:02.0")) << "the nearest";
    EXPECT_TRUE(refused(devices_.bind(*devices_.find("0000:00:02.0"), "nosuch"), ENODEV, "nosuch"));
}

TEST_F(DevicesTest, groups_come_in_order_of_their_numbers) {
    for (const std::string number : {"10", "2"})
        tree_
            .link("sys/kernel/iommu_groups/" + number + "/devices/x" + number,
                  "sys/devices/x" + number)
            .link("sys/devices/x" + number + "/subsystem", "sys/bus/pci");
    const auto groups = devices_.groups();
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups[0].number, 2);
    EXPECT_THAT(groups[1].devices, ElementsAre("pci/x10"));
}

TEST_F(DevicesTest, deferred_is_nothing_without_debugfs_and_names_with_it) {
    EXPECT_FALSE(devices_.deferred());
    tree_.file("sys/kernel/debug/devices_deferred", "0000:00:02.0\tpci: wait for supplier\n");
    EXPECT_THAT(*devices_.deferred(), ElementsAre("0000:00:02.0"));
}

constexpr const char* kWalk = "sys/devices/platform/dmarace-sim/walk";

TEST(Simulated, stays_where_buses_have_operations_and_says_how_a_walk_is_done) {
    FakeTree tree;
    const auto files = tree.files();
    const Simulated simulated(files);
    EXPECT_FALSE(simulated.stays()); // not loaded
    EXPECT_FALSE(simulated.means());
    EXPECT_FALSE(simulated.walk());
    tree.file(kWalk, "bus-ops\n");
    EXPECT_TRUE(simulated.stays());
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of the IOMMU driver"));
    tree.file(kWalk, "own-ops\n");
    EXPECT_FALSE(simulated.stays());
    EXPECT_THAT(simulated.means().value(), HasSubstr("operations of dmarace_sim"));
    EXPECT_TRUE(simulated.walk()); // what the kernel answers is passed on
}

constexpr auto kNvme = "sys/devices/pci0000:00/0000:00:04.0";
constexpr auto kEthernet = "sys/devices/pci0000:00/0000:00:05.0";

// Root on nvme0n1p2 behind 00:04.0, the default route through eth0 on 00:05.0.
FakeTree& furnish(FakeTree& tree) {
    tree.device("pci", "0000:00:04.0", kNvme, "nvme", "1")
        .device("pci", "0000:00:05.0", kEthernet, "e1000e", "2")
        .device("pci", "0000:00:06.0", "sys/devices/pci0000:00/0000:00:06.0", "nvme", "1")
        .device("pci", "0000:00:07.0", "sys/devices/pci0000:00/0000:00:07.0", "nvme", "4")
        .link("sys/dev/block/259:2", std::string(kNvme) + "/nvme/nvme0/nvme0n1/nvme0n1p2")
        .link("sys/class/net/eth0", std::string(kEthernet) + "/net/eth0")
        .file("proc/self/mountinfo", "22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n"
                                     "23 22 0:5 / /proc rw - proc proc rw\n")
        .file("proc/net/route", "Iface\tDestination\tGateway\neth0\t00000000\t0102A8C0\n");
    return tree;
}

std::string why(const FakeTree& tree, const std::string& name) {
    const Devices devices(tree.files());
    const auto all = devices.all();
    const auto reasons = why_protected(tree.files(), all);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].name == name || all[i].full_name() == name)
            return reasons.at(i);
    return "no such device";
}

struct Guarded {
    const char* name;
    void (*more)(FakeTree&); // what the machine has besides
    const char* device;
    const char* reason;
};

const std::string kFree = "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme1/nvme1n1";
void nothing_more(FakeTree&) {}
// The clock of the root disk, and the PMIC of that clock.
void suppliers(FakeTree& tree) {
    const std::string links = "sys/devices/virtual/devlink/";
    tree.device("platform", "clk", "sys/devices/platform/clk", "clk")
        .device("platform", "pmic", "sys/devices/platform/pmic", "pmic")
        .link(links + "a/supplier", "sys/devices/platform/clk")
        .link(std::string(kNvme) + "/supplier:platform:clk", links + "a")
        .link(links + "b/supplier", "sys/devices/platform/pmic")
        .link("sys/devices/platform/clk/supplier:platform:pmic", links + "b");
}

const Guarded kGuarded[] = {
    {"WhatRootIsMountedOn", nothing_more, "0000:00:04.0", "mounted on /"},
    {"TheNicOfTheDefaultRoute", nothing_more, "0000:00:05.0", "default route (eth0)"},
    {"ASiblingInTheGroupOfTheRootDisk", nothing_more, "0000:00:06.0",
     "in one group with pci/0000:00:04.0: mounted on /"},
    {"ADeviceNothingStandsOn", nothing_more, "0000:00:07.0", ""},
    {"StorageUnderDeviceMapper",
     [](FakeTree& tree) {
         tree.link("sys/dev/block/254:0", "sys/devices/virtual/block/dm-0")
             .link("sys/devices/virtual/block/dm-0/slaves/nvme1n1", kFree)
             .file("proc/self/mountinfo", "30 22 254:0 / /home rw - ext4 /dev/dm-0 rw\n");
     },
     "0000:00:07.0", "mounted on /home"},
    {"AFileSystemWithoutADeviceNumberByItsSource",
     [](FakeTree& tree) {
         tree.link("sys/class/block/nvme1n1", kFree)
             .file("proc/self/mountinfo",
                   "30 22 0:44 /@ /srv rw shared:1 - btrfs /dev/nvme1n1 rw\n");
     },
     "0000:00:07.0", "mounted on /srv"},
    {"EveryDeviceOfAFileSystemOfSeveral",
     [](FakeTree& tree) {
         tree.link("sys/fs/btrfs/uuid/devices/nvme1n1", kFree)
             .file("proc/self/mountinfo", "30 22 0:44 / /srv rw - btrfs /dev/sda rw\n");
     },
     "0000:00:07.0", "mounted on /srv"},
    {"EachControllerOfADiskOfSeveral",
     [](FakeTree& tree) {
         const std::string subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
         tree.link("sys/dev/block/259:9", subsystem + "/nvme0n1")
             .link(subsystem + "/nvme7", "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme7")
             .file("proc/self/mountinfo", "30 22 259:9 / / rw - ext4 /dev/nvme0n1 rw\n");
     },
     "0000:00:07.0", "mounted on /"},
    {"TheNicOfTheBridgeOfTheDefaultRoute",
     [](FakeTree& tree) {
         tree.link("sys/class/net/br0", "sys/devices/virtual/net/br0")
             .link("sys/devices/virtual/net/br0/lower_eth0", std::string(kEthernet) + "/net/eth0")
             .file("proc/net/route")
             .file("proc/net/ipv6_route",
                   "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                   "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 br0\n");
     },
     "0000:00:05.0", "default route (br0)"},
    {"TheIommuItself",
     [](FakeTree& tree) {
         const std::string path = "sys/devices/platform/9050000.smmuv3";
         tree.device("platform", "9050000.smmuv3", path, "arm-smmu-v3")
             .link("sys/class/iommu/smmu3.0x0000000009050000",
                   path + "/iommu/smmu3.0x0000000009050000");
     },
     "9050000.smmuv3", "IOMMU smmu3.0x0000000009050000"},
    {"ASupplierOfWhatCounts", suppliers, "platform/clk", "supplier of 0000:00:04.0: mounted on /"},
    {"ASupplierOfASupplier", suppliers, "platform/pmic",
     "supplier of clk: supplier of 0000:00:04.0: mounted on /"},
    {"Swap",
     [](FakeTree& tree) {
         tree.link("sys/class/block/nvme1n1", kFree)
             .file("proc/swaps",
                   "Filename Type Size Used Priority\n/dev/nvme1n1 partition 1 0 -2\n");
     },
     "0000:00:07.0", "swap"},
};

TEST(Protection, HasItsReason) {
    for (const auto& row : kGuarded) {
        FakeTree tree;
        row.more(furnish(tree));
        EXPECT_EQ(why(tree, row.device), row.reason) << row.name;
    }
}

} // namespace
} // namespace dmarace::board
