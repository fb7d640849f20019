// SPDX-License-Identifier: GPL-2.0-or-later
// What a check tries on which board, in what order, and how long it goes on.
#include "check/choice.hpp"
#include "fake_machine.hpp"
#include "job/load.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace dmarace::check {
namespace {

using campaign::Survey;
using test::surveyed;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const std::string kNic = "pci/0000:00:02.0", kDisk = "pci/0000:00:03.0";

// Two clients that share nothing, on a root bus.
struct Scene {
    Survey survey;
    campaign::Wishes wishes;
    job::Inventory inventory;
    std::map<std::string, std::string> absent;

    Scene() {
        survey.devices = {surveyed("pci", "0000:00:02.0", "e1000e"),
                          surveyed("pci", "0000:00:03.0", "nvme")};
        int group = 1;
        for (auto& item : survey.devices) {
            item.device.path = "/sys/devices/pci0000:00/" + item.device.name;
            item.device.group = group;
            survey.groups.push_back({group, {item.device.full_name()}});
            job::Inventory::Group entry;
            entry.number = static_cast<unsigned>(group++);
            entry.type = "DMA";
            entry.devices.push_back({.name = item.device.full_name(), .driver = item.driver});
            inventory.groups.push_back(entry);
        }
        survey.no_iommu_module = "its driver is built in";
        survey.walk = survey.type_writable = true;
    }
    Scene& modular() {
        survey.iommu_module = "virtio_iommu";
        survey.walk = false;
        return *this;
    }
    ChosenTries choice() const { return got(choose({survey, wishes, inventory, absent})); }
    std::vector<std::string> jobs() const {
        std::vector<std::string> out;
        for (const auto& what : choice().tries)
            out.push_back(what.job + (what.device.empty() ? "" : " " + what.device));
        return out;
    }
    std::string why_not(const std::string& what) const {
        const auto untried = choice().untried;
        const auto found = std::ranges::find(untried, what, &Untried::what);
        return found == untried.end() ? "" : found->why;
    }
};

TEST(CheckChoice, BuiltInTakesTheWalkInPlaceOfInserting) {
    const Scene scene;
    EXPECT_THAT(scene.jobs(),
                ElementsAre("order-rebind", "order-walk", "late-domain-on-demand " + kNic,
                            "type-pairs", "late-domain-on-demand " + kDisk));
    EXPECT_THAT(scene.why_not("instance-lookup"), HasSubstr("its driver is built in"));
}

TEST(CheckChoice, AModuleIsInsertedInBothOrdersAndUnderEachClient) {
    EXPECT_THAT(Scene().modular().jobs(),
                ElementsAre("instance-lookup " + kNic, "late-probe " + kNic, "order-rebind",
                            "order-client-first", "order-iommu-first", "late-domain " + kNic,
                            "acpi-skip " + kNic, "type-pairs", "instance-lookup " + kDisk,
                            "late-probe " + kDisk, "late-domain " + kDisk, "acpi-skip " + kDisk));
}

TEST(CheckChoice, WhatTheGuardRefusesIsNamedAndLeftAlone) {
    Scene scene;
    scene.survey.devices[1].guard = "mounted at /";
    EXPECT_THAT(scene.modular().jobs(), Not(Contains(HasSubstr(kDisk))));
    EXPECT_THAT(scene.why_not(kDisk), HasSubstr("will not be touched: mounted at /"));
    EXPECT_THAT(scene.why_not("instance-lookup"), HasSubstr("'remove behind' would remove"));
    scene.wishes.i_know = {kDisk};
    EXPECT_THAT(scene.jobs(), Contains("instance-lookup " + kDisk));
}

TEST(CheckChoice, AKernelThatProbesTwiceIsSparedTheWalkIntoABind) {
    Scene scene;
    scene.absent["iommu_deinit_device"] = "no such symbol";
    EXPECT_THAT(scene.jobs(), ElementsAre("order-rebind", "order-walk", "type-pairs"));
    EXPECT_THAT(scene.why_not("late-domain-on-demand"), HasSubstr("double-probe"));
}

TEST(CheckChoice, AMissingPointIsToldAndNotTried) {
    Scene scene;
    scene.absent["of_iommu_configure"] = "inlined";
    EXPECT_THAT(scene.modular().jobs(), Not(Contains(HasSubstr("late-probe"))));
    EXPECT_THAT(scene.why_not("late-probe"),
                HasSubstr("does not have the point of_iommu_configure: inlined"));
}

TEST(CheckChoice, AClientBehindAPortIsNotTakenAway) {
    Scene scene;
    scene.survey.devices[0].device.path = "/sys/devices/pci0000:00/0000:00:01.0/0000:00:02.0";
    EXPECT_THAT(scene.jobs(), Not(Contains("late-domain-on-demand " + kNic)));
    EXPECT_THAT(scene.jobs(), Contains("late-domain-on-demand " + kDisk));
    scene.survey.devices.pop_back();
    EXPECT_THAT(scene.why_not("late-domain-on-demand"), HasSubstr("behind a port"));
}

TEST(CheckChoice, AClientIsTakenAwayOnlyWhereItsDriverIsItsOwn) {
    Scene scene;
    scene.survey.devices[0].driver_module = "nvme";
    EXPECT_THAT(scene.jobs(), Not(Contains(HasSubstr("late-domain-on-demand"))));
    scene.survey.devices[0].driver_module = "";
    EXPECT_THAT(scene.jobs(), Not(Contains("late-domain-on-demand " + kNic)));
    EXPECT_THAT(scene.jobs(), Contains("late-domain-on-demand " + kDisk));
}

TEST(CheckChoice, AllClientsAreThoseThatAreBound) {
    Scene scene;
    const auto all = [&] { return scene.choice().tries.front(); };
    EXPECT_EQ(all().list, "clients");
    EXPECT_EQ(all().clients, kNic + "," + kDisk);
    scene.survey.devices[1].device.driver = "";
    EXPECT_EQ(all().clients, kNic);
    scene.survey.devices[0].device.driver = "";
    EXPECT_EQ(all().clients, "") << "then the job chooses";
}

TEST(CheckChoice, ABoardWithoutClientsHasNothingToTry) {
    Scene scene;
    for (auto& item : scene.survey.devices)
        item.behind_iommu = false;
    scene.inventory.groups.clear();
    EXPECT_THAT(scene.jobs(), testing::IsEmpty());
}

job::Job library(const std::string& name) { return *got(job::check_job(name)).job; }

TEST(JobHere, SaysWithWhichOptionsOrWhyNot) {
    Scene scene;
    const Choosing board{scene.survey, scene.wishes, scene.inventory, scene.absent};
    EXPECT_TRUE(job_here(library("type-pairs"), board).here);
    EXPECT_EQ(job_here(library("double-probe"), board).options, "--unsafe");
    EXPECT_FALSE(job_here(library("late-probe"), board).here);
    EXPECT_THAT(job_here(library("late-probe"), board).why, HasSubstr("built in"));
    scene.modular();
    EXPECT_EQ(job_here(library("boot-late-probe"), board).options, "--reboot");
    for (auto& item : scene.survey.devices)
        item.driver_module.clear();
    EXPECT_TRUE(job_here(library("late-probe"), board).here);
}

TEST(JobHere, ItsKernelsAreTheFirstSentenceOfTheFile) {
    EXPECT_EQ(kernels_of("# x\n#\n# Kernels: 6.5 to\n# 7.3. Before: no.\n\nname = 1\n"),
              "6.5 to 7.3");
    EXPECT_EQ(kernels_of("# x\n"), "");
    for (const auto& name : job::library_jobs())
        EXPECT_NE(kernels_of(got(job::check_job(name)).text), "") << name;
}

TEST(JobHere, AnIommuThatNoBoardHadIsNamed) {
    Scene scene;
    EXPECT_EQ(never_booted(scene.survey), "");
    scene.survey.devices[0].iommu_names = {"smmu3.0x0000000009050000", "arm-smmu-v3"};
    EXPECT_EQ(never_booted(scene.survey), "");
    scene.survey.devices[1].iommu_names = {"15000000.iommu", "arm-smmu", "arm_smmu"};
    EXPECT_EQ(never_booted(scene.survey), "arm-smmu");
}

TEST(TimeBudget, BeginsNothingThatWouldNotEndInTime) {
    TimeBudget budget(60s);
    EXPECT_EQ(budget.cut(), 50s);
    EXPECT_TRUE(budget.allows("late-probe", 42s));
    EXPECT_FALSE(budget.allows("late-probe", 43s)) << "nobody knows how long it takes";
    budget.took("late-probe", 3s);
    EXPECT_TRUE(budget.allows("late-probe", 46s));
    budget.took("late-probe", 20s);
    budget.took("late-probe", 3s);
    EXPECT_FALSE(budget.allows("late-probe", 31s)) << "the longest counts";
}

TEST(TimeBudget, AShortOneIsUsedAsFarAsItGoes) {
    TimeBudget budget(8s);
    EXPECT_EQ(budget.cut(), 6s);
    EXPECT_TRUE(budget.allows("late-probe", 4s));
    EXPECT_FALSE(budget.allows("late-probe", 5s));
}

} // namespace
} // namespace dmarace::check
