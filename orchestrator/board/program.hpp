// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs another program to its end, without a shell.
#pragma once

#include "util/error.hpp"

#include <string>
#include <vector>

namespace dmarace::board {

// words[0] is a path. Its stdin is empty; what it says goes to our stderr. Its
// exit code, or 128 and the signal.
Result<int> run_program(const std::vector<std::string>& words);

} // namespace dmarace::board
