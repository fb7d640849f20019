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

class KernelParser : public testing::TestWithParam<const char*> {};

TEST_P(KernelParser, takes_or_refuses_any_bytes) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), {"1", "20000"}, "tests/guest/kernel_parser"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 3 - "));
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelParser,
                         testing::Values("debian:6.1", "debian:6.12", "debian:7"));

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
    EXPECT_THAT(guest.output(), HasSubstr("ok 3 - OOM in hold"));
    EXPECT_THAT(guest.output(), HasSubstr(": restored"));
    EXPECT_THAT(guest.output(), HasSubstr("no run of this boot has left anything"));
    expect_quiet(guest);
}

class EveryPhase : public testing::TestWithParam<const char*> {};

TEST_P(EveryPhase, of_an_iteration_can_be_the_last) {
    Guest guest;
    EXPECT_EQ(end_dmarace_in(guest, GetParam(), "all"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 24 - OOM in restore"));
    expect_quiet(guest);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryPhase,
                         testing::Values("debian:6.1", "debian:6.12", "debian:7"));

} // namespace
} // namespace dmarace::test
