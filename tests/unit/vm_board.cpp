// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"
#include "vm/kernels/cache.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace::vm;
using dmarace::Fault;
using ::testing::HasSubstr;

constexpr const char* kGood = R"(name = "b"
summary = "s"
[machine]
machine = "virt"
cpu = "c"
smp = 2
memory = "1G"
devices = ["e1000e"]
[modules]
load = ["e1000e"]
offer = ["virtio_iommu"]
[[needs]]
option = "CONFIG_X"
module = "x"
)";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    return text.replace(text.find(what), what.size(), with);
}

std::string error_of(const std::string& text) {
    const auto board = parse_board(text, "b.toml");
    if (board)
        return "no error";
    EXPECT_EQ(board.error().fault, Fault::usage);
    return board.error().message;
}

TEST(VmBoard, ReadsAllOfIt) {
    const auto board = parse_board(kGood, "b.toml");
    ASSERT_TRUE(board) << board.error().message;
    EXPECT_EQ(board->name, "b");
    EXPECT_EQ(board->smp, 2U);
    EXPECT_THAT(board->devices, testing::ElementsAre("e1000e"));
    EXPECT_THAT(board->offer, testing::ElementsAre("virtio_iommu"));
    ASSERT_EQ(board->needs.size(), 1U);
    EXPECT_EQ(board->needs[0].option, "CONFIG_X");
}

TEST(VmBoard, ADriverMayHaveToBeAModule) {
    EXPECT_FALSE(parse_board(kGood, "b.toml")->needs[0].as_module);
    const auto module = parse_board(std::string(kGood) + "as = \"module\"\n", "b.toml");
    ASSERT_TRUE(module) << module.error().message;
    EXPECT_TRUE(module->needs[0].as_module);
    EXPECT_THAT(error_of(std::string(kGood) + "as = \"y\"\n"), HasSubstr("'as'"));
}

TEST(VmBoard, UnknownKeyNamesLineAndNearestWord) {
    const auto message = error_of(replaced(kGood, "devices", "device"));
    EXPECT_THAT(message, HasSubstr("b.toml:8:"));
    EXPECT_THAT(message, HasSubstr("'device'"));
    EXPECT_THAT(message, HasSubstr("devices"));
}

TEST(VmBoard, MissingKeyIsNamed) {
    EXPECT_THAT(error_of(replaced(kGood, "cpu = \"c\"\n", "")), HasSubstr("'cpu' is missing"));
    EXPECT_THAT(error_of("name = \"b\"\nsummary = \"s\"\n"), HasSubstr("[machine]"));
}

TEST(VmBoard, WrongTypesAndRangesAreRefused) {
    EXPECT_THAT(error_of(replaced(kGood, "smp = 2", "smp = 0")), HasSubstr("'smp'"));
    EXPECT_THAT(error_of(replaced(kGood, "smp = 2", "smp = \"2\"")), HasSubstr("'smp'"));
    EXPECT_THAT(error_of(replaced(kGood, "[\"e1000e\"]", "\"e1000e\"")), HasSubstr("'devices'"));
    EXPECT_THAT(error_of(replaced(kGood, "[\"e1000e\"]", "[1]")), HasSubstr("'devices'"));
    EXPECT_THAT(error_of(replaced(kGood, "[[needs]]", "[needs]")), HasSubstr("[[needs]]"));
    EXPECT_THAT(error_of("name = "), HasSubstr("b.toml:1:"));
}

TEST(VmBoard, TheArchitectureIsArm64UnlessTheBoardSaysSo) {
    EXPECT_EQ(parse_board(kGood, "b.toml")->architecture->name, "arm64");
    const auto pc = parse_board(replaced(kGood, "cpu =", "arch = \"amd64\"\ncpu ="), "b.toml");
    ASSERT_TRUE(pc) << pc.error().message;
    EXPECT_EQ(pc->architecture->name, "amd64");
    const auto message = error_of(replaced(kGood, "cpu =", "arch = \"mips\"\ncpu ="));
    EXPECT_THAT(message, HasSubstr("b.toml:5:"));
    EXPECT_THAT(message, HasSubstr("arm64 or amd64"));
}

TEST(VmBoard, ReadsADiskThatOutlivesBoots) {
    const std::string data = "[data]\ndisk = \"d\"\ndevice = \"/dev/vda\"\nsize = \"64M\"\n";
    const auto board = parse_board(std::string(kGood) + data, "b.toml");
    ASSERT_TRUE(board) << board.error().message;
    ASSERT_TRUE(board->data);
    EXPECT_EQ(board->data->device, "/dev/vda");
    EXPECT_FALSE(parse_board(kGood, "b.toml")->data);
    EXPECT_THAT(error_of(std::string(kGood) + replaced(data, "size = \"64M\"\n", "")),
                HasSubstr("'size' is missing"));
    EXPECT_THAT(error_of(std::string(kGood) + replaced(data, "\"d\"", "\"a/b\"")),
                HasSubstr("disk 'a/b'"));
    EXPECT_THAT(error_of(std::string(kGood) + replaced(data, "device", "divice")),
                HasSubstr("'divice'"));
}

