// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/fetch.hpp"
#include "vm/kernel/kernel.hpp"
#include "vm/kernel/module_build.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::HasSubstr;

Kernel kernel() {
    Kernel made;
    made.name = "k";
    made.release = "6.1.0";
    for (const char* name : {"9p", "9pnet_virtio", "virtio_mmio"})
        made.modules[name] = {};
    return made;
}

Board board() {
    Board made;
    made.name = "b";
    made.needs = {{"CONFIG_VIRTIO_IOMMU", "virtio-iommu"}};
    return made;
}

TEST(VmKernel, ADriverMayBeAModuleOrBuiltIn) {
    const Need need{"CONFIG_VIRTIO_IOMMU", "virtio-iommu"};
    auto with = kernel();
    EXPECT_FALSE(has_driver(with, need));
    with.config = "CONFIG_VIRTIO_IOMMU=m\n# CONFIG_VIRTIO_IOMMU is not set\n";
    EXPECT_FALSE(has_driver(with, need));
    with.config = "CONFIG_A=y\nCONFIG_VIRTIO_IOMMU=y\n";
    EXPECT_TRUE(has_driver(with, need));
    with = kernel();
    with.builtin.insert("virtio_iommu");
    EXPECT_TRUE(has_driver(with, need));
    with = kernel();
    with.modules["virtio_iommu"] = {};
    EXPECT_TRUE(has_driver(with, need));
}

TEST(VmKernel, ADriverThatMustBeAModuleIsMissingWhereItIsBuiltIn) {
    const Need need{"CONFIG_ARM_SMMU_V3", "arm_smmu_v3", true};
    auto with = kernel();
    with.config = "CONFIG_A=y\nCONFIG_ARM_SMMU_V3=y\n";
    with.builtin.insert("arm_smmu_v3");
    EXPECT_FALSE(has_driver(with, need));
    with.modules["arm_smmu_v3"] = {};
    EXPECT_TRUE(has_driver(with, need));
}

TEST(VmKernel, ABoardThatCannotRunIsUntestableAndSaysWhy) {
    const auto status = check_board(kernel(), board());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().fault, Fault::untestable);
    EXPECT_THAT(status.error().message, HasSubstr("CONFIG_VIRTIO_IOMMU"));
}

TEST(VmKernel, AKernelWithout9pIsAnEnvironmentError) {
    auto without = kernel();
    without.modules.erase("9p");
    without.modules["virtio_iommu"] = {};
    const auto status = check_board(without, board());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().fault, Fault::environment);
    EXPECT_THAT(status.error().message, HasSubstr("CONFIG_NET_9P_VIRTIO"));
    EXPECT_THAT(status.error().message, HasSubstr("CONFIG_9P_FS"));
}

TEST(VmKernel, DirectoryWithImageAndModules) {
    const TemporaryTree tree;
    tree.write("boot/vmlinuz-6.1.0", "x");
    tree.write("boot/config-6.1.0", "CONFIG_A=y\n");
    tree.write("lib/modules/6.1.0/kernel/fs/9p/9p.ko", "x");
    tree.write("lib/modules/6.1.0/modules.builtin", "kernel/drivers/iommu/arm-smmu-v3.ko\n");
    const auto opened = open_kernel(tree.path());
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->release, "6.1.0");
    EXPECT_EQ(opened->image.filename(), "vmlinuz-6.1.0");
    EXPECT_EQ(opened->modules.at("9p").inside, "kernel/fs/9p/9p.ko");
    EXPECT_TRUE(opened->builtin.contains("arm_smmu_v3"));
    EXPECT_EQ(opened->config, "CONFIG_A=y\n");
    EXPECT_TRUE(opened->build.empty());
}

TEST(VmKernel, TheBuildLinkIsLookedForBelowTheDirectoryFirst) {
    const TemporaryTree tree;
    tree.write("Image", "x");
    tree.write("lib/modules/6.1.0/kernel/a.ko", "x");
    tree.write("usr/src/headers/Makefile", "");
    std::filesystem::create_symlink("/usr/src/headers", tree / "lib/modules/6.1.0/build");
    const auto opened = open_kernel(tree.path());
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->build, std::filesystem::canonical(tree / "usr/src/headers"));
}

// The image of a kernel with a magic number somewhere in its first bytes.
std::string image_with(std::size_t at, std::string_view magic) {
    std::string image(1024, '\0');
    return image.replace(at, magic.size(), magic);
}

TEST(VmKernel, TheImageTellsTheArchitecture) {
    EXPECT_EQ((*architecture_of_image(image_with(0x202, "HdrS")))->name, "amd64");
    EXPECT_EQ((*architecture_of_image(image_with(0x38, "ARM\x64")))->name, "arm64");
    EXPECT_EQ((*architecture_of_image(""))->name, "arm64");
}

