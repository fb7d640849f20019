// SPDX-License-Identifier: GPL-2.0-or-later
// What an interrupted job left behind is put back, or told as a command.
#include "campaign/restore.hpp"
#include "fake_control.hpp"
#include "fake_tree.hpp"
#include "onlookers.hpp"

#include <gmock/gmock.h>

namespace dmarace::campaign {
namespace {

using test::NoInterrupts;
using test::Quiet;
using testing::Contains;
using testing::HasSubstr;

constexpr const char* kDevice = "pci/0000:00:02.0";
constexpr const char* kPath = "sys/devices/0000:00:02.0";

class RestoreTest : public testing::Test {
protected:
    test::FakeTree tree_;
    test::FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Quiet progress_;
    NoInterrupts quiet_;

    // The device as the job left it.
    void left(const std::string& driver, const std::string& driver_override) {
        tree_.device("pci", "0000:00:02.0", kPath, driver)
            .file(std::string(kPath) + "/driver_override", driver_override)
            .file("sys/bus/pci/drivers/e1000e/bind");
    }
    std::vector<std::string> put_back(const Snapshot& snapshot) {
        Machine machine{board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
        return restore(machine, progress_, quiet_, snapshot);
    }
};

TEST_F(RestoreTest, an_override_that_a_job_set_is_taken_away) {
    left("e1000e", "vfio-pci");
    Snapshot snapshot;
    snapshot.drivers[kDevice] = "e1000e";
    snapshot.overrides[kDevice] = "";
    put_back(snapshot);
    EXPECT_EQ(tree_.text(std::string(kPath) + "/driver_override"), "\nfio-pci");
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/bind"), "");
}

TEST_F(RestoreTest, a_device_bound_to_another_driver_is_unbound_first) {
    left("vfio-pci", "");
    Snapshot snapshot;
    snapshot.drivers[kDevice] = "e1000e";
    const auto commands = put_back(snapshot);
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/vfio-pci/unbind"), "0000:00:02.0");
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/bind"), "0000:00:02.0");
    // No kernel is here to bind it: the command that would is told.
    EXPECT_THAT(commands, Contains(HasSubstr("> /sys/bus/pci/drivers/e1000e/bind")));
}

TEST_F(RestoreTest, a_device_that_was_unbound_is_unbound_again) {
    left("e1000e", "");
    Snapshot snapshot;
    snapshot.drivers[kDevice] = "";
    const auto commands = put_back(snapshot);
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/unbind"), "0000:00:02.0");
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/bind"), "");
    EXPECT_THAT(commands, Contains(HasSubstr("/devices/0000:00:02.0/driver/unbind")));
}

TEST_F(RestoreTest, virtual_functions_are_made_again) {
    left("e1000e", "");
    tree_.file(std::string(kPath) + "/sriov_numvfs", "0");
    Snapshot snapshot;
    snapshot.functions[kDevice] = 4;
    EXPECT_TRUE(put_back(snapshot).empty());
    EXPECT_EQ(tree_.text(std::string(kPath) + "/sriov_numvfs"), "4");
}

TEST_F(RestoreTest, differences_are_told_without_a_write) {
    left("vfio-pci", "vfio-pci");
    Snapshot snapshot;
    snapshot.drivers[kDevice] = "e1000e";
    snapshot.overrides[kDevice] = "";
    const auto commands =
        differences(board::Devices(tree_.files().read_only()), board::Modules(), snapshot);
    EXPECT_EQ(commands.size(), 2U);
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/vfio-pci/unbind"), "");
}

TEST_F(RestoreTest, what_is_as_before_is_left_alone) {
    left("e1000e", "");
    Snapshot snapshot;
    snapshot.drivers[kDevice] = "e1000e";
    snapshot.overrides[kDevice] = "";
    EXPECT_TRUE(put_back(snapshot).empty());
    EXPECT_EQ(tree_.text("sys/bus/pci/drivers/e1000e/bind"), "");
}

TEST_F(RestoreTest, a_module_that_cannot_come_back_is_told) {
    left("e1000e", "");
    Snapshot snapshot;
    snapshot.modules = {{"no_such_module_here", true}};
    EXPECT_THAT(put_back(snapshot), Contains("modprobe no_such_module_here"));
}

} // namespace
} // namespace dmarace::campaign
