// SPDX-License-Identifier: GPL-2.0-or-later
// This file says how commands speak: errors to stderr with their own name, and
// errors as exit codes.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace dmarace::commands {

// "dmarace COMMAND: MESSAGE" to stderr; returns the exit code of the fault.
int report_error(std::string_view command, const Error& error);

// A line to stdout. False, with a word on stderr, when it cannot be written.
bool print(std::string_view text);

} // namespace dmarace::commands
