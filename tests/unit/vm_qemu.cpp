// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/qemu.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>
#include <libfdt.h>

#include <array>
#include <cstring>
#include <fstream>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::Contains;
using testing::HasSubstr;

Board board() {
    Board made;
    made.machine = "virt,iommu=smmuv3";
    made.cpu = "cortex-a72";
    made.memory = "1G";
    made.smp = 2;
    made.append = {"deferred_probe_timeout=-1"};
    made.blockdevs = {"null-co,node-name=disk0"};
    made.devices = {"e1000e,addr=02.0", "nvme,drive=disk0,serial=s"};
    return made;
}

QemuFiles boot() {
    return {.image = "/k/Image",
            .initramfs = "/i",
            .console = "/o/console.log",
            .share = "/o",
            .disks = "/d"};
}

// The value that follows an option; all of them when it occurs more than once.
std::vector<std::string> values(const std::vector<std::string>& arguments,
                                const std::string& option) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i + 1 < arguments.size(); ++i)
        if (arguments[i] == option)
            found.push_back(arguments[i + 1]);
    return found;
}

TEST(VmArguments, BoardBecomesMachineAndDevices) {
    const auto arguments = qemu_arguments(board(), boot());
    EXPECT_EQ(arguments.front(), "qemu-system-aarch64");
    EXPECT_THAT(values(arguments, "-machine"), testing::ElementsAre("virt,iommu=smmuv3"));
    EXPECT_THAT(values(arguments, "-blockdev"), testing::ElementsAre("null-co,node-name=disk0"));
    EXPECT_THAT(values(arguments, "-device"),
                testing::ElementsAre("e1000e,addr=02.0", "nvme,drive=disk0,serial=s",
                                     "virtio-9p-device,fsdev=out,mount_tag=out"));
}

TEST(VmArguments, APcHasItsOwnQemuConsoleAndWire) {
    auto pc = board();
    pc.architecture = *find_architecture("amd64");
    const auto arguments = qemu_arguments(pc, boot());
    EXPECT_EQ(arguments.front(), "qemu-system-x86_64");
    EXPECT_THAT(values(arguments, "-append").front(), HasSubstr("console=ttyS0 "));
    // A device that names no bus would go to this one if it came before.
    const auto devices = values(arguments, "-device");
    EXPECT_THAT(devices.front(), "e1000e,addr=02.0");
    EXPECT_THAT(devices, Contains(HasSubstr("bypass_iommu=on")));
}

TEST(VmArguments, WhatOutlivesABootIsAFile) {
    auto with = board();
    auto where = boot();
    where.data = "/o/a,b.img";
    where.memory = "/s/memory";
    EXPECT_THAT(values(qemu_arguments(with, where), "-object"), testing::IsEmpty());
    with.data = DataDisk{"data", "/dev/vda", "64M"};
    with.keep_memory = true;
    const auto arguments = qemu_arguments(with, where);
    EXPECT_THAT(values(arguments, "-machine"),
                testing::ElementsAre("virt,iommu=smmuv3,memory-backend=memory"));
    EXPECT_THAT(
        values(arguments, "-object"),
        testing::ElementsAre("memory-backend-file,id=memory,share=on,size=1G,mem-path=/s/memory"));
    EXPECT_THAT(values(arguments, "-blockdev"),
                Contains("file,node-name=data,filename=/o/a,,b.img"));
}

TEST(VmArguments, FirmwareOnlyWhereTheBoardHasIt) {
    auto with = board();
    EXPECT_THAT(values(qemu_arguments(with, boot()), "-bios"), testing::IsEmpty());
    with.firmware = "/f.fd";
    EXPECT_THAT(values(qemu_arguments(with, boot()), "-bios"), testing::ElementsAre("/f.fd"));
}

TEST(VmArguments, DisksAreFilesAndNicsGetTheirWires) {
    auto with = board();
    with.disks = {"kept"};
    with.netdevs = {"hubport,id=a,hubid=0"};
    const auto arguments = qemu_arguments(with, boot());
    EXPECT_THAT(values(arguments, "-blockdev"),
                Contains(testing::AllOf(HasSubstr("file,node-name=kept,"),
                                        HasSubstr("filename=/d/kept.img"))));
    EXPECT_THAT(values(arguments, "-netdev"), testing::ElementsAre("hubport,id=a,hubid=0"));
}

