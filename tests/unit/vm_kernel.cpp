// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/board/board.hpp"
#include "vm/board/qemu.hpp"
#include "vm/campaign/campaign.hpp"
#include "vm/image/initramfs.hpp"
#include "vm/image/root.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/kernel.hpp"
#include "vm/kernels/source.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

namespace {

namespace fs = std::filesystem;
using namespace dmarace::vm;
using namespace dmarace;
using testing::ElementsAre;
using testing::HasSubstr;

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
    auto configured = kernel(), built_in = kernel(), with_module = kernel();
    EXPECT_FALSE(has_driver(configured, need));
    configured.config = "CONFIG_VIRTIO_IOMMU=m\n# CONFIG_VIRTIO_IOMMU is not set\n";
    EXPECT_FALSE(has_driver(configured, need));
    configured.config = "CONFIG_A=y\nCONFIG_VIRTIO_IOMMU=y\n";
    built_in.builtin.insert("virtio_iommu");
    with_module.modules["virtio_iommu"] = {};
    for (const auto* with : {&configured, &built_in, &with_module})
        EXPECT_TRUE(has_driver(*with, need));
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

TEST(VmKernel, ABoardThatCannotRunSaysWhy) {
    auto without = kernel(), other = kernel();
    without.modules.erase("9p");
    without.modules["virtio_iommu"] = {};
    other.architecture = *find_architecture("amd64");
    EXPECT_TRUE(refused(check_board(kernel(), board()), Fault::untestable, "CONFIG_VIRTIO_IOMMU"));
    EXPECT_TRUE(refused(check_board(without, board()), Fault::environment, "CONFIG_NET_9P_VIRTIO",
                        "CONFIG_9P_FS"));
    EXPECT_TRUE(refused(check_board(other, board()), Fault::usage, "board b is arm64"));
}

// A directory that a kernel is opened in.
class VmKernelTree : public testing::Test {
protected:
    static constexpr const char* kModule = "lib/modules/6.1.0/kernel/a.ko";

    Result<Kernel> opened() const { return open_kernel(tree_.root()); }

