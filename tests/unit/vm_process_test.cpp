// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/process/process.hpp"
#include "vm/watch/streams.hpp"
#include "vm_temporary.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>

namespace {

using namespace dmarace::vm;
using ::testing::HasSubstr;

TEST(VmProcess, OutputErrorsAndStatusAreToldApart) {
    const auto ran = run({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}});
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(ran->output, "out\n");
    EXPECT_EQ(ran->errors, "err\n");
    EXPECT_EQ(ran->status, 3);
}

TEST(VmProcess, WhatIsNotInstalledIsNamed) {
    const auto ran = run({.argv = {"no-such-program-here"}});
    ASSERT_FALSE(ran);
    EXPECT_THAT(ran.error().message, HasSubstr("no-such-program-here is not installed"));
}

TEST(VmProcess, AFailureBringsItsLastWords) {
    const auto ran =
        run_checked({.argv = {"sh", "-c", "echo first >&2; echo last >&2; exit 1"}}, "trying");
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().message, "trying: last");
}

TEST(VmProcess, EnvironmentAndDirectoryAreTheChilds) {
    const TemporaryTree tree;
    const auto ran = run({.argv = {"sh", "-c", "echo $WORD; pwd"},
                          .environment = {{"WORD", "x y"}},
                          .directory = tree.path()});
    ASSERT_TRUE(ran);
    EXPECT_EQ(ran->output, "x y\n" + tree.path().string() + "\n");
}

TEST(VmProcess, AChildDoesNotOutliveItsOwner) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    {
        auto child = start({.argv = {"sleep", "1000"}}, ends[1], ends[1]);
        ASSERT_TRUE(child) << child.error().message;
        EXPECT_FALSE(child->wait(10));
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // nobody holds the other end
    close(ends[0]);
}

TEST(VmProcess, AKilledChildTellsTheSignal) {
    auto child = start({.argv = {"sleep", "1000"}}, STDOUT_FILENO, STDERR_FILENO);
    ASSERT_TRUE(child);
    child->kill();
    EXPECT_EQ(child->wait(-1), 128 + SIGKILL);
}

TEST(VmStreams, AFollowerHandsOnWhatIsNew) {
    const TemporaryTree tree;
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_NONBLOCK), 0);
    Follower follower(tree / "log", ends[1]);
    EXPECT_FALSE(follower.poll()); // not there yet
    tree.write("log", "one");
    EXPECT_TRUE(follower.poll());
    EXPECT_FALSE(follower.poll());
    tree.write("log", "one two");
    EXPECT_TRUE(follower.poll());
    std::array<char, 32> text{};
    EXPECT_EQ(read(ends[0], text.data(), text.size()), 7);
    EXPECT_STREQ(text.data(), "one two");
    follower.writer_died();
    follower.writer_died(); // the line is whole by then
    text = {};
    EXPECT_EQ(read(ends[0], text.data(), text.size()), 11);
    EXPECT_STREQ(text.data(), " [cut off]\n");
    close(ends[0]);
    close(ends[1]);
}

} // namespace
