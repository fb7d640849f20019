// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the command line of `dmarace-vm run`. Pure but for --help.
#pragma once

#include "vm/commands/commands.hpp"

#include <chrono>
#include <optional>

namespace dmarace::vm {

struct RunOptions {
    std::string board, kernel, out, cache, source, program, append;
    std::vector<std::string> also;
    std::chrono::nanoseconds timeout{0}; // 0: none
    bool fresh = false;                  // every iteration gets a boot of its own
    unsigned boots = 0;                  // at most so many; 0: as many as it takes
    Arguments command;                   // of dmarace, as the user wrote it
};

// Nothing when --help was asked for and printed.
Result<std::optional<RunOptions>> parse_run(const Arguments& arguments);

// The command as the guest gets it: `run` writes to 'out', goes on with what is
// there when resume is set, and ends its boot after iterations that are to have
// one of their own.
Arguments guest_command(const Arguments& command, const std::string& out, bool resume, bool fresh);

// Whether it is `dmarace run`, whose iterations a dead guest does not end.
bool is_run(const Arguments& command);

} // namespace dmarace::vm
