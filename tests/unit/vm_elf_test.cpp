// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/cache/cache.hpp"
#include "vm/initramfs/elf.hpp"
#include "vm/kernel/modules.hpp"

#include <elf.h>
#include <gmock/gmock.h>

namespace {

using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
