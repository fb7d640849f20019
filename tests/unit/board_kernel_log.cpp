// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/kernel_log.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarace::board {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(KernelLog, reads_level_time_and_text) {
    const auto record = parse_kernel_record("4,1234,56789,-;late IOMMU probe\n");
    EXPECT_EQ(record.level, 4);
    EXPECT_EQ(record.ts, 56789U);
    EXPECT_EQ(record.text, "late IOMMU probe");
    EXPECT_EQ(record.device, "");
}

TEST(KernelLog, the_facility_is_not_the_level) {
    EXPECT_EQ(parse_kernel_record("14,1,2,-;x\n").level, 6);
}

TEST(KernelLog, a_device_of_a_bus_is_named) {
    const auto record = parse_kernel_record(
        "6,1,2,-;Adding to iommu group 1\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n");
    EXPECT_EQ(record.text, "Adding to iommu group 1");
    EXPECT_EQ(record.device, "pci/0000:00:02.0");
}

TEST(KernelLog, a_device_node_is_no_device_of_a_bus) {
    EXPECT_EQ(parse_kernel_record("6,1,2,-;x\n DEVICE=b8:0\n").device, "");
}

TEST(KernelLog, torn_records_do_no_harm) {
    for (const char* text : {"", ";", "4", "4,1", "4,1,2;", "\n DEVICE=", "4,1,2,-;x\n DEVICE=+"})
        EXPECT_EQ(parse_kernel_record(text).device, "") << text;
}

constexpr auto kMark = "run=r iter=2 begin";

TEST(LastWords, of_a_ramoops_record) {
    test::FakeTree tree;
    tree.file("sys/fs/pstore/dmesg-ramoops-0",
              "Panic#1 Part1\n<6>[ 1] dmarace: run=r iter=1 begin\n<6>[ 2] early\n"
              "<6>[ 3] dmarace: run=r iter=2 begin\n<4>[ 4] sysrq: crash\n<0>[ 5] panic\n");
    EXPECT_THAT(after_mark(last_words(tree.files()), kMark, 60),
                ElementsAre("<4>[ 4] sysrq: crash", "<0>[ 5] panic"));
}

TEST(LastWords, parts_are_put_together_oldest_first) {
    test::FakeTree tree;
    tree.file("sys/fs/pstore/dmesg-efi-1", "Oops#1 Part1\n<0>[ 5] end\n")
        .file("sys/fs/pstore/dmesg-efi-2", "Oops#1 Part2\n<4>[ 4] middle\n")
        .file("sys/fs/pstore/dmesg-efi-3", std::string("Oops#1 Part3\n<6>[ 3] dmarace: ") + kMark);
    EXPECT_THAT(after_mark(last_words(tree.files()), kMark, 60),
                ElementsAre("<4>[ 4] middle", "<0>[ 5] end"));
}

TEST(LastWords, of_the_archive_of_systemd_pstore) {
    test::FakeTree tree;
    tree.file("var/lib/systemd/pstore/1/0/dmesg.txt",
              std::string("[ 3] dmarace: ") + kMark + "\n[ 4] end\n");
    EXPECT_THAT(after_mark(last_words(tree.files()), kMark, 60), ElementsAre("[ 4] end"));
}

TEST(LastWords, of_another_run_are_nobodys) {
    test::FakeTree tree;
    tree.file("sys/fs/pstore/dmesg-ramoops-0", "dmarace: run=other iter=2 begin\nend\n");
    EXPECT_THAT(after_mark(last_words(tree.files()), kMark, 60), IsEmpty());
    EXPECT_THAT(after_mark({}, kMark, 60), IsEmpty());
}

TEST(LastWords, only_the_last_lines_are_kept) {
    EXPECT_THAT(after_mark({std::string(kMark) + "\na\nb\nc\n"}, kMark, 2), ElementsAre("b", "c"));
}

} // namespace
} // namespace dmarace::board
