// SPDX-License-Identifier: GPL-2.0-or-later
// Whose stream is whose, by what firmware says.
#include "board/devices.hpp"
#include "board/firmware.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kTree = "sys/firmware/devicetree/base/";
constexpr const char* kBridge = "sys/devices/platform/pcie/pci0000:00";
constexpr std::uint32_t kSmmu = 0x42, kOther = 0x43;

std::string bytes(std::uint64_t number, int count, bool big = false) {
    std::string out;
    for (int i = 0; i < count; ++i)
        out += static_cast<char>(number >> 8 * (big ? count - 1 - i : i));
    return out;
}

std::string be(const std::vector<std::uint32_t>& cells) {
    std::string out;
    for (const auto cell : cells)
        out += bytes(cell, 4, true);
    return out;
}

std::vector<Stream> streams_in(const FakeTree& tree) {
    return streams(tree.files(), Devices(tree.files()).all());
}

// An IOMMU with its node, whose handle the device has.
void iommu(FakeTree& tree, const std::string& name, std::uint32_t handle, std::uint32_t cells) {
    const auto path = "sys/devices/platform/" + name;
    tree.device("platform", name, path)
        .file(path + "/of_node/phandle", be({handle}))
        .file(kTree + name + "/phandle", be({handle}))
        .file(kTree + name + "/#iommu-cells", be({cells}));
}

TEST(Streams, OfADeviceTree) {
    FakeTree tree;
    iommu(tree, "9050000.smmuv3", kSmmu, 1);
    iommu(tree, "5000000.iommu", kOther, 2);
    tree.file(std::string(kTree) + "5000000.iommu/stream-match-mask", be({0x7000}))
        .device("platform", "gpu", "sys/devices/platform/gpu")
        .file("sys/devices/platform/gpu/of_node/iommus", be({kSmmu, 0x12, kOther, 0x400, 3}))
        .device("pci", "0001:00:02.0", std::string(kBridge) + "/0001:00:02.0")
        .file("sys/devices/platform/pcie/of_node/iommu-map", be({0x10, kSmmu, 0x100, 0x20}))
        .file("sys/devices/platform/pcie/of_node/iommu-map-mask", be({0xfff8}));
    EXPECT_THAT(streams_in(tree),
                ElementsAre(Stream{"9050000.smmuv3", "platform/gpu", 0x12},
                            Stream{"5000000.iommu", "platform/gpu", 0x400, 0x7003},
                            Stream{"9050000.smmuv3", "", 0x100, 0, 0x10010, 0x20, 0xfffffff8}));
}

TEST(Streams, AVirtioIommuIsKnownByTheNameOfItsVirtioDevice) {
    FakeTree tree;
    const auto path = std::string(kBridge) + "/0000:00:01.0";
    tree.device("pci", "0000:00:01.0", path)
        .file(path + "/of_node/phandle", be({kSmmu}))
        .file(path + "/virtio0/modalias", "virtio:d00000017v00001AF4")
        .file(std::string(kTree) + "iommu/phandle", be({kSmmu}))
        .file("sys/devices/platform/pcie/of_node/iommu-map", be({0, kSmmu, 0, 8}));
    EXPECT_THAT(streams_in(tree), ElementsAre(Stream{"virtio0", "", 0, 0, 0, 8}));
}

// Header, then what the table holds.
std::string table(const std::string& name, const std::string& rest) {
    return name + bytes(36 + rest.size(), 4) + std::string(28, '\0') + rest;
}