TEST(VmBoard, ReadsParametersOfModules) {
    const auto board = parse_board(
        replaced(kGood, "load = [\"e1000e\"]", "load = [\"e1000e\", \"ramoops a=1 b=2\"]"),
        "b.toml");
    ASSERT_TRUE(board) << board.error().message;
    EXPECT_THAT(board->load, testing::ElementsAre("e1000e", "ramoops"));
    EXPECT_EQ(board->parameters.at("ramoops"), "a=1 b=2");
    EXPECT_FALSE(board->parameters.contains("e1000e"));
}

TEST(VmBoard, MemoryIsKeptOnlyWhereItSaysSo) {
    EXPECT_FALSE(parse_board(kGood, "b.toml")->keep_memory);
    EXPECT_TRUE(
        parse_board(replaced(kGood, "smp", "keep_memory = true\nsmp"), "b.toml")->keep_memory);
    EXPECT_THAT(error_of(replaced(kGood, "smp", "keep_memory = 1\nsmp")),
                HasSubstr("'keep_memory' must be true or false"));
}

TEST(VmBoard, ReadsFirmwareDisksAndWires) {
    const auto board =
        parse_board(replaced(kGood, "devices",
                             "firmware = \"/f.fd\"\ndisks = [\"d-0\"]\nnetdevs = [\"n\"]\ndevices"),
                    "b.toml");
    ASSERT_TRUE(board) << board.error().message;
    EXPECT_EQ(board->firmware, "/f.fd");
    EXPECT_THAT(board->disks, testing::ElementsAre("d-0"));
    EXPECT_THAT(board->netdevs, testing::ElementsAre("n"));
}

TEST(VmBoard, ADiskIsNoPathAndNoSecondOption) {
    for (const char* bad : {"../x", "a,b", ""})
        EXPECT_THAT(
            error_of(replaced(kGood, "devices", "disks = [\"" + std::string(bad) + "\"]\ndevices")),
            HasSubstr("disk '" + std::string(bad) + "'"));
}

// A peer is what makes a NIC's bytes checkable; a disk that keeps nothing is none.
TEST(VmBoard, TheIoBoardHasPairsOfNicsAndAFileForItsDisk) {
    const auto board = find_board("io", DMARACE_SOURCE_DIR "/vm/boards");
    ASSERT_TRUE(board);
    for (const char* hub : {"hubid=0", "hubid=1"})
        EXPECT_EQ(std::count_if(board->netdevs.begin(), board->netdevs.end(),
                                [&](const auto& dev) { return dev.ends_with(hub); }),
                  2);
    EXPECT_FALSE(board->disks.empty());
    EXPECT_TRUE(board->blockdevs.empty());
}

TEST(VmBoard, EveryShippedBoardReadsAndIsNamedAsItsFile) {
    const std::filesystem::path boards = DMARACE_SOURCE_DIR "/vm/boards";
    const auto names = board_names(boards);
    EXPECT_THAT(names, testing::IsSupersetOf({"io", "smmuv3", "smmuv3-module", "virtio-iommu"}));
    for (const std::string& name : names) {
        const auto board = find_board(name, boards);
        ASSERT_TRUE(board) << board.error().message;
        EXPECT_EQ(board->name, name);
        EXPECT_EQ(board->needs.empty(), name.starts_with("sim")) << name; // no IOMMU
    }
}

TEST(VmBoard, UnknownBoardNamesTheNearest) {
    const auto board = find_board("smuv3", DMARACE_SOURCE_DIR "/vm/boards");
    ASSERT_FALSE(board);
    EXPECT_EQ(board.error().fault, Fault::usage);
    EXPECT_THAT(board.error().message, HasSubstr("'smmuv3'"));
}

// As udev would load it: clients whose driver comes first would only defer.
TEST(VmBoard, TheIommuDriverOfVirtioIommuIsLoadedBeforeItsClients) {
    const auto board = find_board("virtio-iommu", DMARACE_SOURCE_DIR "/vm/boards");
    ASSERT_TRUE(board);
    const auto place = [&](const std::string& name) {
        return std::find(board->load.begin(), board->load.end(), name) - board->load.begin();
    };
    for (const char* client : {"e1000e", "nvme", "virtio_net"})
        EXPECT_LT(place("virtio_iommu"), place(client)) << client;
}

} // namespace
