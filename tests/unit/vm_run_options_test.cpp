// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/run_options.hpp"
#include "vm/watch/campaign.hpp"

#include <gmock/gmock.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(const Arguments& arguments) {
    const auto options = parse_run(arguments);
    if (options)
        return "no error";
    EXPECT_EQ(options.error().fault, Fault::usage);
    return options.error().message;
}

TEST(VmRunOptions, WhatFollowsTheDashesIsDmaraces) {
    const auto options = parse_run(
        {"--board", "virtio-iommu", "--timeout", "90s", "--", "run", "x", "--board", "y"});
    ASSERT_TRUE(options && *options);
    EXPECT_EQ((*options)->board, "virtio-iommu");
    EXPECT_EQ((*options)->timeout, std::chrono::seconds(90));
    EXPECT_THAT((*options)->command, ElementsAre("run", "x", "--board", "y"));
}

TEST(VmRunOptions, ProgramsMayStandBesideTheProgram) {
    const auto options = parse_run({"--also", "a", "--also", "b", "--", "run", "x"});
    ASSERT_TRUE(options && *options);
    EXPECT_THAT((*options)->also, ElementsAre("a", "b"));
}

TEST(VmRunOptions, MistakesAreExplained) {
    EXPECT_THAT(error_of({}), HasSubstr("after \"--\""));
    EXPECT_THAT(error_of({"--bord", "x", "--", "audit"}), HasSubstr("--board"));
    EXPECT_THAT(error_of({"--kern", "x", "--", "audit"}), HasSubstr("--kern"));
    EXPECT_THAT(error_of({"run", "x"}), HasSubstr("\"--\""));
    EXPECT_THAT(error_of({"--", "run", "x", "--out", "d"}), HasSubstr("before"));
    EXPECT_THAT(error_of({"--", "run", "x", "--out=d"}), HasSubstr("before"));
    EXPECT_THAT(error_of({"--timeout", "90", "--", "audit"}), HasSubstr("--timeout"));
}

TEST(VmRunOptions, OnlyRunGetsTheSharedDirectory) {
    EXPECT_THAT(guest_command({"audit"}, "/run/out", false, true), ElementsAre("audit"));
    EXPECT_THAT(guest_command({"run", "x"}, "/run/out", false, false),
                ElementsAre("run", "--fresh=risky", "--out", "/run/out", "x"));
}

TEST(VmRunOptions, TheNumberOfBootsCanBeBounded) {
    EXPECT_EQ((*parse_run({"--", "run", "x"}))->boots, 0U);
    EXPECT_EQ((*parse_run({"--boots", "1", "--", "run", "x"}))->boots, 1U);
    EXPECT_THAT(guest_command({"run", "x"}, "/data/run", true, false),
                ElementsAre("run", "--resume", "--fresh=risky", "--out", "/data/run", "x"));
}

TEST(VmRunOptions, ARunThatGoesOnResumesOnce) {
    EXPECT_THAT(guest_command({"run", "x"}, "/run/out", true, false),
                ElementsAre("run", "--resume", "--fresh=risky", "--out", "/run/out", "x"));
    EXPECT_THAT(guest_command({"run", "x", "--resume"}, "/run/out", true, false),
                ElementsAre("run", "--fresh=risky", "--out", "/run/out", "x", "--resume"));
    EXPECT_THAT(guest_command({"audit"}, "/run/out", true, false), ElementsAre("audit"));
}

TEST(VmRunOptions, FreshIsForEveryJobUnlessTheCommandSaysWhen) {
    EXPECT_THAT(guest_command({"run", "x"}, "/run/out", false, true),
                ElementsAre("run", "--fresh=always", "--out", "/run/out", "x"));
    EXPECT_THAT(guest_command({"run", "x", "--fresh", "never"}, "/run/out", false, false),
                ElementsAre("run", "--out", "/run/out", "x", "--fresh", "never"));
    const auto options = parse_run({"--fresh", "--", "run", "x"});
    ASSERT_TRUE(options && *options);
    EXPECT_TRUE((*options)->fresh);
    EXPECT_FALSE((*parse_run({"--", "run", "x"}))->fresh);
}

TEST(VmRunOptions, TheCommandsExitStyleIsFollowed) {
    using report::ExitStyle;
    EXPECT_EQ(exit_style({"run", "x"}), ExitStyle::plain);
    EXPECT_EQ(exit_style({"run", "x", "--exit-style=bisect"}), ExitStyle::bisect);
    EXPECT_EQ(exit_style({"run", "x", "--exit-style", "ksft"}), ExitStyle::ksft);
}

} // namespace
