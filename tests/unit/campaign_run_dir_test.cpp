// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/run_dir.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::HasSubstr;

TEST(RunDir, records_are_lines_and_survive_reopening) {
    const test::FakeTree tree;
    {
        auto dir = RunDir::open(tree.root() / "run", false);
        ASSERT_TRUE(dir);
        ASSERT_TRUE(dir->append("{\"t\":\"run\"}", true));
    }
    auto dir = RunDir::open(tree.root() / "run", true);
    ASSERT_TRUE(dir);
    EXPECT_EQ(dir->journal(), "{\"t\":\"run\"}\n");
}

TEST(RunDir, a_directory_with_a_run_is_not_overwritten) {
    const test::FakeTree tree;
    ASSERT_TRUE(RunDir::open(tree.root(), false));
    const auto again = RunDir::open(tree.root(), false);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().fault, Fault::usage);
    EXPECT_THAT(again.error().message, HasSubstr("--resume"));
}

TEST(RunDir, a_directory_in_use_is_left_alone) {
    const test::FakeTree tree;
    const auto first = RunDir::open(tree.root(), false);
    ASSERT_TRUE(first);
    const auto second = RunDir::open(tree.root(), true);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().fault, Fault::usage);
    EXPECT_THAT(second.error().message, HasSubstr("in use"));
}

TEST(RunDir, a_torn_last_line_is_cut_before_the_next_record) {
    test::FakeTree tree;
    tree.file("journal.jsonl", "{\"t\":\"run\"}\n{\"t\":\"verd");
    auto dir = RunDir::open(tree.root(), true);
    ASSERT_TRUE(dir);
    ASSERT_TRUE(dir->append("{\"t\":\"end\"}", true));
    EXPECT_EQ(tree.text("journal.jsonl"), "{\"t\":\"run\"}\n{\"t\":\"end\"}\n");
}

TEST(RunDir, a_file_is_replaced_whole) {
    const test::FakeTree tree;
    const auto dir = RunDir::open(tree.root(), false);
    ASSERT_TRUE(dir);
    ASSERT_TRUE(dir->replace("result.json", "long old text"));
    ASSERT_TRUE(dir->replace("result.json", "new"));
    EXPECT_EQ(tree.text("result.json"), "new");
    EXPECT_FALSE(std::filesystem::exists(tree.root() / "result.json.new"));
}

TEST(RunDir, a_place_that_cannot_be_written_is_told) {
    test::FakeTree tree;
    tree.file("plain");
    const auto dir = RunDir::open(tree.root() / "plain" / "run", false);
    ASSERT_FALSE(dir);
    EXPECT_EQ(dir.error().fault, Fault::environment);
}

} // namespace
} // namespace dmarace::campaign