TEST(VmKernel, A32BitArmKernelIsRefusedWithReasonAndRemedy) {
    const TemporaryTree tree;
    tree.write("vmlinuz", image_with(0x24, std::string_view("\x18\x28\x6f\x01", 4)));
    tree.write("lib/modules/6.1.0/kernel/a.ko", "x");
    const auto opened = open_kernel(tree.path());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, Fault::usage);
    EXPECT_THAT(opened.error().message, HasSubstr("32-bit ARM"));
    EXPECT_THAT(opened.error().message, HasSubstr("boot a 64-bit kernel"));
}

TEST(VmKernel, AKernelOfAnotherArchitectureThanTheBoardIsAMistake) {
    auto with = kernel();
    with.architecture = *find_architecture("amd64");
    const auto status = check_board(with, board());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().fault, Fault::usage);
    EXPECT_THAT(status.error().message, HasSubstr("board b is arm64"));
}

TEST(VmKernel, ASeriesMayNameItsArchitecture) {
    EXPECT_EQ(read_series("6.12", arm64())->architecture->name, "arm64");
    const auto wanted = read_series("6.12/amd64", arm64());
    ASSERT_TRUE(wanted);
    EXPECT_EQ(wanted->series, "6.12");
    EXPECT_EQ(wanted->architecture->name, "amd64");
    EXPECT_THAT(read_series("6.12/armhf", arm64()).error().message, HasSubstr("arm64 or amd64"));
    EXPECT_FALSE(read_series("../6", arm64()));
}

TEST(VmKernel, WhatIsMissingIsNamed) {
    const TemporaryTree tree;
    EXPECT_THAT(open_kernel(tree / "none").error().message, HasSubstr("debian:6.12"));
    EXPECT_THAT(open_kernel(tree.path()).error().message, HasSubstr("no modules"));
    tree.write("lib/modules/6.1.0/kernel/a.ko", "x");
    EXPECT_THAT(open_kernel(tree.path()).error().message, HasSubstr("neither Image"));
    tree.write("lib/modules/6.2.0/kernel/a.ko", "x");
    EXPECT_THAT(open_kernel(tree.path()).error().message, HasSubstr("several kernels"));
}

TEST(VmKernel, TheModuleThatCameAlongIsUsedWhenNothingCanBeBuilt) {
    const TemporaryTree tree;
    tree.write("Image", "x");
    tree.write("lib/modules/6.1.0/kernel/a.ko", "x");
    const auto cache = Cache::open((tree / "cache").string());
    ASSERT_TRUE(cache);
    const auto without = build_modules(*cache, *open_kernel(tree.path()), tree.path());
    ASSERT_FALSE(without);
    EXPECT_THAT(without.error().message, HasSubstr("dmarace.ko"));
    tree.write("dmarace.ko", "x");
    const auto with = build_modules(*cache, *open_kernel(tree.path()), tree.path());
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_EQ(with->front().filename(), "dmarace.ko");
}

TEST(VmKernel, CompilerOfTheKernel) {
    EXPECT_EQ(gcc_major("CONFIG_A=y\nCONFIG_GCC_VERSION=140200\n"), 14U);
    EXPECT_EQ(gcc_major("CONFIG_CC_IS_CLANG=y\nCONFIG_GCC_VERSION=0\n"), 0U);
    EXPECT_EQ(gcc_major(""), 0U);
}

TEST(VmCache, AnUnfinishedEntryIsNotComplete) {
    const TemporaryTree tree;
    const auto cache = Cache::open(tree.path().string());
    ASSERT_TRUE(cache);
    const auto entry = cache->path("kernels/x");
    ASSERT_TRUE(cache->start_over(entry));
    EXPECT_FALSE(cache->complete(entry));
    ASSERT_TRUE(cache->mark_complete(entry));
    EXPECT_TRUE(cache->complete(entry));
    ASSERT_TRUE(cache->start_over(entry));
    EXPECT_FALSE(cache->complete(entry));
}

TEST(VmCache, LackOfRoomIsAnErrorWithTheRemedy) {
    const TemporaryTree tree;
    const auto cache = Cache::open(tree.path().string());
    const auto room = cache->need_space(std::uint64_t{1} << 40, "a kernel");
    ASSERT_FALSE(room);
    EXPECT_THAT(room.error().message, HasSubstr("--cache"));
}

TEST(VmCache, KeysTellFieldsApart) {
    EXPECT_NE(Key().add("ab").add("c").text(), Key().add("a").add("bc").text());
    EXPECT_EQ(Key().add("ab").text(), Key().add("ab").text());
}

} // namespace
