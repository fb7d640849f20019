// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/request.hpp"

#include <gtest/gtest.h>

namespace dmarace::run {
namespace {

TEST(RunRequest, is_of_run_alone) {
    EXPECT_FALSE(read_request({}));
    EXPECT_FALSE(read_request({"audit", "--resume"}));
    EXPECT_TRUE(read_request({"run", "x"}));
}

TEST(RunRequest, has_what_its_words_say) {
    const auto plain = read_request({"run", "x", "--resumed", "--outer"});
    ASSERT_TRUE(plain);
    EXPECT_FALSE(plain->out || plain->resume || plain->fresh);
    EXPECT_EQ(plain->shown, Shown::summary);
    const auto all =
        read_request({"run", "--out=d", "--resume", "--fresh", "risky", "x", "--ktap"});
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->out && all->resume && all->fresh);
    EXPECT_EQ(all->shown, Shown::ktap);
    EXPECT_EQ(read_request({"run", "x", "--json"})->shown, Shown::json);
}

TEST(RunRequest, follows_the_commands_exit_style) {
    EXPECT_EQ(read_request({"run", "x"})->exit_style, ExitStyle::plain);
    EXPECT_EQ(read_request({"run", "x", "--exit-style=bisect"})->exit_style, ExitStyle::bisect);
    EXPECT_EQ(read_request({"run", "x", "--exit-style", "ksft"})->exit_style, ExitStyle::ksft);
    EXPECT_FALSE(exit_style_from("odd"));
}

} // namespace
} // namespace dmarace::run
