// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a long command and shows that it moves.
#pragma once

#include "vm/process/process.hpp"

#include <functional>

namespace dmarace::vm {

// Runs a command that writes to command.log and tells on stderr what it is
// (title), then how long it took; on a terminal the seconds count up, and after
// them what detail says of the work. While an Interrupts object lives, the
// user's ctrl-c ends the command. Returns its exit status.
Result<int> run_showing(const Command& command, const std::string& title,
                        const std::function<std::string()>& detail = {});

} // namespace dmarace::vm