    test::FakeTree tree_;
};

TEST_F(VmKernelTree, DirectoryWithImageAndModules) {
    tree_.file("boot/vmlinuz-6.1.0", "x")
        .file("boot/config-6.1.0", "CONFIG_A=y\n")
        .file("lib/modules/6.1.0/kernel/fs/9p/9p.ko", "x")
        .file("lib/modules/6.1.0/modules.builtin", "kernel/drivers/iommu/arm-smmu-v3.ko\n");
    const auto kernel = got(opened());
    EXPECT_EQ(kernel.release, "6.1.0");
    EXPECT_EQ(kernel.image.filename(), "vmlinuz-6.1.0");
    EXPECT_EQ(kernel.modules.at("9p").inside, "kernel/fs/9p/9p.ko");
    EXPECT_TRUE(kernel.builtin.contains("arm_smmu_v3"));
    EXPECT_EQ(kernel.config, "CONFIG_A=y\n");
    EXPECT_TRUE(kernel.build.empty());
}

TEST_F(VmKernelTree, TheBuildLinkIsLookedForBelowTheDirectoryFirst) {
    tree_.file("Image", "x").file(kModule, "x").file("usr/src/headers/Makefile", "");
    fs::create_symlink("/usr/src/headers", tree_.root() / "lib/modules/6.1.0/build");
    EXPECT_EQ(got(opened()).build, fs::canonical(tree_.root() / "usr/src/headers"));
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

TEST_F(VmKernelTree, A32BitArmKernelIsRefusedWithReasonAndRemedy) {
    tree_.file("vmlinuz", image_with(0x24, std::string_view("\x18\x28\x6f\x01", 4)))
        .file(kModule, "x");
    EXPECT_TRUE(refused(opened(), Fault::usage, "32-bit ARM", "boot a 64-bit kernel"));
}

TEST_F(VmKernelTree, WhatIsMissingIsNamed) {
    EXPECT_TRUE(refused(open_kernel(tree_.root() / "none"), "debian:6.12"));
    EXPECT_TRUE(refused(opened(), "no modules"));
    tree_.file(kModule, "x");
    EXPECT_TRUE(refused(opened(), "neither Image"));
    tree_.file("lib/modules/6.2.0/kernel/a.ko", "x");
    EXPECT_TRUE(refused(opened(), "several kernels"));
}

TEST_F(VmKernelTree, TheModuleThatCameAlongIsUsedWhenNothingCanBeBuilt) {
    tree_.file("Image", "x").file(kModule, "x");
    const auto cache = got(Cache::open((tree_.root() / "cache").string()));
    EXPECT_TRUE(refused(build_modules(cache, *opened(), tree_.root()), "dmarace.ko"));
    tree_.file("dmarace.ko", "x");
    const auto modules = got(build_modules(cache, *opened(), tree_.root()));
    EXPECT_EQ(modules.front().filename(), "dmarace.ko");
}

TEST(VmKernel, CompilerOfTheKernel) {
    EXPECT_EQ(gcc_major("CONFIG_A=y\nCONFIG_GCC_VERSION=140200\n"), 14U);
    EXPECT_EQ(gcc_major("CONFIG_CC_IS_CLANG=y\nCONFIG_GCC_VERSION=0\n"), 0U);
    EXPECT_EQ(gcc_major(""), 0U);
}

void put(std::string& elf, std::size_t at, std::string_view bytes) {
    elf.resize(std::max(elf.size(), at + bytes.size()));
    elf.replace(at, bytes.size(), bytes);
}

template <class T>
void put(std::string& elf, std::size_t at, const T& value) requires std::is_trivial_v<T> {
    put(elf, at, std::string_view(reinterpret_cast<const char*>(&value), sizeof(T)));
}

Elf64_Phdr segment(unsigned type, std::uint64_t offset, std::uint64_t address, std::uint64_t size) {
    return {type, 0, offset, address, 0, size, 0, 0};
}

Elf64_Dyn entry(std::int64_t tag, std::uint64_t value) { return {tag, {value}}; }

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
    put(elf, 0x280, std::string_view("\0libkmod.2\0libc.so.6\0", 21));
    put(elf, 0x300, std::string_view("/lib/ld-arm.so\0", 15));
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
    put(elf, 64, Elf64_Shdr{1, 0, 0, 0, 0x200, 20, 0, 0, 0, 0});
    put(elf, 64 + 64, Elf64_Shdr{7, 0, 0, 0, 0x240, modinfo.size(), 0, 0, 0, 0});
    put(elf, 0x200, std::string_view("\0names\0.modinfo\0", 16));
    put(elf, 0x240, modinfo);
    return elf;
}

TEST(VmElf, NeededLibrariesInOrder) {
    const auto linkage = got(read_linkage(program(), arm64()));
    EXPECT_EQ(linkage.interpreter, "/lib/ld-arm.so");
    EXPECT_THAT(linkage.needed, ElementsAre("libkmod.2", "libc.so.6"));
}

TEST(VmElf, WhatIsNoProgramOfTheArchitectureIsSaid) {
    EXPECT_TRUE(refused(read_linkage("#!/bin/sh\n", arm64()), "not an ELF file"));
    auto elf = program();
    elf[18] = EM_X86_64;
    EXPECT_TRUE(refused(read_linkage(elf, arm64()), "not for arm64"));
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
    const auto section = got(find_section(module, ".modinfo"));
    EXPECT_THAT(depends_of(section), ElementsAre("b"));
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

TEST(WholeFiles, come_back_as_they_were) {
    const auto dir = got(TemporaryDirectory::make());
    const auto file = dir.path() / "file";
    for (const std::size_t size : {0, 1, 4095, 4096, 4097, 300000}) {
        std::string text;
        for (std::size_t i = 0; i < size; ++i)
            text.push_back(static_cast<char>(i * 31 + i / 251));
        ASSERT_TRUE(write_text(file, text));
        EXPECT_EQ(read_text(file).value_or("unread"), text) << size;
        EXPECT_EQ(got(Mapped::open(file)).text(), text) << size;
    }
}

TEST(WholeFiles, that_say_they_are_empty_are_read_to_their_end) {
    EXPECT_THAT(read_text("/proc/self/status").value_or(""), HasSubstr("VmRSS:"));
    EXPECT_GT(read_text("/proc/self/smaps").value_or("").size(), 4096U);
}

TEST(WholeFiles, that_are_not_there_are_named) {
    EXPECT_TRUE(refused(read_text("/no/such/file"), "/no/such/file"));
    EXPECT_TRUE(refused(Mapped::open("/no/such/file"), "/no/such/file"));
    EXPECT_FALSE(read_text("/proc"));
}

TEST(VmCache, AnUnfinishedEntryIsNotCompleteAndLackOfRoomIsAnErrorWithTheRemedy) {
    test::FakeTree tree;
    const auto cache = got(Cache::open(tree.root().string()));
    const auto entry = cache.path("kernels/x");
    ASSERT_TRUE(cache.start_over(entry));
    EXPECT_FALSE(cache.complete(entry));
    EXPECT_FALSE(cache.fill(entry, 0, "x", [] { return Status(fail(Fault::environment, "")); }));
    EXPECT_FALSE(cache.complete(entry));
    ASSERT_TRUE(cache.fill(entry, 0, "x", [] { return Status(); }));
    EXPECT_TRUE(cache.complete(entry));
    ASSERT_TRUE(cache.start_over(entry));
    EXPECT_FALSE(cache.complete(entry));
    EXPECT_TRUE(refused(cache.need_space(std::uint64_t{1} << 40, "a kernel"), "--cache"));
}

TEST(VmCache, KeysTellFieldsApart) {
    EXPECT_NE(Key().add("ab").add("c").text(), Key().add("a").add("bc").text());
    EXPECT_EQ(Key().add("ab").text(), Key().add("ab").text());
}

// What a process that was killed leaves behind.
fs::path abandoned(const fs::path& parent) {
    const pid_t pid = fork();
    if (pid == 0) {
        const auto made = TemporaryDirectory::make(parent);
        _exit(made ? 0 : 1); // no destructor runs
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    for (const auto& entry : fs::directory_iterator(parent))
        if (fs::exists(entry.path() / ".owner"))
            return entry.path();
    return {};
}

bool has_a_journal(const fs::path& directory) { return !find_journals(directory).empty(); }

class VmTemporary : public testing::Test {
protected:
    void sweep() const { sweep_temporary(has_a_journal, root_); }

    test::FakeTree tree_;
    const fs::path root_ = tree_.root();
};

TEST_F(VmTemporary, GoesAwayWithItsOwner) {
    fs::path path;
    {
        const auto made = got(TemporaryDirectory::make(root_));
        path = made.path();
        EXPECT_TRUE(fs::is_directory(path));
    }
    EXPECT_FALSE(fs::exists(path));
}

TEST_F(VmTemporary, WhatAKilledProcessLeftIsSweptButForAJournal) {
    const fs::path left = abandoned(root_);
    ASSERT_FALSE(left.empty());
    ASSERT_TRUE(write_text(left / "journal.jsonl", "{}\n"));
    sweep();
    EXPECT_TRUE(fs::exists(left / "journal.jsonl"));
    ASSERT_TRUE(fs::remove(left / "journal.jsonl"));
    ASSERT_TRUE(write_text(left / "initramfs", "x"));
    sweep();
    EXPECT_FALSE(fs::exists(left));
}

TEST_F(VmTemporary, TheLivingKeepTheirsAndSoIsWhatIsKept) {
    auto made = got(TemporaryDirectory::make(root_));
    sweep();
    EXPECT_TRUE(fs::exists(made.path()));
    const fs::path kept = made.keep();
    sweep();
    EXPECT_TRUE(fs::exists(kept));
    EXPECT_FALSE(fs::exists(kept / ".owner"));
}

TEST_F(VmTemporary, IsNotSweptWhileItIsMade) {
    std::atomic<bool> over = false;
    std::thread other([&] {
        while (!over)
            sweep();
    });
    unsigned lost = 0;
    for (int i = 0; i < 2000; ++i) {
        const auto made = TemporaryDirectory::make(root_);
        lost += !made || !fs::exists(made->path() / ".owner");
    }
    over = true;
    other.join();
    EXPECT_EQ(lost, 0U);
}

TEST_F(VmTemporary, LinksAndOtherNamesAreLeftAlone) {
    fs::rename(abandoned(root_), root_ / "elsewhere");
    fs::create_directory_symlink(root_ / "elsewhere", root_ / "dmarace-vm-link00");
    sweep();
    EXPECT_TRUE(fs::exists(root_ / "elsewhere"));
    EXPECT_TRUE(fs::is_symlink(root_ / "dmarace-vm-link00"));
}

TEST(VmRoot, DebugfsMakesParentsOnceAndReplacesFiles) {
    const Delivery delivery{{"/a/b/c", "/host/c"}, {"/a/b/d", "/host/d"}};
    EXPECT_EQ(debugfs_commands(delivery), "mkdir \"/a\"\nmkdir \"/a/b\"\n"
                                          "rm \"/a/b/c\"\nwrite \"/host/c\" \"/a/b/c\"\n"
                                          "rm \"/a/b/d\"\nwrite \"/host/d\" \"/a/b/d\"\n");
}

TEST(VmRoot, OnlyRealTroubleIsTrouble) {
    EXPECT_EQ(debugfs_trouble(
                  "debugfs 1.47.0 (5-Feb-2023)\nrm: File not found by ext2_lookup "
                  "while trying to resolve filename\next2fs_mkdir: Ext2 directory already exists "
                  "while creating directory \"usr\"\n"
                  "rdump: Operation not permitted while changing ownership of /x/run\n"),
              "");
    EXPECT_EQ(debugfs_trouble("debugfs 1.47.0 (5-Feb-2023)\nwrite: Could not allocate block\n"),
              "write: Could not allocate block");
}

TEST(VmRoot, AnImageGivesBackWhatWasPut) {
    test::FakeTree temporary;
    const fs::path dir = temporary.root();
    temporary.file("tree/etc/old", "old").file("tool", "new");
    ASSERT_EQ(::chmod((dir / "tool").c_str(), 0755), 0);
    const Image image(dir / "disk.img");
    ASSERT_TRUE(image.make(dir / "tree", 8, "label"));
    ASSERT_TRUE(image.replay());
    const Delivery delivery{{"/etc/old", dir / "tool"}, {"/usr/bin/deep/tool", dir / "tool"}};
    const auto put = image.put(delivery, dir);
    ASSERT_TRUE(put) << put.error().message;
    // Once more: what is there is replaced.
    ASSERT_TRUE(image.put(delivery, dir));
    for (const char* inside : {"/etc/old", "/usr/bin/deep/tool"}) {
        ASSERT_TRUE(image.take(inside, dir / "taken")) << inside;
        EXPECT_EQ(temporary.text("taken"), "new");
    }
    EXPECT_TRUE(refused(image.take("/none", dir / "taken"), "has no /none"));
}

// What a boot before has shown does not stand for what the disk has now.
TEST(VmRoot, ADataDiskThatLostItsJournalIsTold) {
    test::FakeTree temporary;
    const fs::path dir = temporary.root();
    temporary.dir("without").dir("out").dir("scratch").file("with/run/journal.jsonl", "kept");
    ASSERT_TRUE(Image(dir / "with.img").make(dir / "with", 8, "data"));
    ASSERT_TRUE(Image(dir / "without.img").make(dir / "without", 8, "data"));
    const auto collect = [&](const char* image) {
        Board board;
        board.data = DataDisk{"data", "/dev/vda", "8M"};
        fs::copy_file(dir / image, dir / "out" / kDataImage, fs::copy_options::overwrite_existing);
        return QemuBoard(board, dir / "out", dir / "scratch").collect({});
    };
    EXPECT_TRUE(collect("without.img"));
    const auto copied = collect("with.img");
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(temporary.text("out/journal.jsonl"), "kept");
    EXPECT_TRUE(refused(collect("without.img"), "lost the run's journal"));
}

} // namespace
