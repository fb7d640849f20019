// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own test (tests/kmod) on booted kernels.
#include "cells.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Module : public testing::TestWithParam<vm::Cell> {};

TEST_P(Module, passes_its_own_test_and_the_kernel_says_nothing) {
    Guest guest;
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"all"}, "tests/kmod/kmod_selftest"),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 1 - "));
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Module, testing::ValuesIn(cells_of("module")));

int end_dmarace_in(Guest& guest, const char* kernel, const char* phase) {
    return guest.run(
        "smmuv3", kernel,
        {"/usr/bin/dmarace", DMARACE_TEST_DIR "/test-hold.toml", "pci/0000:00:02.0", phase},
        "tests/kmod/killed_run", {"orchestrator/commands/dmarace"});
}

void expect_quiet(const Guest& guest) {
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

TEST(DeadMan, a_killed_or_stalled_dmarace_holds_nobody_and_can_be_put_back) {
    Guest guest;
    EXPECT_EQ(end_dmarace_in(guest, "debian:6.12", "hold"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 1 - SIGKILL in hold"));
    EXPECT_THAT(guest.output(), HasSubstr("ok 2 - SIGSTOP in hold"));
    EXPECT_THAT(guest.output(), HasSubstr(": put back"));
    EXPECT_THAT(guest.output(), HasSubstr("no run of this boot has left anything"));
    expect_quiet(guest);
}

TEST(DeadMan, in_every_phase_of_an_iteration) {
    Guest guest;
    EXPECT_EQ(end_dmarace_in(guest, "debian:7", "all"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 16 - SIGSTOP in restore"));
    expect_quiet(guest);
}

} // namespace
} // namespace dmarace::test
