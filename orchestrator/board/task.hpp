// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells where a task sleeps in the kernel, from /proc.
#pragma once

#include "board/files.hpp"

#include <sys/types.h>

#include <string>

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

} // namespace dmarace::board
