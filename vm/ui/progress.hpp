// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a long command and shows that it moves.
#pragma once

#include "vm/process/process.hpp"

namespace dmarace::vm {

// Runs a command that writes to command.log and tells on stderr what it is
// (title), then how long it took; on a terminal the seconds count up. Returns
// its exit status.
Result<int> run_showing(const Command& command, const std::string& title);

} // namespace dmarace::vm
