// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/streams.hpp"
#include "vm_temporary.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

namespace {

using namespace dmarace::vm;

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
