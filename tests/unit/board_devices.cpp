// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "board/kernel.hpp"
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

// Cells of a device tree, as a file has them.
std::string be(const std::vector<std::uint32_t>& cells) {
    std::string out;
    for (const auto cell : cells)
        for (int shift = 24; shift >= 0; shift -= 8)
            out += static_cast<char>(cell >> shift);
    return out;
}

struct MapCase {
    const char* name;
    std::uint32_t cells; // #iommu-cells of the IOMMU's node; 0: the tree has none
    std::vector<std::uint32_t> map;
    std::optional<std::uint32_t> handle; // of 0000:02:00.5, requester 0x205
};

constexpr std::uint32_t kA = 0x42, kB = 0x0a; // a phandle may end as a line does
const MapCase kMaps[] = {
    {"OneCell", 1, {0, kA, 0, 0x200, 0x200, kB, 0, 0x100}, kB},
    {"OneCellBeside", 1, {0, kA, 0, 0x200, 0x206, kB, 0, 0x100}, {}},
    {"TwoCells", 2, {0, kA, 7, 0, 1, 0x100, kA, 8, 0, 1, 0x200, kA, 9, 0x7f, 0x10}, kA},
    {"TwoCellsWithoutTheNode", 0, {0, kA, 7, 0, 1, 0x200, kA, 9, 0x7f, 0x10}, kA},
    // 80 bytes may be four or five entries
    {"TwoCellsThatTheNodeTells",
     2,
     {0, kA, 7, 0, 1, 0x100, kA, 8, 0, 1, 0x180, kA, 8, 0, 1, 0x200, kA, 9, 0x7f, 0x10},
     kA},
    {"OneCellThatTheNodeTells",
     1,
     {0, kA, 0, 1, 0x100, kA, 1, 1, 0x180, kA, 2, 1, 0x190, kA, 3, 2, 0x200, kB, 4, 0x10},
     kB},
    // of_check_bad_map(): written before #iommu-cells were heeded
    {"TwoCellsAndAMapOfOne",
     2,
     {0, kA, 0, 1, 0x100, kA, 1, 1, 0x200, kA, 2, 1, 0x205, kA, 3, 1, 0x300, kA, 4, 1},
     kA},
    {"Nothing", 1, {}, {}}};

TEST(IommuMap, isReadAsTheKernelReadsIt) {
    for (const auto& row : kMaps) {
        FakeTree tree;
        const std::string bridge = "sys/devices/pci0000:00";
        tree.file(bridge + "/of_node/iommu-map", be(row.map))
            .device("pci", "0000:02:00.5", bridge + "/0000:02:00.5");
        if (row.cells != 0)
            tree.file("sys/firmware/devicetree/base/iommu/phandle", be({kA}))
                .file("sys/firmware/devicetree/base/iommu/#iommu-cells", be({row.cells}));
        const Devices devices(tree.files());
        const auto device = got(devices.find("pci/0000:02:00.5"));
        EXPECT_EQ(iommu_handle(tree.files(), device), row.handle) << row.name;
        EXPECT_EQ(firmware_names_iommu(tree.files(), device), row.handle.has_value()) << row.name;
    }
}

// A board whose two clients are mapped to the function 00:01.0, by its phandle.
TEST(AwaitedIommu, is_the_device_of_the_node_that_firmware_names) {
    FakeTree tree;
    const std::string bridge = "sys/devices/pci0000:00";
    tree.file(bridge + "/of_node/iommu-map", be({0, kA, 0, 0x10000}))
        .device("pci", "0000:00:01.0", bridge + "/0000:00:01.0", "virtio-pci")
        .file(bridge + "/0000:00:01.0/of_node/phandle", be({kA}))
        .device("pci", "0000:00:02.0", bridge + "/0000:00:02.0");
    const Devices devices(tree.files());
    const Modules modules;
    const auto client = got(devices.find("pci/0000:00:02.0"));
    EXPECT_EQ(awaited_iommu(devices, modules, client).what,
              "pci/0000:00:01.0, which has registered no instance for it");
    tree.file(bridge + "/of_node/iommu-map", be({0, kB, 0, 0x10000}));
    EXPECT_THAT(awaited_iommu(devices, modules, client).what,
                testing::HasSubstr("no device of this machine is"));
    tree.file(bridge + "/0000:00:01.0/of_node/phandle", be({kB}));
    EXPECT_NE(awaited_iommu(devices, modules, client).what, "");
    tree.link("sys/class/iommu/0000:00:01.0/device", bridge + "/0000:00:01.0");
    EXPECT_EQ(awaited_iommu(devices, modules, client).what, "") << "it is registered";
}

} // namespace
} // namespace dmarace::board
