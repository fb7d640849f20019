// SPDX-License-Identifier: GPL-2.0-or-later
// What a run changes is written down, and restored or told as a command.
#include "campaign/restore.hpp"
#include "fake_machine.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Snapshot, comes_back_from_its_words) {
    Snapshot snapshot;
    snapshot.modules = {{"virtio_iommu", true}, {"nvme", false}};
    snapshot.overrides = {{"pci/0000:00:02.0", ""}, {"pci/0000:00:03.0", "vfio-pci"}};
    snapshot.autoprobe = {{"pci", false}, {"platform", true}};
    snapshot.drivers = {{"pci/0000:00:02.0", ""}, {"platform/9000000.uart", "a driver's name"}};
    snapshot.group_type = {{"pci/0000:00:02.0", "DMA-FQ"}};
    snapshot.functions = {{"pci/0000:00:03.0", 7}};
    EXPECT_EQ(got(from_words(to_words(snapshot))), snapshot);
}

TEST(Snapshot, words_of_a_newer_writer_are_refused) {
    for (const std::string line : {"colour pci/0000:00:02.0 red", "module nvme perhaps", "type", "",
                                   "autoprobe pci maybe"}) {
        EXPECT_TRUE(refused(from_words(std::vector{line}), "'" + line + "'")) << line;
    }
}

TEST(Snapshot, sees_modules_that_the_plan_names_and_devices_that_are_unbound) {
    test::FakeTree tree;
    tree.device("pci", "0000:00:02.0", "sys/devices/0000:00:02.0")
        .file("sys/devices/0000:00:02.0/sriov_numvfs", "2");
    Survey survey;
    survey.iommu_module = "no_such_iommu";
    survey.devices = {test::surveyed("pci", "0000:00:02.0")};
    survey.devices[0].driver_module = "no_such_driver";
    survey.devices[0].virtual_functions = 7;
    job::Plan plan;
    plan.reset = {{job::Verb::insmod, {"no_such_module"}, "", {}, {}}};
    const auto snapshot =
        take_snapshot(board::Devices(tree.files()), board::Modules(), survey, plan);
    EXPECT_THAT(snapshot.modules, ElementsAre(Snapshot::Module{"no_such_iommu", false},
                                              Snapshot::Module{"no_such_driver", false},
                                              Snapshot::Module{"no_such_module", false},
                                              Snapshot::Module{"dmarace_sim", false}));
    EXPECT_EQ(snapshot.drivers.at("pci/0000:00:02.0"), "");
    EXPECT_EQ(snapshot.functions.at("pci/0000:00:02.0"), 2U);
}

TEST(Snapshot, a_device_that_waits_for_a_supplier_may_bind_and_stay_bound) {
    test::FakeTree tree;
    tree.device("pci", "0000:00:02.0", "sys/devices/0000:00:02.0")
        .file("sys/kernel/debug/devices_deferred", "0000:00:02.0\tpci: wait for supplier x\n");
    Survey survey;
    survey.devices = {test::surveyed("pci", "0000:00:02.0")};
    EXPECT_THAT(take_snapshot(board::Devices(tree.files()), board::Modules(), survey, {}).drivers,
                IsEmpty());
}

TEST(Snapshot, a_run_that_goes_on_keeps_what_it_first_found) {
    Snapshot first, now;
    first.autoprobe["pci"] = true;
    now.autoprobe["pci"] = false;
    run::Run run;
    EXPECT_EQ(as_before(run, "boot-1", now), now);
    run.before = run::Before{"boot-1", to_words(first)};
    EXPECT_EQ(as_before(run, "boot-1", now), first);
    // A boot has restored it.
    EXPECT_EQ(as_before(run, "boot-2", now), now);
}

TEST(Pending, remembers_a_run_until_it_is_restored) {
    const test::FakeTree tree;
    const Pending pending(tree.root() / "run/pending");
    EXPECT_THAT(pending.all(), IsEmpty());
    ASSERT_TRUE(pending.add(tree.root() / "a"));
    ASSERT_TRUE(pending.add(tree.root() / "b"));
    ASSERT_TRUE(pending.add(tree.root() / "b"));
    EXPECT_THAT(pending.all(), ElementsAre(tree.root() / "a", tree.root() / "b"));
    pending.remove(tree.root() / "a");
    EXPECT_THAT(pending.all(), ElementsAre(tree.root() / "b"));
}

TEST(Pending, a_place_that_cannot_be_made_is_told) {
    test::FakeTree tree;
    tree.file("plain");
    EXPECT_TRUE(refused(Pending(tree.root() / "plain" / "pending").add(tree.root() / "a"),
                        "plain/pending"));
}

constexpr const char* kDevice = "pci/0000:00:02.0";
const std::string kPath = "sys/devices/0000:00:02.0";
constexpr const char* kBind = "sys/bus/pci/drivers/e1000e/bind";

