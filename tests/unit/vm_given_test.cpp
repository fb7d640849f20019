// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_tree.hpp"
#include "vm/commands/given.hpp"

#include <gmock/gmock.h>

namespace dmarace::vm {
namespace {

using testing::ElementsAre;

TEST(Given, a_job_file_of_the_host_gets_a_place_inside) {
    test::FakeTree tree;
    tree.file("mine.toml");
    const auto given = find_given({"run", (tree.root() / "mine.toml").string(), "-n", "2"});
    ASSERT_TRUE(given);
    EXPECT_THAT(given->command, ElementsAre("run", "/job/mine.toml", "-n", "2"));
    EXPECT_EQ(given->files.at("/job/mine.toml"), tree.root() / "mine.toml");
}

TEST(Given, library_names_and_files_that_are_not_here_stay_as_they_are) {
    const auto given = find_given({"run", "late-probe", "/usr/share/x.toml"});
    ASSERT_TRUE(given);
    EXPECT_THAT(given->command, ElementsAre("run", "late-probe", "/usr/share/x.toml"));
    EXPECT_TRUE(given->files.empty());
}

TEST(Given, two_files_of_one_name_are_refused) {
    test::FakeTree tree;
    tree.file("a/mine.toml").file("b/mine.toml");
    const auto given = find_given(
        {"lint", (tree.root() / "a/mine.toml").string(), (tree.root() / "b/mine.toml").string()});
    ASSERT_FALSE(given);
    EXPECT_EQ(given.error().fault, Fault::usage);
}

} // namespace
} // namespace dmarace::vm
