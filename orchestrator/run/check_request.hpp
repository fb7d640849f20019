// SPDX-License-Identifier: GPL-2.0-or-later
// What a program that starts a `dmarace check` has to know of it. Pure.
#pragma once

#include <string>
#include <vector>

namespace dmarace::run {

inline constexpr const char* kCheck = "check"; // the subcommand

// Runs of several jobs, in directories below the one that it is given.
inline bool is_check(const std::vector<std::string>& command) {
    return !command.empty() && command.front() == kCheck;
}

} // namespace dmarace::run
