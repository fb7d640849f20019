// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel module on booted kernels: its own test (tests/kmod), and what Kbuild found
// in each, which is what the comment before each part of kmod/kernel_has.c says of that version.
#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

#include <regex>
#include <set>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Module : public testing::TestWithParam<vm::MatrixCell> {};

TEST_P(Module, passes_its_own_test_and_the_kernel_says_nothing) {
    Guest guest;
    EXPECT_EQ(guest.run(GetParam().board, GetParam().kernel, {"all"}, "tests/kmod/kmod_selftest"),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 1 - "));
    expect_well(guest);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Module, testing::ValuesIn(cells_of("module")));

class KernelParser : public testing::TestWithParam<const char*> {};

TEST_P(KernelParser, takes_or_refuses_any_bytes) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", GetParam(), {"parser"}, "tests/kmod/kmod_selftest"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 3 - "));
    expect_well(guest);
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelParser,
                         testing::Values("debian:6.1", "debian:6.12", "debian:7"));

int end_dmarace_in(Guest& guest, const char* kernel, const char* phase) {
    return guest.run("smmuv3", kernel,
                     {"/usr/bin/dmarace", guest.job("test-hold"), "pci/0000:00:02.0", phase},
                     "tests/kmod/killed_run", kDmarace);
}

TEST(DeadMan, a_killed_or_stalled_dmarace_holds_nobody_and_can_be_put_back) {
    Guest guest;
    EXPECT_EQ(end_dmarace_in(guest, "debian:6.12", "hold"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 1 - SIGKILL in hold"));
    EXPECT_THAT(guest.output(), HasSubstr("ok 2 - SIGSTOP in hold"));
    EXPECT_THAT(guest.output(), HasSubstr("ok 3 - OOM in hold"));
    EXPECT_THAT(guest.output(), HasSubstr(": restored"));
    EXPECT_THAT(guest.output(), HasSubstr("no run of this boot has left anything"));
    expect_well(guest);
}

class EveryPhase : public testing::TestWithParam<const char*> {};

TEST_P(EveryPhase, of_an_iteration_can_be_the_last) {
    Guest guest;
    EXPECT_EQ(end_dmarace_in(guest, GetParam(), "all"), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok 24 - OOM in restore"));
    expect_well(guest);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryPhase,
                         testing::Values("debian:6.1", "debian:6.12", "debian:7"));

using Version = std::pair<int, int>;

// Every version that matches, in order.
std::vector<Version> versions_in(const std::string& text, const char* pattern) {
    std::vector<Version> out;
    const std::regex version(pattern);
    for (std::sregex_iterator at(text.begin(), text.end(), version), end; at != end; ++at)
        out.emplace_back(std::stoi((*at)[1]), std::stoi((*at)[2]));
    return out;
}

// "Since .. (in vA)", "Up to vB: .. (in vA)", "From .. (in vA) to vB", "Every kernel".
bool said_of(const std::string& line, Version kernel) {
    const auto in = versions_in(line, R"(\(in v(\d+)\.(\d+)\))");
    const auto to = versions_in(line, R"(to v(\d+)\.(\d+))");
    if (line.starts_with("// Every kernel"))
        return true;
    if (in.size() != 1)
        throw std::runtime_error("no single version in: " + line);
    if (line.starts_with("// Up to"))
        return kernel < in.front();
    return kernel >= in.front() && (to.empty() || kernel <= to.front());
}

// Of each word, the comment before its line.
std::set<std::string> said(Version kernel) {
    std::set<std::string> out;
    const auto file = read_text(DMARACE_SOURCE_DIR "/kmod/kernel_has.c").value_or("");
    std::string before;
    const std::regex word(R"(#if defined\(TRY_(\w+)\))");
    std::smatch found;
    for (const std::string& line : split(file, '\n')) {
        if (std::regex_match(line, found, word) && said_of(before, kernel))
            out.insert(found[1]);
        before = line;
    }
    return out;
}

// What module says of itself: a line "NAME=VALUE" among its zero-ended ones.
std::string modinfo(const std::string& module, const std::string& name) {
    const auto at = module.find(std::string(1, '\0') + name + "=");
    return at == std::string::npos ? "" : module.c_str() + at + name.size() + 2;
}

std::set<std::string> found(const std::string& module) {
    const auto words = split(modinfo(module, "has"), ',');
    return {words.begin(), words.end()};
}

class KernelProbes : public testing::TestWithParam<const char*> {};

TEST_P(KernelProbes, find_what_their_first_line_says) {
    const auto built =
        run_checked({{DMARACE_VM_PROGRAM, "build", "--kernel", GetParam()}}, "dmarace-vm build");
    ASSERT_TRUE(built) << built.error().message;
    const auto module = read_text(first_line(*built)).value_or("");
    const auto version = versions_in(modinfo(module, "vermagic"), R"(^(\d+)\.(\d+))");
    ASSERT_EQ(version.size(), 1U);
    EXPECT_EQ(found(module), said(version.front()));
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelProbes,
                         testing::Values("debian:5.10", "debian:6.1", "debian:6.12", "debian:7"));

} // namespace
} // namespace dmarace::test
