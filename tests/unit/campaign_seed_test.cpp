// SPDX-License-Identifier: GPL-2.0-or-later
// The same --seed gives the same delays, and no two iterations the same ones.
#include "campaign/iteration.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"

#include <gtest/gtest.h>

#include <set>

namespace dmarace::campaign {
namespace {

using test::Quiet;

// The seeds that the module was armed with in iterations 1 to 'count'.
std::vector<std::string> armed_with(std::uint64_t seed, unsigned count) {
    test::FakeTree tree;
    test::FakeControl control;
    auto log = board::KernelLog::none();
    Machine machine{board::Devices(tree.files()), board::Modules(), log, control, {}};
    Quiet progress;
    IterationOptions options;
    options.seed = seed;
    for (options.number = 1; options.number <= count; ++options.number)
        EXPECT_TRUE(arm(machine, progress, {}, options));
    std::vector<std::string> out;
    for (const auto& line : control.requests())
        if (line.verb == "arm")
            out.push_back(line.get("seed"));
    return out;
}

TEST(Seed, EveryIterationIsArmedWithOneOfItsOwn) {
    const auto seeds = armed_with(1, 4);
    EXPECT_EQ(seeds.size(), 4U);
    EXPECT_EQ(std::set(seeds.begin(), seeds.end()).size(), 4U);
}

TEST(Seed, TheSameSeedArmsWithTheSameSeedsAgain) {
    EXPECT_EQ(armed_with(7, 2), armed_with(7, 2));
    EXPECT_NE(armed_with(7, 2), armed_with(8, 2));
}

TEST(Seed, NeighboursAreFarApart) {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed)
        for (unsigned iteration = 1; iteration <= 1000; ++iteration)
            seen.insert(seed_of(seed, iteration));
    EXPECT_EQ(seen.size(), 100'000U);
    EXPECT_LT(*seen.rbegin(), std::uint64_t{1} << 63);
    EXPECT_EQ(seed_of(1, 1), 0x488516f644812e60U)
        << "a journal's seed would no longer repeat its run";
}

} // namespace
} // namespace dmarace::campaign
