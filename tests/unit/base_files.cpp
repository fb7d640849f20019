// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/draw.hpp"
#include "base/files.hpp"
#include "base/process.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <sys/stat.h>

#include <array>
#include <cstdlib>

namespace dmarace {
namespace {

class BaseFiles : public ::testing::Test {
protected:
    test::FakeTree tree_;
    const std::filesystem::path dir_ = tree_.root();
};

TEST_F(BaseFiles, AReplacedFileIsTheOldOneOrTheNewOne) {
    ASSERT_TRUE(replace_file(dir_ / "a", "long old text"));
    ASSERT_TRUE(replace_file(dir_ / "a", "new", 0600));
    EXPECT_EQ(tree_.text("a"), "new");
    EXPECT_FALSE(std::filesystem::exists(dir_ / "a.new"));
    EXPECT_TRUE(refused(replace_file(dir_ / "not-there/a", "x"), "cannot write", "not-there/a"));
}

TEST_F(BaseFiles, WhatCannotBeReplacedLeavesNothing) {
    std::filesystem::create_directory(dir_ / "taken");
    EXPECT_FALSE(replace_file(dir_ / "taken", "x"));
    ASSERT_TRUE(write_text(dir_ / "target", "kept"));
    std::filesystem::create_symlink("target", dir_ / "link.new");
    EXPECT_FALSE(replace_file(dir_ / "link", "x"));
    EXPECT_EQ(tree_.text("target"), "kept");
}

TEST_F(BaseFiles, WholeLinesEndWithTheLastNewline) {
    EXPECT_EQ(whole_lines(""), 0U);
    EXPECT_EQ(whole_lines("torn"), 0U);
    EXPECT_EQ(whole_lines("one\ntorn"), 4U);
    EXPECT_EQ(whole_lines("one\n"), 4U);
}

// Recorded seeds have to give what they gave.
TEST(BaseDraw, StaysTheSameForever) {
    Draw draw(1);
    EXPECT_EQ(draw.next(), 0x910a2dec89025cc1U);
    EXPECT_EQ(draw.next(), 0xbeeb8da1658eec67U);
    EXPECT_EQ(Draw(1).below(0), 0U);
    EXPECT_LT(Draw(7).below(10), 10U);
}

TEST(BaseProcess, OutputErrorsAndStatusAreToldApart) {
    const auto ran = got(run_to_end({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}}));
    EXPECT_EQ(ran.output, "out\n");
    EXPECT_EQ(ran.errors, "err\n");
    EXPECT_EQ(ran.status, 3);
}

TEST(BaseProcess, NoFileTakesThePlaceOfAStandardDescriptor) {
    EXPECT_EXIT(
        {
            ::close(STDIN_FILENO);
            ::close(STDOUT_FILENO);
            keep_standard_descriptors();
            const bool above = ::open("/dev/null", O_WRONLY) > STDERR_FILENO;
            ::_exit(above && ::write(STDOUT_FILENO, "x", 1) == -1 && errno == EBADF ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "");
}

TEST(BaseProcess, WhatIsNotInstalledIsNamed) {
    EXPECT_TRUE(refused(run_to_end({.argv = {"no-such-program-here"}}),
                        "no-such-program-here is not installed"));
}

TEST(BaseProcess, AFailureBringsItsLastWords) {
    const auto ran =
        run_checked({.argv = {"sh", "-c", "echo first >&2; echo last >&2; exit 1"}}, "trying");
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().message, "trying: last");
}

TEST(BaseProcess, EnvironmentAndDirectoryAreTheChilds) {
    const auto tree = std::filesystem::canonical(std::filesystem::temp_directory_path());
    const auto ran = got(run_to_end({.argv = {"sh", "-c", "echo $WORD; pwd"},
                                     .environment = {{"WORD", "x y"}},
                                     .directory = tree}));
    EXPECT_EQ(ran.output, "x y\n" + tree.string() + "\n");
}

TEST(BaseProcess, AChildDoesNotOutliveItsOwner) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    {
        auto child = got(start_command({.argv = {"sleep", "1000"}}, ends[1], ends[1]));
        EXPECT_FALSE(child.wait(10));
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // nobody holds the other end
    close(ends[0]);
}

TEST(BaseProcess, AKilledChildTellsTheSignal) {
    auto child = got(start_command({.argv = {"sleep", "1000"}}, STDOUT_FILENO, STDERR_FILENO));
    child.kill();
    EXPECT_EQ(child.wait(-1), 128 + SIGKILL);
}

TEST(BaseProcess, WhatOutlivesUsStaysInOurGroup) {
    const auto group_of = [](bool outlives) {
        auto ran = run_to_end(
            {.argv = {"sh", "-c", "cut -d ' ' -f 5 /proc/self/stat"}, .outlives_us = outlives});
        return ran ? std::atoi(ran->output.c_str()) : -1;
    };
    EXPECT_EQ(group_of(true), getpgrp());
    EXPECT_NE(group_of(false), getpgrp());
}

TEST(BaseProcess, APathThatIsNotThereIsNamed) {
    const auto child = start_command({.argv = {"/no/such/program"}}, STDOUT_FILENO, STDERR_FILENO);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().message, "cannot start /no/such/program: No such file or directory");
}

} // namespace
} // namespace dmarace
