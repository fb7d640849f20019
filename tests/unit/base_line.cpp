// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/line.hpp"

#include <gtest/gtest.h>

namespace dmarace {
namespace {

TEST(Line, KeepsTheOrderOfItsWords) {
    const auto line = parse_line("hit seq=7 ts=12 rule=window dev=pci/0000:00:02.0");
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->verb, "hit");
    EXPECT_EQ(line->words.front().first, "seq");
    EXPECT_EQ(line->get("dev"), "pci/0000:00:02.0");
    EXPECT_EQ(line->number("ts"), 12);
    EXPECT_EQ(to_text(*line), "hit seq=7 ts=12 rule=window dev=pci/0000:00:02.0");
}

TEST(Line, AVerbAlone) {
    EXPECT_EQ(parse_line("lease")->verb, "lease");
    EXPECT_TRUE(parse_line("lease")->words.empty());
}

TEST(Line, QuotesWhatMustBeQuoted) {
    Line line{"reply", {}};
    line.add("ok", "0").add("reason", R"(no such point "a\b")").add("empty", "");
    EXPECT_EQ(to_text(line), R"(reply ok=0 reason="no such point \"a\\b\"" empty="")");
    EXPECT_EQ(*parse_line(to_text(line)), line);
}

TEST(Line, RoundTripsEveryPrintableByte) {
    std::string all;
    for (char c = ' '; c < 127; ++c)
        all += c;
    const Line line{"x", {{"all", all}}};
    EXPECT_EQ(parse_line(to_text(line))->get("all"), all);
}

TEST(Line, AMissingKeyIsNothing) {
    const auto line = parse_line("audit dev=pci/a owned=");
    ASSERT_TRUE(line);
    EXPECT_FALSE(line->find("group"));
    EXPECT_EQ(line->get("group"), "");
    EXPECT_EQ(line->find("owned"), "");
}

TEST(Line, Numbers) {
    const auto line = parse_line("x a=-22 b=0x1f c=12z d= e=0x f=+1 g=9223372036854775808");
    ASSERT_TRUE(line);
    EXPECT_EQ(line->number("a"), -22);
    EXPECT_EQ(line->number("b"), 31);
    for (const char* key : {"c", "d", "e", "f", "g", "h"})
        EXPECT_FALSE(line->number(key)) << key;
}

class BadLine : public testing::TestWithParam<const char*> {};

TEST_P(BadLine, IsRefused) {
    const auto line = parse_line(GetParam());
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().fault, Fault::environment);
    EXPECT_FALSE(line.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(All, BadLine,
                         testing::Values("", " hit", "a=b", "\"x\"", "hit a", "hit =b", "hit  a=b",
                                         "hit a=b ", "hit a=b a=c", "hit a=\"b", "hit a=\"b\"c=d",
                                         "hit a\"b=c", "hit a=\"b\\"));

} // namespace
} // namespace dmarace
