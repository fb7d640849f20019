// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs another program, without a shell.
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace dmarace::board {

// Where its stdout goes; its stderr is ours.
enum class Output { ours, our_stderr };

// Starts it. words[0] is a path. Its signals are unblocked, its stdin is empty. The
// caller reaps it.
Result<pid_t> start_program(const std::vector<std::string>& words, Output output);

// Starts it and waits for its end; what it says goes to our stderr. Its exit code,
// or 128 and the signal.
Result<int> run_program(const std::vector<std::string>& words);

} // namespace dmarace::board
