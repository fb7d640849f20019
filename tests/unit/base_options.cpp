// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/options.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

po::options_description options() {
    po::options_description out;
    out.add_options()("kernel,k", po::value<std::string>(), "")("quiet", po::bool_switch(), "")(
        "set", po::value<std::vector<std::string>>(), "");
    return out;
}

TEST(BaseOptions, OptionsAndWordsAreToldApart) {
    const auto read =
        parse_words({"a", "--set", "x", "-k", "6.12", "b", "--quiet", "--set=y"}, options());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_THAT(read->words, ElementsAre("a", "b"));
    EXPECT_EQ(read->text("kernel"), "6.12");
    EXPECT_TRUE(read->flag("quiet"));
    EXPECT_THAT(read->texts("set"), ElementsAre("x", "y"));
    EXPECT_FALSE(parse_words({}, options())->has("kernel"));
    EXPECT_EQ(parse_words({}, options())->text("kernel"), "");
}

TEST(BaseOptions, WhatIsWrongIsSaidInTheProgramsWords) {
    const auto message = [](std::vector<std::string> words, const OptionMessages& messages = {}) {
        const auto read = parse_words(words, options(), messages);
        return read ? "" : read.error().message;
    };
    EXPECT_EQ(message({"--kernle", "x"}), "no option --kernle; did you mean '--kernel'?");
    EXPECT_THAT(message({"--kern", "x"}), HasSubstr("no option --kern")); // nothing is guessed
    EXPECT_THAT(message({"--kernel"}), HasSubstr("kernel"));
    const OptionMessages strict{.before = "unknown '", .after = "'", .no_words = "too many words"};
    EXPECT_EQ(message({"--quite"}, strict), "unknown '--quite'; did you mean '--quiet'?");
    EXPECT_EQ(message({"a"}, strict), "too many words");
}

} // namespace
