// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/checked_io.hpp"
#include "board/guard.hpp"
#include "board/task.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>

#include <map>
#include <set>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::HasSubstr;

// What the kernel would say.
struct FakeKernel final : KernelAnswers {
    Result<std::vector<NetRoute>> routes_said = std::vector<NetRoute>{{0, {"eth0"}}};
    std::map<std::string, std::string> ways, owners; // address to interface
    std::set<std::string> claimed;
    std::map<std::string, std::string> entries;

    static std::vector<std::string> one(const std::map<std::string, std::string>& of,
                                        const std::string& key) {
        const auto found = of.find(key);
        return found == of.end() ? std::vector<std::string>{} : std::vector{found->second};
    }
    Result<std::vector<NetRoute>> routes() const override { return routes_said; }
    std::vector<std::string> way_to(const std::string& to) const override { return one(ways, to); }
    std::vector<std::string> owners_of(const std::string& of) const override {
        return one(owners, of);
    }
    bool is_claimed(const std::string& node) const override { return claimed.contains(node); }
    std::string entry_of(const std::string& node) const override {
        const auto found = entries.find(node);
        return found == entries.end() ? "" : found->second;
    }
};

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
                                     "23 22 0:5 / /proc rw - proc proc rw\n");
    return tree;
}

std::string why(const FakeTree& tree, const FakeKernel& kernel, const std::string& name) {
    const Devices devices(tree.files());
    const auto all = devices.all();
    const auto files = tree.files();
    const auto reasons = why_protected(files, all, kernel);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].name == name || all[i].full_name() == name)
            return reasons.at(i);
    return "no such device";
}

struct Guarded {
    const char* name;
    void (*more)(FakeTree&, FakeKernel&); // what the machine has besides
    const char* device;
    const char* reason;
};

const std::string kFree = "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme1/nvme1n1";
void nothing_more(FakeTree&, FakeKernel&) {}
// The clock of the root disk, and the PMIC of that clock.
void suppliers(FakeTree& tree, FakeKernel&) {
    const std::string links = "sys/devices/virtual/devlink/";
    tree.device("platform", "clk", "sys/devices/platform/clk", "clk")
        .device("platform", "pmic", "sys/devices/platform/pmic", "pmic")
        .link(links + "a/supplier", "sys/devices/platform/clk")
        .link(std::string(kNvme) + "/supplier:platform:clk", links + "a")
        .link(links + "b/supplier", "sys/devices/platform/pmic")
        .link("sys/devices/platform/clk/supplier:platform:pmic", links + "b");
}

FakeTree& second_nic(FakeTree& tree) {
    return tree.link("sys/class/net/eth1", "sys/devices/pci0000:00/0000:00:07.0/net/eth1");
}
FakeTree& virtio(FakeTree& tree, const std::string& kind) {
    const std::string path = "sys/devices/pci0000:00/0000:00:07.0/virtio2";
    return tree.file(path + "/device", kind + "\n").link("sys/bus/virtio/devices/virtio2", path);
}

