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

// When the power goes: so long after QEMU was started, or after so many
// iterations of this boot were told, whatever time they take.
struct Moment {
    bool in_boot = false;
    unsigned told = 0;
    std::chrono::milliseconds after{0};
};

class BoardProcess {
public:
    // run_dir: what the command gives as --out; log: both streams, made anew.
    BoardProcess(const std::vector<std::string>& command, std::filesystem::path run_dir,
                 const std::filesystem::path& log);
    ~BoardProcess();
    BoardProcess(const BoardProcess&) = delete;
    BoardProcess& operator=(const BoardProcess&) = delete;

    // Kills QEMU at that moment and waits for dmarace-vm. Whether the board had
    // come up by then.
    bool cut_power(const Moment& moment);
    // How long the last iteration took that was told before the cut, 0 if none was.
    std::chrono::milliseconds pace() const { return pace_; }
    // Whether QEMU was there to be killed.
    bool was_cut() const { return was_cut_; }
    // Waits for the end; dmarace-vm's exit code, -1 when a signal ended it.
    int wait();

private:
    pid_t qemu() const;
    bool is_up() const;
    void wait_for(const Moment& moment);
    bool over();

    std::filesystem::path run_dir_;
    pid_t pid_ = -1;
    int status_ = 0;
    bool over_ = false, was_cut_ = false;
    std::chrono::milliseconds pace_{0};
};

std::string read_file(const std::filesystem::path& path);

} // namespace dmarace::test
