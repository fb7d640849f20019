// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/nearest.hpp"

#include <gtest/gtest.h>

namespace dmarace {
namespace {

TEST(EditDistance, CountsLetters) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("wait", "wait"), 0U);
    EXPECT_EQ(edit_distance("wait", "wiat"), 1U) << "neighbours swapped";
    EXPECT_EQ(edit_distance("bind", "unbind"), 2U);
    EXPECT_EQ(edit_distance("DMA-fq", "dma-FQ"), 0U) << "letter case";
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(EditDistance, IsSymmetric) {
    for (const auto& [a, b] :
         {std::pair{"point", "pont"}, std::pair{"wait_for", "waitfor"}, std::pair{"ca", "abc"}})
        EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a;
}

TEST(Nearest, FindsTheSlip) {
    const std::vector<std::string> words{"insmod", "rmmod", "bind", "unbind", "probe"};
    EXPECT_EQ(nearest("insmode", words), "insmod");
    EXPECT_EQ(nearest("bidn", words), "bind");
    EXPECT_EQ(nearest("PROBE", words), "probe");
    EXPECT_EQ(nearest("modprobe", words), "probe");
}

TEST(Nearest, KeepsQuietWhenNothingIsClose) {
    EXPECT_EQ(nearest("banana", {"insmod", "rmmod"}), "");
    EXPECT_EQ(nearest("", {"a", "b"}), "");
    EXPECT_EQ(nearest("x", {"a", "b"}), "") << "another letter is no slip";
    EXPECT_EQ(nearest("bind", {}), "");
    EXPECT_EQ(nearest(std::string(100000, 'a'), {"a"}), "") << "and takes no time";
}

TEST(Nearest, TheFirstOfEquallyCloseWins) {
    EXPECT_EQ(nearest("bond", {"bind", "band"}), "bind");
    EXPECT_EQ(nearest("of", {"on", "off"}), "off") << "but it begins like the word";
}

TEST(DidYouMean, EndsAMessage) {
    EXPECT_EQ(did_you_mean("pont", {"point"}), "; did you mean 'point'?");
    EXPECT_EQ(did_you_mean("banana", {"point"}), "");
}

} // namespace
} // namespace dmarace