const Guarded kGuarded[] = {
    {"WhatRootIsMountedOn", nothing_more, "0000:00:04.0", "mounted on /"},
    {"TheNicOfTheDefaultRoute", nothing_more, "0000:00:05.0", "default route (eth0)"},
    {"ASiblingInTheGroupOfTheRootDisk", nothing_more, "0000:00:06.0",
     "in one group with pci/0000:00:04.0: mounted on /"},
    {"ADeviceNothingStandsOn", nothing_more, "0000:00:07.0", ""},
    {"StorageUnderDeviceMapper",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/dev/block/254:0", "sys/devices/virtual/block/dm-0")
             .link("sys/devices/virtual/block/dm-0/slaves/nvme1n1", kFree)
             .file("proc/self/mountinfo", "30 22 254:0 / /home rw - ext4 /dev/dm-0 rw\n");
     },
     "0000:00:07.0", "mounted on /home"},
    {"AFileSystemWithoutADeviceNumberByItsSource",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/class/block/nvme1n1", kFree)
             .file("proc/self/mountinfo",
                   "30 22 0:44 /@ /srv rw shared:1 - btrfs /dev/nvme1n1 rw\n");
     },
     "0000:00:07.0", "mounted on /srv"},
    {"EveryDeviceOfAFileSystemOfSeveral",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/fs/btrfs/uuid/devices/nvme1n1", kFree)
             .file("proc/self/mountinfo", "30 22 0:44 / /srv rw - btrfs /dev/sda rw\n");
     },
     "0000:00:07.0", "mounted on /srv"},
    {"EachControllerOfADiskOfSeveral",
     [](FakeTree& tree, FakeKernel&) {
         const std::string subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
         tree.link("sys/dev/block/259:9", subsystem + "/nvme0n1")
             .link(subsystem + "/nvme7", "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme7")
             .file("proc/self/mountinfo", "30 22 259:9 / / rw - ext4 /dev/nvme0n1 rw\n");
     },
     "0000:00:07.0", "mounted on /"},
    {"TheNicOfTheBridgeOfTheDefaultRoute",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/class/net/br0", "sys/devices/virtual/net/br0")
             .link("sys/devices/virtual/net/br0/lower_eth0", std::string(kEthernet) + "/net/eth0");
         kernel.routes_said = std::vector<NetRoute>{{0, {"br0"}}};
     },
     "0000:00:05.0", "default route (br0)"},
    {"TheIommuItself",
     [](FakeTree& tree, FakeKernel&) {
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
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/class/block/nvme1n1", kFree)
             .file("proc/swaps",
                   "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n"
                   "/dev/nvme1n1                            partition\t1024\t0\t-2\n");
     },
     "0000:00:07.0", "swap"},
    {"EachNextHopOfARouteInAnyTable",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree);
         kernel.routes_said = std::vector<NetRoute>{{24, {"eth0"}}, {1, {"eth0", "eth1"}}};
     },
     "0000:00:07.0", "default route (eth1)"},
    {"NoNicOfAnotherRoute",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree);
         kernel.routes_said = std::vector<NetRoute>{{24, {"eth1"}}};
     },
     "0000:00:07.0", ""},
    {"EveryNicWhereRoutesCannotBeRead",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree);
         kernel.routes_said = fail(Fault::environment, "rtnetlink: no");
     },
     "0000:00:07.0", "its routes cannot be read: rtnetlink: no"},
    {"WhatATunnelMayGoThrough",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree).link("sys/class/net/wg0", "sys/devices/virtual/net/wg0");
         kernel.routes_said = std::vector<NetRoute>{{0, {"wg0"}}, {24, {"eth1"}}};
     },
     "0000:00:07.0", "default route (wg0), which may go through it"},
    {"ThePortThatATunnelIsBoundTo",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree)
             .file("sys/devices/virtual/net/vx0/iflink", "7\n")
             .file("sys/devices/virtual/net/vx0/ifindex", "9\n")
             .link("sys/class/net/vx0", "sys/devices/virtual/net/vx0")
             .file("sys/devices/pci0000:00/0000:00:07.0/net/eth1/ifindex", "7\n");
         kernel.routes_said = std::vector<NetRoute>{{0, {"vx0"}}};
     },
     "0000:00:07.0", "default route (vx0)"},
    {"TheNicOfAShellOverTheNetwork",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree).file("proc/net/tcp", "  sl  local_address rem_address   st\n"
                                               "   0: 00000000:0016 00000000:0000 0A\n"
                                               "   1: 0101000A:0016 0900000A:D431 01\n");
         kernel.owners = {{"10.0.1.1", "eth1"}};
     },
     "0000:00:07.0", "connection with 10.0.0.9"},
    {"TheWayToTheOtherEndOfAConnection",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree).file("proc/net/tcp6", "   1: 0000000000000000FFFF00000101000A:0016 "
                                                "0000000000000000FFFF00000900000A:0CBC 01\n");
         kernel.ways = {{"10.0.0.9", "eth1"}};
     },
     "0000:00:07.0", "connection with 10.0.0.9"},
    {"TheWayToTheServerOfAMount",
     [](FakeTree& tree, FakeKernel& kernel) {
         second_nic(tree).file("proc/self/mountinfo",
                               "22 1 0:20 / / rw shared:1 - nfs4 10.0.0.9:/root "
                               "rw,vers=4.2,addr=10.0.0.9\n");
         kernel.ways = {{"10.0.0.9", "eth1"}};
     },
     "0000:00:07.0", "mounted on / (server 10.0.0.9)"},
    {"TheDeviceOfAHostsDirectory",
     [](FakeTree& tree, FakeKernel&) {
         virtio(tree, "0x001a")
             .file("proc/self/mountinfo", "22 1 0:20 / /data\\040of rw - virtiofs tag rw\n");
     },
     "0000:00:07.0", "mounted on /data of"},
    {"TheDeviceOfAHostsDirectoryOver9p",
     [](FakeTree& tree, FakeKernel&) {
         virtio(tree, "0x0009")
             .file("proc/self/mountinfo", "22 1 0:20 / / rw - 9p tag rw,trans=virtio\n");
     },
     "0000:00:07.0", "mounted on /"},
    {"TheFlashOfAUbiVolume",
     [](FakeTree& tree, FakeKernel&) {
         tree.file("sys/class/ubi/ubi1/mtd_num", "4\n")
             .link("sys/class/mtd/mtd4", "sys/devices/pci0000:00/0000:00:07.0/mtd/mtd4")
             .file("proc/self/mountinfo", "22 1 0:20 / / rw - ubifs ubi1:root rw\n");
     },
     "0000:00:07.0", "mounted on /"},
    {"EachDiskOfABcachefs",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/class/block/nvme1n1", kFree)
             .file("proc/self/mountinfo",
                   "22 1 0:20 / / rw - bcachefs /dev/nvme0n1:/dev/nvme1n1 rw\n");
     },
     "0000:00:07.0", "mounted on /"},
    {"AMemberOfAVolumeThatIsNotMounted",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/class/block/nvme1n1", kFree).dir(kFree + "/holders/dm-3");
     },
     "0000:00:07.0", "held by dm-3"},
    {"ADiskOfAPool",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/class/block/nvme1n1", kFree).file(kFree + "/size", "2048\n");
         kernel.claimed = {"/dev/nvme1n1"};
     },
     "0000:00:07.0", "/dev/nvme1n1 is in use"},
    {"ADiskThatAGuestRunsFrom",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/dev/block/259:7", kFree)
             .link("proc/77/fd/9", "dev/nvme1n1")
             .file("proc/77/comm", "qemu-system-x86\n");
         kernel.entries = {{"/dev/nvme1n1", "block/259:7"}};
     },
     "0000:00:07.0", "/dev/nvme1n1 is open in qemu-system-x86 (77)"},
    {"NoThreadOfTheKernel",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/dev/block/259:7", kFree)
             .link("proc/77/fd/9", "dev/nvme1n1")
             .file("proc/2/comm", "kthreadd\n")
             .file("proc/2/task/2/children", "3 77 ");
         kernel.entries = {{"/dev/nvme1n1", "block/259:7"}};
     },
     "0000:00:07.0", ""},
    {"AChildOfWhoIsSecondInAContainer",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/dev/block/259:7", kFree)
             .link("proc/77/fd/9", "dev/nvme1n1")
             .file("proc/77/comm", "guest\n")
             .file("proc/2/comm", "sh\n")
             .file("proc/2/task/2/children", "77 ");
         kernel.entries = {{"/dev/nvme1n1", "block/259:7"}};
     },
     "0000:00:07.0", "/dev/nvme1n1 is open in guest (77)"},
    {"NoDiskThatUdevLooksAt",
     [](FakeTree& tree, FakeKernel& kernel) {
         tree.link("sys/dev/block/259:7", kFree)
             .link("proc/77/fd/9", "dev/nvme1n1")
             .file("proc/77/comm", "(udev-worker)\n");
         kernel.entries = {{"/dev/nvme1n1", "block/259:7"}};
     },
     "0000:00:07.0", ""},
    {"ADeviceOfAGuest",
     [](FakeTree& tree, FakeKernel&) {
         tree.link("sys/kernel/iommu_groups/4/devices/0000:00:07.0",
                   "sys/devices/pci0000:00/0000:00:07.0")
             .link("proc/77/fd/9", "dev/vfio/4")
             .file("proc/77/comm", "qemu-system-x86\n");
     },
     "0000:00:07.0", "/dev/vfio/4 is open in qemu-system-x86 (77)"},
    {"TheDisplayOfAVirtualTerminal",
     [](FakeTree& tree, FakeKernel&) {
         tree.file("sys/class/tty/console/active", "tty0\n")
             .link("sys/class/graphics/fb0", "sys/devices/pci0000:00/0000:00:07.0/graphics/fb0");
     },
     "0000:00:07.0", "console tty0 on fb0"},
    {"TheLitDisplay",
     [](FakeTree& tree, FakeKernel&) {
         const std::string path = "sys/devices/pci0000:00/0000:00:07.0/drm/card0/card0-HDMI-A-1";
         tree.file(path + "/enabled", "enabled\n").link("sys/class/drm/card0-HDMI-A-1", path);
     },
     "0000:00:07.0", "display card0-HDMI-A-1"},
    {"TheConsoleOfAHypervisor",
     [](FakeTree& tree, FakeKernel&) {
         virtio(tree, "0x0003").file("sys/class/tty/console/active", "hvc0\n");
     },
     "0000:00:07.0", "console hvc0"},
    {"TheControllerOfAGadgetConsole",
     [](FakeTree& tree, FakeKernel&) {
         tree.file("sys/class/tty/console/active", "ttyGS0\n")
             .link("sys/class/udc/7.usb", "sys/devices/pci0000:00/0000:00:07.0/udc/7.usb");
     },
     "0000:00:07.0", "console ttyGS0 on 7.usb"},
    {"TheNicOfANetworkConsole",
     [](FakeTree& tree, FakeKernel&) {
         second_nic(tree)
             .file("sys/kernel/config/netconsole/a/enabled", "1\n")
             .file("sys/kernel/config/netconsole/a/dev_name", "eth1\n");
     },
     "0000:00:07.0", "netconsole"},
    {"ASupplierThatOnlyTheDeviceTreeNames",
     [](FakeTree& tree, FakeKernel&) {
         const std::string base = "sys/firmware/devicetree/base";
         const std::string bytes("\0\0\0\5\0\0\0\1", 8);
         tree.device("platform", "clk", "sys/devices/platform/clk")
             .link("sys/devices/platform/clk/of_node", base + "/soc/clk")
             .file(base + "/soc/clk/block/phandle", bytes.substr(0, 4))
             .file(base + "/soc/clk/block/#clock-cells", bytes.substr(4))
             .link(std::string(kNvme) + "/of_node", base + "/pcie/disk")
             .file(base + "/pcie/disk/clocks", bytes);
     },
     "platform/clk", "supplier of 0000:00:04.0: mounted on /"},
};

