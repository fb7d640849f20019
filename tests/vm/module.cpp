// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own test (tests/kmod) on booted kernels.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Module : public testing::TestWithParam<const char*> {};

TEST_P(Module, passes_its_own_test_and_the_kernel_says_nothing) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), {"all"}, "tests/kmod/kmod_selftest"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 1 - "));
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Module, testing::Values("debian:6.1", "debian:6.12", "debian:7"));

TEST(KilledRun, leaves_nothing_held_and_can_be_put_back) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12",
                        {"/usr/bin/dmarace", DMARACE_TEST_DIR "/test-hold.toml"},
                        "tests/kmod/killed_run", {"orchestrator/commands/dmarace"}),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("after SIGKILL"));
    EXPECT_THAT(guest.output(), HasSubstr(": put back"));
    EXPECT_THAT(guest.output(), HasSubstr("no run of this boot has left anything"));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

} // namespace
} // namespace dmarace::test