TEST(VmArguments, EachBootGetsEmptyDisks) {
    TemporaryTree scratch;
    auto with = board();
    with.disks = {"kept"};
    ASSERT_TRUE(make_disks(with, scratch.path()));
    const auto file = scratch.path() / "kept.img";
    const auto size = std::filesystem::file_size(file);
    EXPECT_GE(size, 1U << 20);
    std::ofstream(file) << "left over";
    ASSERT_TRUE(make_disks(with, scratch.path()));
    EXPECT_EQ(std::filesystem::file_size(file), size);
    EXPECT_EQ(std::ifstream(file).get(), 0);
}

TEST(VmArguments, APanicEndsQemu) {
    const auto arguments = qemu_arguments(board(), boot());
    EXPECT_THAT(arguments, Contains("-no-reboot"));
    EXPECT_THAT(values(arguments, "-append"), Contains(HasSubstr("panic=-1")));
}

TEST(VmArguments, KernelArgumentsOfBoardAndUserComeLast) {
    auto with = boot();
    with.append = "loglevel=8 foo";
    const auto append = values(qemu_arguments(board(), with), "-append");
    ASSERT_EQ(append.size(), 1U);
    EXPECT_TRUE(append[0].ends_with(" deferred_probe_timeout=-1 loglevel=8 foo")) << append[0];
}

TEST(VmArguments, KvmTakesTheHostsProcessor) {
    auto with = boot();
    EXPECT_THAT(values(qemu_arguments(board(), with), "-cpu"), testing::ElementsAre("cortex-a72"));
    EXPECT_THAT(values(qemu_arguments(board(), with), "-accel"),
                testing::ElementsAre("tcg,thread=multi"));
    with.kvm = true;
    EXPECT_THAT(values(qemu_arguments(board(), with), "-cpu"), testing::ElementsAre("host"));
    EXPECT_THAT(values(qemu_arguments(board(), with), "-accel"), testing::ElementsAre("kvm"));
}

TEST(VmArguments, CommasInPathsDoNotSplitOptions) {
    auto with = boot();
    with.share = "/tmp/a,b";
    EXPECT_THAT(values(qemu_arguments(board(), with), "-fsdev"),
                Contains(HasSubstr("path=/tmp/a,,b")));
}

// A root with one node.
std::string tree_with(const char* compatible) {
    std::string bytes(4096, '\0');
    fdt_create_empty_tree(bytes.data(), static_cast<int>(bytes.size()));
    const int node = fdt_add_subnode(bytes.data(), 0, "smmuv3@9050000");
    fdt_setprop(bytes.data(), node, "compatible", compatible,
                static_cast<int>(std::strlen(compatible)) + 1);
    fdt_setprop_u32(bytes.data(), node, "phandle", 0x8005);
    return bytes;
}

TEST(VmDeviceTree, ClientsNameTheSmmuAndAStreamOfTheirOwn) {
    const auto tree = add_clients(tree_with("arm,smmu-v3"), 2);
    ASSERT_TRUE(tree) << tree.error().message;
    for (const std::string name : {"/dmarace-client0", "/dmarace-client1"}) {
        const int node = fdt_path_offset(tree->data(), name.c_str());
        ASSERT_GE(node, 0) << name;
        EXPECT_EQ(fdt_node_check_compatible(tree->data(), node, "dmarace,sim-client"), 0);
        int bytes = 0;
        const void* iommus = fdt_getprop(tree->data(), node, "iommus", &bytes);
        ASSERT_EQ(bytes, 8);
        std::array<fdt32_t, 2> cells{};
        std::memcpy(cells.data(), iommus, sizeof(cells));
        EXPECT_EQ(fdt32_to_cpu(cells[0]), 0x8005U);
        EXPECT_EQ(fdt32_to_cpu(cells[1]), 0xe000U + (name.back() == '1' ? 1 : 0));
    }
}

TEST(VmDeviceTree, AMachineWithoutAnSmmuIsAnError) {
    EXPECT_THAT(add_clients(tree_with("arm,smmu-v2"), 1).error().message,
                HasSubstr("no arm,smmu-v3"));
    EXPECT_THAT(add_clients("", 1).error().message, HasSubstr("no device tree"));
    EXPECT_THAT(add_clients(std::string(100, 'x'), 1).error().message, HasSubstr("no device tree"));
}

TEST(VmDeviceTree, ManyClientsFit) {
    EXPECT_TRUE(add_clients(tree_with("arm,smmu-v3"), 256));
}

} // namespace