TEST(Protection, HasItsReason) {
    for (const auto& row : kGuarded) {
        FakeTree tree;
        FakeKernel kernel;
        row.more(furnish(tree), kernel);
        EXPECT_EQ(why(tree, kernel, row.device), row.reason) << row.name;
    }
}

// An overlay came after the tree was read.
TEST(Protection, reads_the_device_tree_again_for_a_phandle_that_is_new) {
    FakeTree tree;
    FakeKernel kernel;
    furnish(tree);
    const auto files = tree.files();
    const auto before = tree_nodes(files, Devices(files).all());
    const auto* row = std::ranges::find_if(kGuarded, [](const auto& one) {
        return std::string_view(one.name) == "ASupplierThatOnlyTheDeviceTreeNames";
    });
    row->more(tree, kernel);
    const auto all = Devices(files).all();
    const auto reasons = why_protected(files, all, kernel, before);
    const auto at = std::ranges::find(all, row->device, &Device::full_name);
    EXPECT_EQ(reasons.at(static_cast<std::size_t>(at - all.begin())), row->reason);
}

TEST(Protection, of_the_running_kernel_is_told_by_a_child) {
    FakeTree tree;
    furnish(tree);
    const auto files = tree.files();
    const auto all = Devices(files).all();
    EXPECT_EQ(why_protected_in_time(files, all).front(), "mounted on /");
}

