// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/blocked.hpp"

#include <gtest/gtest.h>

namespace dmarace::campaign {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

board::TaskState asleep_on(const char* stack, std::uint64_t switches) {
    board::TaskState state;
    state.state = 'D';
    state.switches = switches;
    state.stack = stack;
    return state;
}

const auto kLock = asleep_on("[<0>] __mutex_lock+0x1\n[<0>] iommu_probe_device+0x20", 5);
constexpr auto kLong = BlockedWatch::kBlockedFor;

TEST(BlockedWatch, tells_once_after_long_enough_on_one_lock) {
    BlockedWatch watch;
    const auto start = Clock::now();
    EXPECT_FALSE(watch.look(kLock, start));
    EXPECT_FALSE(watch.look(kLock, start + kLong / 2));
    EXPECT_TRUE(watch.look(kLock, start + kLong));
    EXPECT_FALSE(watch.look(kLock, start + 2 * kLong));
    EXPECT_NE(watch.stack().find("iommu_probe_device"), std::string::npos);
}

TEST(BlockedWatch, a_context_switch_between_two_looks_starts_anew) {
    BlockedWatch watch;
    const auto start = Clock::now();
    EXPECT_FALSE(watch.look(kLock, start));
    auto moved = kLock;
    moved.switches = 6;
    EXPECT_FALSE(watch.look(moved, start + kLong));
    EXPECT_TRUE(watch.look(moved, start + 2 * kLong));
}

TEST(BlockedWatch, running_in_between_starts_anew) {
    BlockedWatch watch;
    const auto start = Clock::now();
    EXPECT_FALSE(watch.look(kLock, start));
    EXPECT_FALSE(watch.look(board::TaskState{}, start + kLong / 2));
    EXPECT_FALSE(watch.look(kLock, start + kLong));
}

TEST(BlockedWatch, a_new_step_starts_anew) {
    BlockedWatch watch;
    const auto start = Clock::now();
    EXPECT_FALSE(watch.look(kLock, start));
    watch.forget();
    EXPECT_FALSE(watch.look(kLock, start + kLong));
    EXPECT_TRUE(watch.look(kLock, start + 2 * kLong));
}

} // namespace
} // namespace dmarace::campaign
