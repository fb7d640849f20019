// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"

#include <gtest/gtest.h>

namespace dmarace {

TEST(BaseText, Words) {
    EXPECT_EQ(in_quotes("a b"), "'a b'");
    EXPECT_EQ(joined({}, ", "), "");
    EXPECT_EQ(joined({"a", "", "b"}, ", "), "a, , b");
    EXPECT_EQ(first_line("one\ntwo\n"), "one");
    EXPECT_EQ(first_line("one"), "one");
}

TEST(BasePrintable, Escapes) {
    EXPECT_EQ(printable(""), "");
    EXPECT_EQ(printable("plain ~ text"), "plain ~ text");
    EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
    EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(printable("\x7f"), "\\x7f");
    EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
    EXPECT_EQ(printable("\u00e9\u20ac\U0001f600"), "\u00e9\u20ac\U0001f600");
    EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");          // C1: a terminal takes it as ESC [
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae"); // turns the writing round
    EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8"); // line separator
    EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");          // no UTF-8
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");          // overlong
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80"); // surrogate
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82"); // cut off
}

TEST(BasePrintable, IsWhatItMakes) {
    std::string all;
    for (int i = 0; i < 256; ++i)
        all += static_cast<char>(i);
    EXPECT_EQ(printable(printable(all)), printable(all));
}

} // namespace dmarace
