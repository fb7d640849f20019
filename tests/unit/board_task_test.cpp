// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/task.hpp"
#include "fake_tree.hpp"

#include <gtest/gtest.h>

namespace dmarace::board {
namespace {

struct Case {
    const char* name;
    char state;
    const char* stack;
    bool on_lock;
};

constexpr Case kCases[] = {
    {"mutex", 'D', "[<0>] __mutex_lock.constprop.0+0x9c/0x7d0\n[<0>] iommu_probe_device+0x20",
     true},
    {"device lock through mutex_lock", 'D',
     "[<0>] mutex_lock+0x5c/0x70\n[<0>] device_driver_attach", true},
    {"rwsem", 'D', "[<0>] rwsem_down_write_slowpath+0x1a4/0x690", true},
    {"a lock whose own functions the kernel leaves out", 'D',
     "[<0>] of_iommu_configure+0x60/0x1e8\n[<0>] of_dma_configure_id+0x1b8", true},
    {"the same in a part that the compiler split off", 'D',
     "[<0>] __iommu_probe_device.part.0+0x60/0x1e8", true},
    {"a taker of a lock that is not where the task sleeps", 'D',
     "[<0>] blk_execute_rq+0x60\n[<0>] device_driver_attach+0x20", false},
    {"a release that the bus notifier has inlined", 'D',
     "[<0>] iommu_bus_notifier+0x54/0x178\n[<0>] notifier_call_chain+0xa4", true},
    {"another function with that beginning", 'D', "[<0>] device_attach_slowly+0x1", false},
    {"a lock inside a call that we detoured", 'D',
     "[<0>] iommu_group_store_type+0x1\n[<0>] dmarace_trampoline+0x0 [dmarace]", true},
    {"a hold of ours whose scheduler functions are left out", 'D',
     "[<0>] hold_wait+0x30 [dmarace]\n[<0>] iommu_probe_device+0x0", false},
    {"not asleep", 'R', "[<0>] __mutex_lock.constprop.0+0x9c/0x7d0", false},
    {"a driver that sleeps", 'D', "[<0>] msleep+0x30/0x50\n[<0>] e1000_probe+0x20", false},
    {"a hold of ours", 'D', "[<0>] dmarace_hold+0x30 [dmarace]\n[<0>] mutex_lock+0x5c", false},
    {"a lock far up the chain", 'D',
     "[<0>] a+0x1\n[<0>] b+0x1\n[<0>] c+0x1\n[<0>] d+0x1\n[<0>] e+0x1\n[<0>] f+0x1\n"
     "[<0>] mutex_lock+0x1",
     false},
    {"a name that only ends alike", 'D', "[<0>] my_mutex_lock+0x1", false},
    {"nothing readable", 'D', "", false},
};

TEST(TaskState, knows_a_sleeper_on_a_lock) {
    for (const auto& item : kCases) {
        TaskState state;
        state.state = item.state;
        state.stack = item.stack;
        EXPECT_EQ(state.on_lock(), item.on_lock) << item.name;
    }
}

TEST(TaskState, reads_proc_even_with_spaces_in_the_name) {
    test::FakeTree tree;
    tree.file("proc/7/stat", "7 (kworker/u4:1 (x) y) D 2 0 0\n")
        .file("proc/7/status", "Name:\tx\nvoluntary_ctxt_switches:\t41\n")
        .file("proc/7/stack", "[<0>] msleep+0x1\n");
    const auto state = task_state(tree.files(), 7);
    EXPECT_EQ(state.state, 'D');
    EXPECT_EQ(state.switches, 41U);
    EXPECT_EQ(state.stack, "[<0>] msleep+0x1");
}

TEST(TaskState, a_task_that_is_gone_is_unknown) {
    test::FakeTree tree;
    EXPECT_EQ(task_state(tree.files(), 7).state, '?');
}

} // namespace
} // namespace dmarace::board
