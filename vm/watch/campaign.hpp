// SPDX-License-Identifier: GPL-2.0-or-later
// This file boots a board until its command has ended: again after each
// iteration that took the guest with it.
#pragma once

#include "report/report.hpp"
#include "vm/board/board.hpp"
#include "vm/image/initramfs.hpp"
#include "vm/qemu/accel.hpp"
#include "vm/watch/guest.hpp"
#include "vm/watch/resume.hpp"

namespace dmarace::vm {

struct Setup {
    Contents contents;
    const Board* board = nullptr;     // not owned
    std::vector<std::string> command; // of dmarace, as the user wrote it
    std::map<std::string, std::string> environment;
    std::filesystem::path out;     // shared with the guest
    std::filesystem::path scratch; // of ours, for initramfs files; has the root disk, if any
    std::string append;            // more kernel arguments
    bool fresh = false;            // a boot for every iteration
    unsigned most_boots = 0;       // 0: as many as it takes
    Accel accel;
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct BootRecord {
    Outcome outcome;
    double seconds = 0;
    std::optional<unsigned> lost_iteration; // the iteration it took with it
};

struct Course {
    std::vector<BootRecord> boots;
    int exit = 3;
    std::string why; // one line for the user when the command did not end by itself
};

Result<Course> run_campaign(const Setup& setup);

// The exit code that fits a verdict, by the command's own --exit-style. Pure.
report::ExitStyle exit_style(const std::vector<std::string>& command);

} // namespace dmarace::vm
