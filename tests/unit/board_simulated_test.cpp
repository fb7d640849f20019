// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/simulated.hpp"
#include "fake_tree.hpp"

#include <gtest/gtest.h>

namespace dmarace::board {
namespace {

constexpr const char* kWalk = "sys/devices/platform/dmarace-sim/walk";

TEST(Simulated, stays_where_buses_have_operations) {
    test::FakeTree tree;
    EXPECT_FALSE(Simulated(tree.files()).stays()); // not loaded
    tree.file(kWalk, "own-ops\n");
    EXPECT_FALSE(Simulated(tree.files()).stays());
    tree.file(kWalk, "bus-ops\n");
    EXPECT_TRUE(Simulated(tree.files()).stays());
}

} // namespace
} // namespace dmarace::board
