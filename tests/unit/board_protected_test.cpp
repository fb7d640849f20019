// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/protected.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::HasSubstr;

constexpr auto kNvme = "sys/devices/pci0000:00/0000:00:04.0";
constexpr auto kNic = "sys/devices/pci0000:00/0000:00:05.0";

// Root on nvme0n1p2 behind 00:04.0, the default route through eth0 on 00:05.0.
FakeTree& furnish(FakeTree& tree) {
    tree.device("pci", "0000:00:04.0", kNvme, "nvme", "1")
        .device("pci", "0000:00:05.0", kNic, "e1000e", "2")
        .device("pci", "0000:00:06.0", "sys/devices/pci0000:00/0000:00:06.0", "nvme", "1")
        .device("pci", "0000:00:07.0", "sys/devices/pci0000:00/0000:00:07.0", "nvme", "4")
        .link("sys/dev/block/259:2", std::string(kNvme) + "/nvme/nvme0/nvme0n1/nvme0n1p2")
        .link("sys/class/net/eth0", std::string(kNic) + "/net/eth0")
        .file("proc/self/mountinfo", "22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n"
                                     "23 22 0:5 / /proc rw - proc proc rw\n")
        .file("proc/net/route", "Iface\tDestination\tGateway\neth0\t00000000\t0102A8C0\n");
    return tree;
}

std::string why(const FakeTree& tree, const std::string& name) {
    const Devices devices(tree.files());
    const auto device = devices.find(name);
    return device ? why_protected(*device, devices.all(), protected_paths(tree.files()))
                  : "no such device";
}

TEST(Protected, what_root_is_mounted_on) {
    FakeTree tree;
    EXPECT_THAT(why(furnish(tree), "0000:00:04.0"), HasSubstr("mounted on /"));
}

TEST(Protected, the_nic_of_the_default_route) {
    FakeTree tree;
    EXPECT_THAT(why(furnish(tree), "0000:00:05.0"), HasSubstr("default route (eth0)"));
}

TEST(Protected, a_sibling_in_the_group_of_the_root_disk) {
    FakeTree tree;
    EXPECT_THAT(why(furnish(tree), "0000:00:06.0"), HasSubstr("in one group with"));
}

TEST(Protected, a_device_nothing_stands_on_is_free) {
    FakeTree tree;
    EXPECT_EQ(why(furnish(tree), "0000:00:07.0"), "");
}

TEST(Protected, storage_under_device_mapper_counts) {
    FakeTree tree;
    furnish(tree);
    tree.link("sys/dev/block/254:0", "sys/devices/virtual/block/dm-0")
        .link("sys/devices/virtual/block/dm-0/slaves/nvme1n1",
              "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme1/nvme1n1")
        .file("proc/self/mountinfo", "30 22 254:0 / /home rw - ext4 /dev/dm-0 rw\n");
    EXPECT_THAT(why(tree, "0000:00:07.0"), HasSubstr("mounted on /home"));
}

TEST(Protected, swap_counts) {
    FakeTree tree;
    furnish(tree);
    tree.link("sys/class/block/nvme1n1", "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme1/nvme1n1")
        .file("proc/swaps", "Filename Type Size Used Priority\n/dev/nvme1n1 partition 1 0 -2\n");
    EXPECT_EQ(why(tree, "0000:00:07.0"), "swap");
}

} // namespace
} // namespace dmarace::board
