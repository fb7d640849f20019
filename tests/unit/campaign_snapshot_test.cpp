// SPDX-License-Identifier: GPL-2.0-or-later
// What a run changes is written down so that somebody else can put it back.
#include "campaign/pending.hpp"
#include "campaign/snapshot.hpp"
#include "fake_tree.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Snapshot, comes_back_from_its_words) {
    Snapshot snapshot;
    snapshot.modules = {{"virtio_iommu", true}, {"nvme", false}};
    snapshot.overrides = {{"pci/0000:00:02.0", ""}, {"pci/0000:00:03.0", "vfio-pci"}};
    snapshot.autoprobe = {{"pci", false}, {"platform", true}};
    snapshot.drivers = {{"pci/0000:00:02.0", ""}, {"platform/9000000.uart", "a driver's name"}};
    snapshot.group_type = {{"pci/0000:00:02.0", "DMA-FQ"}};
    snapshot.functions = {{"pci/0000:00:03.0", 7}};
    const auto words = to_words(snapshot);
    const auto back = from_words(words);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, snapshot);
}

TEST(Snapshot, words_of_a_newer_writer_are_refused) {
    for (const std::string line : {"colour pci/0000:00:02.0 red", "module nvme perhaps", "type", "",
                                   "autoprobe pci maybe"}) {
        const auto back = from_words(std::vector{line});
        ASSERT_FALSE(back) << line;
        EXPECT_THAT(back.error().message, HasSubstr("'" + line + "'"));
    }
}

TEST(Snapshot, sees_modules_that_the_plan_names_and_devices_that_are_unbound) {
    test::FakeTree tree;
    tree.device("pci", "0000:00:02.0", "sys/devices/0000:00:02.0")
        .file("sys/devices/0000:00:02.0/sriov_numvfs", "2");
    Survey survey;
    survey.iommu_module = "no_such_iommu";
    SurveyedDevice item;
    item.device.bus = "pci";
    item.device.name = "0000:00:02.0";
    item.behind_iommu = true;
    item.driver_module = "no_such_driver";
    item.virtual_functions = 7;
    survey.devices = {item};
    job::Plan plan;
    job::Step insmod;
    insmod.verb = job::Verb::insmod;
    insmod.args = {"no_such_module"};
    plan.reset = {insmod};
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
    SurveyedDevice item;
    item.device.bus = "pci";
    item.device.name = "0000:00:02.0";
    item.behind_iommu = true;
    survey.devices = {item};
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
    // A boot has put it back.
    EXPECT_EQ(as_before(run, "boot-2", now), now);
}

TEST(Pending, remembers_a_run_until_it_is_put_back) {
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
    const auto added = Pending(tree.root() / "plain" / "pending").add(tree.root() / "a");
    ASSERT_FALSE(added);
    EXPECT_THAT(added.error().message, HasSubstr("plain/pending"));
}

} // namespace
} // namespace dmarace::campaign
