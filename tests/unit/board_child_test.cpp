// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/child.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <csignal>

namespace dmarace::board {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLong{10000};

void nothing() {}

TEST(Child, lines_go_both_ways_and_the_end_is_seen) {
    auto child = Child::start("test", nothing, [](Channel& channel) {
        const auto asked = channel.receive(kLong);
        if (!asked)
            return 1;
        return channel.send(Line{"answer", {{"to", asked->get("id")}}}) ? 7 : 1;
    });
    ASSERT_TRUE(child);
    ASSERT_TRUE(child->channel().send(Line{"ask", {{"id", "a b\"c"}}}));
    const auto answer = child->channel().receive(kLong);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->get("to"), "a b\"c");
    const auto status = child->wait(kLong);
    ASSERT_TRUE(status);
    EXPECT_EQ(WEXITSTATUS(*status), 7);
}

TEST(Child, receive_gives_up_at_its_limit) {
    auto child = Child::start("test", nothing,
                              [](Channel& channel) { return channel.receive(kLong) ? 0 : 1; });
    ASSERT_TRUE(child);
    EXPECT_FALSE(child->channel().receive(milliseconds(10)));
    EXPECT_FALSE(child->ended());
}

TEST(Child, a_killed_child_shows_the_signal) {
    auto child = Child::start("test", nothing,
                              [](Channel& channel) { return channel.receive(kLong) ? 0 : 1; });
    ASSERT_TRUE(child);
    child->kill(SIGKILL);
    const auto status = child->wait(kLong);
    ASSERT_TRUE(status);
    EXPECT_TRUE(WIFSIGNALED(*status));
}

TEST(Child, dropping_it_ends_it) {
    pid_t pid = 0;
    {
        auto child = Child::start("test", nothing,
                                  [](Channel& channel) { return channel.receive(kLong) ? 0 : 1; });
        ASSERT_TRUE(child);
        pid = child->pid();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
}

} // namespace
} // namespace dmarace::board