class RestoreTest : public testing::Test, protected test::FakeMachine {
protected:
    // The device as the job left it.
    void left(const std::string& driver, const std::string& driver_override = "") {
        tree_.device("pci", "0000:00:02.0", kPath, driver)
            .file(kPath + "/driver_override", driver_override)
            .file(kBind);
    }
    // What it was before.
    static Snapshot was(const std::string& driver) {
        Snapshot out;
        out.drivers[kDevice] = driver;
        out.overrides[kDevice] = "";
        return out;
    }
    std::vector<std::string> restore_all(const Snapshot& snapshot) {
        auto here = machine();
        here.modules = modules();
        return restore(here, progress_, quiet_, snapshot);
    }
    // Of a tree with an index, which has none of this machine's.
    board::Modules modules() {
        tree_.file("modules/modules.dep.bin");
        return board::Modules((tree_.root() / "modules").string());
    }
};

TEST_F(RestoreTest, an_override_that_a_job_set_is_taken_away) {
    left("e1000e", "vfio-pci");
    restore_all(was("e1000e"));
    EXPECT_EQ(tree_.text(kPath + "/driver_override"), "\nfio-pci");
    EXPECT_EQ(tree_.text(kBind), "");
}

TEST_F(RestoreTest, a_device_bound_to_another_driver_is_unbound_first) {
    left("vfio-pci");
    const auto commands = restore_all(was("e1000e"));
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/vfio-pci/unbind"), "0000:00:02.0");
    EXPECT_EQ(tree_.text(kBind), "0000:00:02.0");
    // No kernel is here to bind it: the command that would is told.
    EXPECT_THAT(commands, Contains(HasSubstr("> /sys/bus/pci/drivers/e1000e/bind")));
}

TEST_F(RestoreTest, a_device_that_was_unbound_is_unbound_again) {
    left("e1000e");
    const auto commands = restore_all(was(""));
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/unbind"), "0000:00:02.0");
    EXPECT_EQ(tree_.text(kBind), "");
    EXPECT_THAT(commands, Contains(HasSubstr("/devices/0000:00:02.0/driver/unbind")));
}

TEST_F(RestoreTest, virtual_functions_are_made_again) {
    left("e1000e");
    tree_.file(kPath + "/sriov_numvfs", "0");
    Snapshot snapshot;
    snapshot.functions[kDevice] = 4;
    EXPECT_TRUE(restore_all(snapshot).empty());
    EXPECT_EQ(tree_.text(kPath + "/sriov_numvfs"), "4");
}

TEST_F(RestoreTest, differences_are_told_without_a_write) {
    left("vfio-pci", "vfio-pci");
    const auto commands =
        differences(board::Devices(tree_.files().read_only()), board::Modules(), was("e1000e"));
    EXPECT_EQ(commands.size(), 2U);
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/vfio-pci/unbind"), "");
}

TEST_F(RestoreTest, what_is_as_before_is_left_alone_and_a_module_that_cannot_come_back_is_told) {
    left("e1000e");
    EXPECT_TRUE(restore_all(was("e1000e")).empty());
    EXPECT_EQ(tree_.text(kBind), "");
    Snapshot snapshot;
    snapshot.modules = {{"no_such_module_here", true}};
    EXPECT_THAT(restore_all(snapshot), Contains("modprobe no_such_module_here"));
}

// Every kernel has a /sys/module/printk, which no index lists, and no module of that name to
// remove.
TEST_F(RestoreTest, a_module_that_came_with_the_run_goes_and_one_that_was_there_stays) {
    ASSERT_TRUE(modules().loaded("printk"));
    Snapshot snapshot;
    snapshot.modules = {{"printk", false}};
    EXPECT_THAT(restore_all(snapshot), Contains("modprobe -r printk"));
    EXPECT_THAT(progress_.done, Contains("restore: rmmod printk"));
    progress_.done.clear();
    snapshot.modules = {{"printk", true}};
    EXPECT_TRUE(restore_all(snapshot).empty());
    EXPECT_THAT(progress_.done, ElementsAre("restore"));
}

// It is in use as long as the clients are there that it found.
TEST_F(RestoreTest, an_iommu_that_came_with_the_run_goes_with_its_clients) {
    tree_.file("sys/class/iommu/x/device/uevent")
        .file("sys/bus/virtio/drivers/x/uevent")
        .file("sys/module/printk/uevent")
        .link("sys/class/iommu/x/device/driver", "sys/bus/virtio/drivers/x")
        .link("sys/bus/virtio/drivers/x/module", "sys/module/printk");
    Snapshot snapshot;
    snapshot.modules = {{"printk", false}};
    restore_all(snapshot);
    EXPECT_THAT(progress_.done,
                ElementsAre("restore", "restore: remove behind printk", "restore: rmmod printk",
                            "restore: rescan pci", "restore: settle"));
    progress_.done.clear();
    snapshot.drivers["pci/0000:00:09.0"] = "nvme";
    restore_all(snapshot);
    EXPECT_THAT(progress_.done, Not(Contains("restore: remove behind printk")))
        << "somebody stands on it";
}

} // namespace
} // namespace dmarace::campaign
