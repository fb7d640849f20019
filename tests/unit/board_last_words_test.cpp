// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/last_words.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::board {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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
