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
using testing::HasSubstr;

const Host kGood{"6.12.1", "aarch64", "6.12.1"};

DoctorCheck find(const std::vector<DoctorCheck>& checks, const std::string& name) {
    const auto it = std::ranges::find(checks, name, &DoctorCheck::name);
    return it == checks.end() ? DoctorCheck{} : *it;
}

// A kernel on which everything goes.
FakeTree& fill(FakeTree& tree) {
    return tree.file("proc/kallsyms", "ffff0000 T register_kprobe\n")
        .dir("sys/kernel/iommu_groups")
        .file("sys/kernel/security/lsm", "lockdown")
        .file("sys/kernel/security/lockdown", "[none] integrity confidentiality");
}

DoctorCheck check(const FakeTree& tree, const Host& host, const std::string& name) {
    return find(commands::machine_checks(tree.files(), host), name);
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
    const auto told = check(fill(tree), {"6.12.1", "armv7l", "6.12.1"}, "kernel");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.found, HasSubstr("armv7l"));
    EXPECT_THAT(told.found, HasSubstr("arm64 and x86-64 only"));
    EXPECT_THAT(told.remedy, HasSubstr("64-bit"));
}

TEST(DoctorChecks, AKernelWithoutKprobes) {
    FakeTree tree;
    const auto told =
        check(fill(tree).file("proc/kallsyms", "ffff0000 T printk\n"), kGood, "kprobes");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.remedy, HasSubstr("CONFIG_KPROBES"));
}

TEST(DoctorChecks, AKernelWithoutTheIommuApi) {
    FakeTree tree;
    const auto told =
        check(tree.file("proc/kallsyms", "0 T register_kprobe\n"), kGood, "IOMMU API");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.remedy, HasSubstr("CONFIG_IOMMU_API"));
}

TEST(DoctorChecks, Lockdown) {
    FakeTree tree;
    fill(tree).file("sys/kernel/security/lockdown", "none [integrity] confidentiality");
    const auto told = check(tree, kGood, "lockdown");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.remedy, HasSubstr("lockdown=none"));
    FakeTree unknown;
    EXPECT_EQ(check(unknown, kGood, "lockdown").state, "note");
}

TEST(DoctorChecks, AModuleForAnotherKernelAndNone) {
    FakeTree tree;
    auto told = check(fill(tree), {"6.12.1", "aarch64", "7.3.4"}, "dmarace.ko");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.found, HasSubstr("another kernel, 7.3.4"));
    EXPECT_THAT(told.remedy, HasSubstr("make -C /lib/modules/6.12.1/build"));
    told = check(tree, {"6.12.1", "aarch64", ""}, "dmarace.ko");
    EXPECT_EQ(told.state, "stop");
    EXPECT_THAT(told.remedy, HasSubstr("headers"));
}

} // namespace
} // namespace dmarace::test
