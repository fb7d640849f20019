// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/qemu.hpp"
#include "vm/image/root.hpp"
#include "vm/kernels/debian.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(VmRoot, PackagesAreOneALine) {
    EXPECT_THAT(read_list("# why\nsystemd\n\nudev\n"), ElementsAre("systemd", "udev"));
}

TEST(VmRoot, DebugfsMakesParentsOnceAndReplacesFiles) {
    const Delivery delivery{{{"/a/b/c", "/host/c"}, {"/a/b/d", "/host/d"}}, {{"/a/l", "b/c"}}};
    EXPECT_EQ(debugfs_commands(delivery), "mkdir \"/a\"\nmkdir \"/a/b\"\n"
                                          "rm \"/a/b/c\"\nwrite \"/host/c\" \"/a/b/c\"\n"
                                          "rm \"/a/b/d\"\nwrite \"/host/d\" \"/a/b/d\"\n"
                                          "rm \"/a/l\"\nsymlink \"/a/l\" \"b/c\"\n");
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
    const TemporaryTree temporary;
    const fs::path dir = temporary.path();
    fs::create_directories(dir / "tree/etc");
    ASSERT_TRUE(write_text(dir / "tree/etc/old", "old"));
    ASSERT_TRUE(write_text(dir / "tool", "new"));
    ASSERT_EQ(::chmod((dir / "tool").c_str(), 0755), 0);
    const Image image(dir / "disk.img");
    ASSERT_TRUE(image.make(dir / "tree", 8, "label"));
    ASSERT_TRUE(image.replay());
    const Delivery delivery{{{"/etc/old", dir / "tool"}, {"/usr/bin/deep/tool", dir / "tool"}}, {}};
    const auto put = image.put(delivery, dir);
    ASSERT_TRUE(put) << put.error().message;
    // Once more: what is there is replaced.
    ASSERT_TRUE(image.put(delivery, dir));
    for (const char* inside : {"/etc/old", "/usr/bin/deep/tool"}) {
        ASSERT_TRUE(image.take(inside, dir / "taken")) << inside;
        EXPECT_EQ(read_text(dir / "taken").value_or(""), "new");
    }
    const auto missing = image.take("/none", dir / "taken");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("has no /none"));
}

// What a boot before has shown does not stand for what the disk has now.
TEST(VmRoot, ADataDiskThatLostItsJournalIsTold) {
    const TemporaryTree temporary;
    const fs::path dir = temporary.path();
    for (const char* made : {"with/run", "without", "out", "scratch"})
        fs::create_directories(dir / made);
    ASSERT_TRUE(write_text(dir / "with/run/journal.jsonl", "kept"));
    ASSERT_TRUE(Image(dir / "with.img").make(dir / "with", 8, "data"));
    ASSERT_TRUE(Image(dir / "without.img").make(dir / "without", 8, "data"));
    const auto collect = [&](const char* image) {
        Board board;
        board.data = DataDisk{"data", "/dev/vda", "8M"};
        fs::copy_file(dir / image, dir / "out" / kDataImage, fs::copy_options::overwrite_existing);
        return QemuBoard(board, false, dir / "out", dir / "scratch").collect({});
    };
    EXPECT_TRUE(collect("without.img"));
    const auto copied = collect("with.img");
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(read_text(dir / "out/journal.jsonl").value_or(""), "kept");
    const auto lost = collect("without.img");
    ASSERT_FALSE(lost);
    EXPECT_THAT(lost.error().message, HasSubstr("lost the run's journal"));
}

} // namespace
