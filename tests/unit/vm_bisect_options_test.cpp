// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/bisect_options.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

BisectOptions parsed(const Arguments& words) {
    auto options = parse_bisect(words);
    if (!options || !*options) {
        ADD_FAILURE() << (options ? "help" : options.error().message);
        return {};
    }
    return **options;
}

TEST(VmBisectOptions, DefaultsAreThoseOfTheHelp) {
    const auto options = parsed({"--job", "late-probe"});
    EXPECT_EQ(options.board, "smmuv3-module");
    EXPECT_EQ(options.tree, ".");
    EXPECT_EQ(options.confidence, 0.99);
    EXPECT_EQ(options.failure_rate, 0);
    EXPECT_EQ(options.measure, 20U);
    EXPECT_EQ(options.max_trials, 1000U);
}

TEST(VmBisectOptions, WordsAfterTheDashesAreTheRuns) {
    EXPECT_THAT(parsed({"--job", "j", "--", "--set", "client=x"}).words,
                ElementsAre("--set", "client=x"));
}

TEST(VmBisectOptions, WhatCannotBeIsRefused) {
    for (const Arguments& words :
         {Arguments{}, Arguments{"--job", "j", "--confidence", "1"},
          Arguments{"--job", "j", "--confidence", "nan"},
          Arguments{"--job", "j", "--failure-rate", "2"}, Arguments{"--job", "j", "--measure", "0"},
          Arguments{"--job", "j", "--unknown"}}) {
        const auto options = parse_bisect(words);
        ASSERT_FALSE(options);
        EXPECT_EQ(options.error().fault, Fault::usage);
    }
    EXPECT_TRUE(parse_bisect({"--report"}));
}

TEST(VmBisectOptions, AnythingThatChangesTheAnswerChangesTheQuestion) {
    const auto question = question_of(parsed({"--job", "j"}));
    EXPECT_EQ(question, question_of(parsed({"--job", "j", "--confidence", "0.5", "--steps"})));
    for (const Arguments& more :
         {Arguments{"--board", "io"}, Arguments{"--variant", "kasan"},
          Arguments{"--append", "iommu.strict=0"}, Arguments{"--", "--set", "client=x"}}) {
        Arguments words{"--job", "j"};
        words.insert(words.end(), more.begin(), more.end());
        EXPECT_NE(question, question_of(parsed(words)));
    }
    const TemporaryTree tree;
    tree.write("j.toml", "one");
    const auto before = question_of(parsed({"--job", (tree / "j.toml").string()}));
    tree.write("j.toml", "two");
    EXPECT_NE(before, question_of(parsed({"--job", (tree / "j.toml").string()})));
}

// git takes every code from 1 to 127 but 125 for a bad kernel.
TEST(VmBisectOptions, NoMistakeHereIsABadKernel) {
    const TemporaryTree tree;
    EXPECT_GE(*bisect_command({"--unknown"}), 128);
    EXPECT_GE(*bisect_command({"--job", "j", "--tree", tree.path()}), 128);
}

} // namespace
