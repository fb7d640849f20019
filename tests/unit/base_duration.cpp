// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"

#include <gtest/gtest.h>

namespace dmarace {
namespace {

using namespace std::chrono_literals;

struct Good {
    const char* text;
    Nanoseconds value;
};

class GoodDuration : public testing::TestWithParam<Good> {};

TEST_P(GoodDuration, Parses) {
    const auto parsed = parse_duration(GetParam().text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, GetParam().value);
}

INSTANTIATE_TEST_SUITE_P(Units, GoodDuration,
                         testing::Values(Good{"10ns", 10ns}, Good{"30us", 30us},
                                         Good{"250ms", 250ms}, Good{"2s", 2s}, Good{"5m", 5min},
                                         Good{"1h", 1h}, Good{"0s", 0s},
                                         Good{"9223372036s", 9223372036s}));

class BadDuration : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BadDuration, SaysWhy) {
    const auto parsed = parse_duration(GetParam().first);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().fault, Fault::usage);
    EXPECT_NE(parsed.error().message.find(GetParam().second), std::string::npos)
        << parsed.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Slips, BadDuration,
    testing::Values(std::pair{"", "no duration"}, std::pair{"s", "no duration"},
                    std::pair{"-1s", "no duration"}, std::pair{" 1s", "no duration"},
                    std::pair{"2", "no unit"}, std::pair{"2sec", "unknown unit 'sec'"},
                    std::pair{"2 s", "unknown unit ' s'"}, std::pair{"1.5s", "unknown unit '.5s'"},
                    std::pair{"2S", "unknown unit 'S'"}, std::pair{"9223372037s", "too long"},
                    std::pair{"99999999999999999999s", "no duration"}));

TEST(DurationRange, TakesOneOrTwo) {
    EXPECT_EQ(*parse_duration_range("5ms"), (DurationRange{5ms, 5ms}));
    EXPECT_EQ(*parse_duration_range("0ms..20ms"), (DurationRange{0ms, 20ms}));
    EXPECT_EQ(*parse_duration_range("1us..1s"), (DurationRange{1us, 1s}));
}

TEST(DurationRange, RefusesOthers) {
    for (const char* text :
         {"", "..", "1ms..", "..1ms", "20ms..1ms", "1..20ms", "1ms...20ms", "1ms-2ms"})
        EXPECT_FALSE(parse_duration_range(text)) << text;
    EXPECT_NE(parse_duration_range("20ms..1ms").error().message.find("ends before it begins"),
              std::string::npos);
}

TEST(DurationText, IsShortestAndParsesBack) {
    EXPECT_EQ(to_text(Nanoseconds(2s)), "2s");
    EXPECT_EQ(to_text(Nanoseconds(1500ms)), "1500ms");
    EXPECT_EQ(to_text(Nanoseconds(60s)), "1m");
    EXPECT_EQ(to_text(Nanoseconds(0)), "0s");
    for (const Nanoseconds time : {1ns, Nanoseconds(999us), Nanoseconds(61s), Nanoseconds(25h)})
        EXPECT_EQ(*parse_duration(to_text(time)), time);
}

} // namespace
} // namespace dmarace
