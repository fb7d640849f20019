// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/board.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/kernel.hpp"
#include "vm/kernels/source.hpp"
#include "vm_temporary.hpp"

#include <elf.h>
#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::ElementsAre;
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

template <class T>
void put(std::string& elf, std::size_t at, const T& value) {
    if (elf.size() < at + sizeof(T))
        elf.resize(at + sizeof(T));
    std::memcpy(elf.data() + at, &value, sizeof(T));
}

void put_text(std::string& elf, std::size_t at, std::string_view text) {
    if (elf.size() < at + text.size())
        elf.resize(at + text.size());
    elf.replace(at, text.size(), text);
}

Elf64_Phdr segment(unsigned type, std::uint64_t offset, std::uint64_t address, std::uint64_t size) {
    Elf64_Phdr made{};
    made.p_type = type;
    made.p_offset = offset;
    made.p_vaddr = address;
    made.p_filesz = size;
    return made;
}

Elf64_Dyn entry(std::int64_t tag, std::uint64_t value) {
    Elf64_Dyn made{};
    made.d_tag = tag;
    made.d_un.d_val = value;
    return made;
}

Elf64_Ehdr header() {
    Elf64_Ehdr made{};
    std::memcpy(made.e_ident, ELFMAG, SELFMAG);
    made.e_ident[EI_CLASS] = ELFCLASS64;
    made.e_ident[EI_DATA] = ELFDATA2LSB;
    made.e_machine = EM_AARCH64;
    made.e_phentsize = sizeof(Elf64_Phdr);
    made.e_shentsize = sizeof(Elf64_Shdr);
    return made;
}

// Loaded at 0x10000, so that addresses and offsets differ.
std::string program() {
    std::string elf;
    auto head = header();
    head.e_phoff = 64;
    head.e_phnum = 3;
    put(elf, 0, head);
    put(elf, 64, segment(PT_LOAD, 0, 0x10000, 0x400));
    put(elf, 64 + 56, segment(PT_INTERP, 0x300, 0x10300, 16));
    put(elf, 64 + 112, segment(PT_DYNAMIC, 0x200, 0x10200, 5 * sizeof(Elf64_Dyn)));
    put(elf, 0x200, entry(DT_NEEDED, 1));
    put(elf, 0x210, entry(DT_STRTAB, 0x10280));
    put(elf, 0x220, entry(DT_NEEDED, 11));
    put(elf, 0x230, entry(DT_NULL, 0));
    put(elf, 0x240, entry(DT_NEEDED, 1)); // after the end: not to be read
    put_text(elf, 0x280, std::string_view("\0libkmod.2\0libc.so.6\0", 21));
    put_text(elf, 0x300, std::string_view("/lib/ld-arm.so\0", 15));
    elf.resize(0x400);
    return elf;
}

std::string module_with(std::string_view modinfo) {
    std::string elf;
    auto head = header();
    head.e_shoff = 64;
    head.e_shnum = 2;
    head.e_shstrndx = 0;
    put(elf, 0, head);
    Elf64_Shdr names{}, info{};
    names.sh_name = 1;
    names.sh_offset = 0x200;
    names.sh_size = 20;
    info.sh_name = 7;
    info.sh_offset = 0x240;
    info.sh_size = modinfo.size();
    put(elf, 64, names);
    put(elf, 64 + 64, info);
    put_text(elf, 0x200, std::string_view("\0names\0.modinfo\0", 16));
    put_text(elf, 0x240, modinfo);
    return elf;
}

TEST(VmElf, NeededLibrariesInOrder) {
    const auto linkage = read_linkage(program(), arm64());
    ASSERT_TRUE(linkage) << linkage.error().message;
    EXPECT_EQ(linkage->interpreter, "/lib/ld-arm.so");
    EXPECT_THAT(linkage->needed, ElementsAre("libkmod.2", "libc.so.6"));
}

TEST(VmElf, WhatIsNoProgramOfTheArchitectureIsSaid) {
    EXPECT_THAT(read_linkage("#!/bin/sh\n", arm64()).error().message, HasSubstr("not an ELF file"));
    auto elf = program();
    elf[18] = EM_X86_64;
    EXPECT_THAT(read_linkage(elf, arm64()).error().message, HasSubstr("not for arm64"));
    EXPECT_TRUE(read_linkage(elf, **find_architecture("amd64")));
}

TEST(VmElf, TruncatedFilesAreNeverReadPastTheirEnd) {
    const std::string whole = program();
    for (std::size_t size = 0; size < whole.size(); size += 7)
        (void)read_linkage(whole.substr(0, size), arm64()); // the sanitizers judge
    const std::string module = module_with("depends=a\0");
    for (std::size_t size = 0; size < module.size(); size += 3)
        (void)find_section(module.substr(0, size), ".modinfo");
    EXPECT_FALSE(read_linkage(whole.substr(0, 100), arm64()));
}

TEST(VmElf, SectionsByName) {
    const std::string module = module_with(std::string_view("license=GPL\0depends=b\0", 22));
    const auto section = find_section(module, ".modinfo");
    ASSERT_TRUE(section);
    EXPECT_THAT(depends_of(*section), ElementsAre("b"));
    EXPECT_EQ(find_section(module, ".none").value(), "");
}

TEST(VmModules, NamesComeFromFiles) {
    EXPECT_EQ(module_of_file("virtio-iommu.ko.xz"), "virtio_iommu");
    EXPECT_EQ(module_of_file("e1000e.ko"), "e1000e");
    EXPECT_EQ(module_of_file("nvme.ko.zst"), "nvme");
    EXPECT_EQ(module_of_file("notes.ko.txt"), "");
    EXPECT_EQ(module_of_file("modules.dep"), "");
}

TEST(VmModules, ModinfoWords) {
    using namespace std::literals;
    const auto info = "softdepends=x\0depends=nvme-core,failover\0vermagic=6.1.0-5 SMP mod\0"sv;
    EXPECT_THAT(depends_of(info), ElementsAre("nvme_core", "failover"));
    EXPECT_EQ(release_of(info), "6.1.0-5");
    EXPECT_THAT(depends_of("depends=\0"sv), testing::IsEmpty());
    EXPECT_EQ(release_of("license=GPL\0"sv), "");
}

} // namespace