// Zeros where checked I/O would write, and a file system before them.
TEST(CheckedIo, writes_to_no_disk_with_a_signature) {
    FakeTree tree;
    const std::string disk = "sys/devices/pci0000:00/0000:00:07.0/nvme/nvme1/nvme1n1";
    std::string bytes(4 << 20, '\0');
    bytes.replace(0, 4, "hsqs");
    bytes[28] = 4;
    tree.file(disk + "/dev").link("sys/class/block/nvme1n1", disk).file("dev/nvme1n1", bytes);
    EXPECT_TRUE(refused(CheckedIo::start(tree.files(), {"0000:00:07.0"}), EBUSY, "squashfs"));
}

// A fifo that nobody writes to stands for a file whose lock a stuck task has.
TEST(KernelAnswersReads, says_which_file_does_not_return) {
    using std::chrono::milliseconds;
    FakeTree tree;
    tree.device("pci", "0000:00:02.0", "sys/devices/pci", "", "3");
    tree.file("sys/kernel/iommu_groups/3/type", "DMA\n");
    EXPECT_TRUE(kernel_answers_reads(tree.files(), milliseconds(2000)));
    const auto stuck = tree.root() / "sys/devices/pci/driver_override";
    ASSERT_EQ(::mkfifo(stuck.c_str(), 0600), 0);
    EXPECT_TRUE(refused(kernel_answers_reads(tree.files(), milliseconds(300)), Fault::environment,
                        "/sys/bus/pci/devices/0000:00:02.0/driver_override does not return"));
}

} // namespace
} // namespace dmarace::board
