// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs one boot of a guest: starts QEMU, hands the program's output
// on while it runs, and stops a guest that is stuck.
#pragma once

#include "base/error.hpp"
#include "vm/watch/outcome.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

struct Watch {
    std::filesystem::path share;   // the directory the guest shares with us
    std::filesystem::path console; // appended to by QEMU
    std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
    std::chrono::seconds first_beat{300}; // how long a boot may take
    std::chrono::seconds beat{60};        // how long a guest may be silent
    int out = 1, err = 2;                 // where the program's output goes
    bool keeps_disk = false; // what it wrote there is whole once it has switched itself off
    std::map<std::string, std::string> files{}; // in the channel before the guest boots
};

// The channel between init and us, below the shared directory.
inline constexpr const char* kChannel = ".vm";

// Boots and waits for the end. SIGINT or SIGTERM is passed on to the program
// once; the second one ends QEMU. Fails only when QEMU cannot be started.
Result<Outcome> run_guest(const std::vector<std::string>& qemu, const Watch& watch);

} // namespace dmarace::vm
