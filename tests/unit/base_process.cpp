// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace {

using namespace dmarace;
using ::testing::HasSubstr;

TEST(BaseProcess, OutputErrorsAndStatusAreToldApart) {
    const auto ran = run_to_end({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(ran->output, "out\n");
    EXPECT_EQ(ran->errors, "err\n");
    EXPECT_EQ(ran->status, 3);
}

TEST(BaseProcess, WhatIsNotInstalledIsNamed) {
    const auto ran = run_to_end({.argv = {"no-such-program-here"}});
    ASSERT_FALSE(ran);
    EXPECT_THAT(ran.error().message, HasSubstr("no-such-program-here is not installed"));
}

TEST(BaseProcess, AFailureBringsItsLastWords) {
    const auto ran =
        run_checked({.argv = {"sh", "-c", "echo first >&2; echo last >&2; exit 1"}}, "trying");
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().message, "trying: last");
}

TEST(BaseProcess, EnvironmentAndDirectoryAreTheChilds) {
    const auto tree = std::filesystem::canonical(std::filesystem::temp_directory_path());
    const auto ran = run_to_end({.argv = {"sh", "-c", "echo $WORD; pwd"},
                                 .environment = {{"WORD", "x y"}},
                                 .directory = tree});
    ASSERT_TRUE(ran);
    EXPECT_EQ(ran->output, "x y\n" + tree.string() + "\n");
}

TEST(BaseProcess, AChildDoesNotOutliveItsOwner) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    {
        auto child = start_command({.argv = {"sleep", "1000"}}, ends[1], ends[1]);
        ASSERT_TRUE(child) << child.error().message;
        EXPECT_FALSE(child->wait(10));
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // nobody holds the other end
    close(ends[0]);
}

TEST(BaseProcess, AKilledChildTellsTheSignal) {
    auto child = start_command({.argv = {"sleep", "1000"}}, STDOUT_FILENO, STDERR_FILENO);
    ASSERT_TRUE(child);
    child->kill();
    EXPECT_EQ(child->wait(-1), 128 + SIGKILL);
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
