// SPDX-License-Identifier: GPL-2.0-or-later
// What stops dmarace on a machine is told with its reason and its remedy.
#include "commands/machine.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace dmarace::test {
namespace {

using commands::DoctorCheck;
using commands::Host;
using testing::AllOf;
using testing::HasSubstr;

const Host kGood{"6.12.1", "aarch64", "6.12.1"};

// A kernel on which everything goes.
FakeTree& fill(FakeTree& tree) {
    return tree.file("proc/kallsyms", "ffff0000 T register_kprobe\n")
        .dir("sys/kernel/iommu_groups")
        .file("sys/kernel/security/lsm", "lockdown")
        .file("sys/kernel/security/lockdown", "[none] integrity confidentiality");
}

DoctorCheck check(const FakeTree& tree, const Host& host, const std::string& name) {
    const auto checks = commands::machine_checks(tree.files(), host);
    const auto it = std::ranges::find(checks, name, &DoctorCheck::name);
    return it == checks.end() ? DoctorCheck{} : *it;
}

DoctorCheck stop(const FakeTree& tree, const Host& host, const std::string& name) {
    auto told = check(tree, host, name);
    EXPECT_EQ(told.state, "stop");
    return told;
}

TEST(DoctorChecks, NothingStopsAGoodKernel) {
    FakeTree tree;
    for (const auto& one : commands::machine_checks(fill(tree).files(), kGood)) {
        if (one.name == "root")
            continue;
        EXPECT_NE(one.state, "stop") << one.name << ": " << one.found;
    }
}

TEST(DoctorChecks, A32BitArmKernel) {
    FakeTree tree;
    const auto told = stop(fill(tree), {"6.12.1", "armv7l", "6.12.1"}, "kernel");
    EXPECT_THAT(told.found, AllOf(HasSubstr("armv7l"), HasSubstr("arm64 and x86-64 only")));
    EXPECT_THAT(told.remedy, HasSubstr("64-bit"));
}

TEST(DoctorChecks, AKernelWithoutWhatIsNeeded) {
    FakeTree tree, without_api;
    fill(tree).file("proc/kallsyms", "ffff0000 T printk\n");
    without_api.file("proc/kallsyms", "0 T register_kprobe\n");
    EXPECT_THAT(stop(tree, kGood, "kprobes").remedy, HasSubstr("CONFIG_KPROBES"));
    EXPECT_THAT(stop(without_api, kGood, "IOMMU API").remedy, HasSubstr("CONFIG_IOMMU_API"));
}

TEST(DoctorChecks, Lockdown) {
    FakeTree tree;
    fill(tree).file("sys/kernel/security/lockdown", "none [integrity] confidentiality");
    EXPECT_THAT(stop(tree, kGood, "lockdown").remedy, HasSubstr("lockdown=none"));
    EXPECT_EQ(check(FakeTree(), kGood, "lockdown").state, "note") << "nobody knows";
}

TEST(DoctorChecks, AModuleForAnotherKernelAndNone) {
    FakeTree tree;
    const auto told = stop(fill(tree), {"6.12.1", "aarch64", "7.3.4"}, "dmarace.ko");
    EXPECT_THAT(told.found, HasSubstr("another kernel, 7.3.4"));
    EXPECT_THAT(told.remedy, HasSubstr("make -C /lib/modules/6.12.1/build"));
    EXPECT_THAT(stop(tree, {"6.12.1", "aarch64", ""}, "dmarace.ko").remedy, HasSubstr("headers"));
}

TEST(Printed, AnOutputThatIsNotTakenIsAnErrorThatIsToldOnce) {
    testing::internal::CaptureStderr();
    std::cout.setstate(std::ios::badbit);
    EXPECT_EQ(commands::print("a"), kExitEnvironment);
    EXPECT_EQ(commands::print("b"), kExitEnvironment);
    std::cout.clear();
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "dmarace: cannot write to standard output\n");
}

} // namespace
} // namespace dmarace::test