TEST(Streams, OfIort) {
    FakeTree tree;
    const auto node = [](int type, const std::string& data, const std::string& mapping) {
        const auto size = 16 + data.size();
        return bytes(type, 1) + bytes(size + mapping.size(), 2) + std::string(5, '\0') +
               bytes(mapping.empty() ? 0 : 1, 4) + bytes(size, 4) + data + mapping;
    };
    const auto to = [](std::uint32_t first, std::uint32_t last, std::uint32_t out,
                       std::uint32_t flags) {
        return bytes(first, 4) + bytes(last, 4) + bytes(out, 4) + bytes(48, 4) + bytes(flags, 4);
    };
    const auto smmu = node(4, bytes(0x9050000, 8) + std::string(36, '\0'), "");
    const auto root = node(2, std::string(12, '\0') + bytes(1, 4) + std::string(4, '\0'),
                           to(0x100, 0xff, 0x800, 0));
    const auto named =
        node(1, std::string(13, '\0') + "\\_SB_.NET0" + std::string(2, '\0'), to(0, 0, 0x7, 1));
    tree.file("sys/firmware/acpi/tables/IORT",
              table("IORT", bytes(3, 4) + bytes(48, 4) + bytes(0, 4) + smmu + root + named))
        .file("proc/iomem", "09000000-09000fff : PNP0501:00\n"
                            "09050000-0906ffff : arm-smmu-v3.0.auto\n")
        .device("platform", "NET0:00", "sys/devices/platform/NET0:00")
        .file("sys/devices/platform/NET0:00/firmware_node/path", "\\_SB_.NET0\n");
    EXPECT_THAT(streams_in(tree),
                ElementsAre(Stream{"arm-smmu-v3.0.auto", "", 0x800, 0, 0x10100, 0x100},
                            Stream{"arm-smmu-v3.0.auto", "platform/NET0:00", 0x7}));
    tree.file("sys/firmware/acpi/tables/IORT", table("IORT", bytes(9, 4) + bytes(48, 4)));
    EXPECT_THAT(streams_in(tree), IsEmpty()) << "cut off";
    const auto absurd = bytes(2, 1) + bytes(1, 2) + std::string(5, '\0') + bytes(UINT32_MAX, 4) +
                        bytes(UINT32_MAX, 4) + std::string(64, '\0');
    tree.file("sys/firmware/acpi/tables/IORT",
              table("IORT", bytes(UINT32_MAX, 4) + bytes(48, 4) + bytes(0, 4) + absurd));
    EXPECT_THAT(streams_in(tree), IsEmpty()) << "more mappings than the table has bytes";
}

TEST(Streams, OfViot) {
    FakeTree tree;
    const auto path = std::string(kBridge) + "/0000:00:01.0";
    const auto iommu = bytes(3, 1) + bytes(0, 1) + bytes(16, 2) + bytes(0, 2) + bytes(0x08, 2) +
                       std::string(8, '\0');
    const auto range = bytes(1, 1) + bytes(0, 1) + bytes(24, 2) + bytes(0x20, 4) + bytes(0, 2) +
                       bytes(0, 2) + bytes(0x10, 2) + bytes(0xff, 2) + bytes(48, 2) +
                       std::string(6, '\0');
    tree.file("sys/firmware/acpi/tables/VIOT",
              table("VIOT", bytes(2, 2) + bytes(48, 2) + std::string(8, '\0') + iommu + range))
        .device("pci", "0000:00:01.0", path)
        .file(path + "/virtio3/modalias", "virtio:d00000017v00001AF4");
    EXPECT_THAT(streams_in(tree), ElementsAre(Stream{"virtio3", "", 0x20, 0, 0x10, 0xf0}));
}

// The PCI Express capability of a port or bridge of that kind, and its secondary bus.
std::string config(int kind, int secondary) {
    std::string out(256, '\0');
    out[0x19] = static_cast<char>(secondary);
    if (kind >= 0) {
        out[0x34] = 0x40;
        out[0x40] = 0x10;
        out[0x42] = static_cast<char>(kind << 4);
    }
    return out;
}

TEST(DmaAliases, AreThoseOfBridges) {
    FakeTree tree;
    const auto root = std::string(kBridge) + "/0000:00:01.0";
    const auto bridge = root + "/0000:01:00.0";
    const auto behind = bridge + "/0000:02:03.0";
    tree.device("pci", "0000:03:04.0", behind + "/0000:03:04.0")
        .file(root + "/config", config(4, 1))
        .file(bridge + "/config", config(7, 2))
        .file(behind + "/config", config(-1, 3));
    const auto device = got(Devices(tree.files()).find("pci/0000:03:04.0"));
    EXPECT_THAT(dma_aliases(tree.files(), device), ElementsAre("0000:02:03.0", "0000:02:00.0"));
}

} // namespace
} // namespace dmarace::board
