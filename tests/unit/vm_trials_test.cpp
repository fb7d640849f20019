// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/trials.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace {

using namespace dmarace::vm;

TEST(VmTrials, TheLowerBoundIsClopperAndPearsons) {
    // From their tables.
    EXPECT_NEAR(least_rate({20, 20}, 0.95), 0.8609, 1e-4);
    EXPECT_NEAR(least_rate({10, 20}, 0.95), 0.3020, 1e-4);
    EXPECT_NEAR(least_rate({1, 20}, 0.95), 0.00256, 1e-5);
    EXPECT_NEAR(least_rate({1, 1}, 0.95), 0.05, 1e-9);
    EXPECT_EQ(least_rate({0, 20}, 0.95), 0);
    EXPECT_EQ(least_rate({0, 0}, 0.95), 0);
}

TEST(VmTrials, TheBoundNeverExceedsWhatWasSeenAndGrowsWithTheTrials) {
    for (unsigned failures = 1; failures <= 40; ++failures) {
        const double few = least_rate({failures, 40}, 0.95);
        EXPECT_GT(few, 0);
        EXPECT_LT(few, failures / 40.0);
        EXPECT_LT(few, least_rate({10 * failures, 400}, 0.95));
        EXPECT_LT(least_rate({failures, 40}, 0.99), few);
    }
}

TEST(VmTrials, SoManyPassesMakeAGoodOne) {
    EXPECT_EQ(trials_for(0.99, 0.5), 7U); // 1 - 2^-7 = 0.992
    EXPECT_EQ(trials_for(0.99, 0.8609), 3U);
    EXPECT_EQ(trials_for(0.95, 0.05), 59U);
    EXPECT_EQ(trials_for(0.5, 0.99), 1U);
    EXPECT_EQ(trials_for(0.999999, 1), 1U);
    EXPECT_EQ(trials_for(0.99, 1e-300), std::numeric_limits<std::uint64_t>::max());
}

TEST(VmTrials, TheNumberIsEnoughAndOneLessIsNot) {
    for (const double rate : {0.9, 0.5, 0.1, 0.01, 0.001})
        for (const double confidence : {0.9, 0.99, 0.999}) {
            const auto trials = trials_for(confidence, rate);
            EXPECT_GE(confidence_of(trials, rate), confidence - 1e-12) << rate;
            if (trials > 1) {
                EXPECT_LT(confidence_of(trials - 1, rate), confidence) << rate;
            }
        }
}

TEST(VmTrials, PassesSayWhatTheySay) {
    EXPECT_EQ(confidence_of(0, 0.9), 0);
    EXPECT_DOUBLE_EQ(confidence_of(1, 0.25), 0.25);
    EXPECT_DOUBLE_EQ(confidence_of(5, 1), 1);
}

} // namespace
