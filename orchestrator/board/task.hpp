// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells where a task sleeps in the kernel, from /proc.
#pragma once

#include "board/files.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace dmarace::board {

struct TaskState {
    char state = '?';           // as /proc/PID/stat has it
    std::uint64_t switches = 0; // voluntary context switches
    std::string stack;          // one function a line, "" if it cannot be read

    // It sleeps in the kernel on a mutex, a rwsem or a device lock, and not in
    // a hold of ours.
    bool on_lock() const;
};

TaskState task_state(const Files& files, pid_t pid);

// Every task of the machine that sleeps and takes no signal (state D), as
// "comm[pid]" with its stack: who waits for what when something is stuck.
struct BlockedTask {
    std::string name;
    std::string stack;
};
std::vector<BlockedTask> blocked_tasks(const Files& files);

} // namespace dmarace::board
