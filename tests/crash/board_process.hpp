// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs one boot of a virtual board (dmarace-vm in a process of its
// own) and can cut its power: SIGKILL for QEMU.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::test {

class BoardProcess {
public:
    // run_dir: what the command gives as --out; log: both streams, made anew.
    BoardProcess(const std::vector<std::string>& command, std::filesystem::path run_dir,
                 const std::filesystem::path& log);
    ~BoardProcess();
    BoardProcess(const BoardProcess&) = delete;
    BoardProcess& operator=(const BoardProcess&) = delete;

    // Kills QEMU so long after it was started, or else after its program was, and
    // waits for dmarace-vm. Whether the program had been started by then.
    bool cut_power(bool while_booting, std::chrono::milliseconds after);
    // Whether QEMU was there to be killed.
    bool was_cut() const { return was_cut_; }
    // Waits for the end; dmarace-vm's exit code, -1 when a signal ended it.
    int wait();

private:
    pid_t qemu() const;
    bool is_up() const;
    bool over();

    std::filesystem::path run_dir_;
    pid_t pid_ = -1;
    int status_ = 0;
    bool over_ = false, was_cut_ = false;
};

std::string read_file(const std::filesystem::path& path);

} // namespace dmarace::test
