// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the list of subcommands: adding one is one file and one row.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::commands {

using Words = std::vector<std::string>;

struct Subcommand {
    std::string_view name;
    std::string_view summary;
    int (*run)(const Words& words);
};

std::span<const Subcommand> table();

int run_audit(const Words& words);
int run_doctor(const Words& words);
int run_lint(const Words& words);
int run_list(const Words& words);
int run_new(const Words& words);
int run_queue(const Words& words);
int run_report(const Words& words);
int run_restore(const Words& words);
int run_run(const Words& words);

// The exit codes that are no verdict; report::exit_code() has the others.
inline constexpr int kExitUsage = 2;
inline constexpr int kExitEnvironment = 3;
inline constexpr int kExitUntestable = 4;
inline constexpr int kExitInterrupted = 130;

} // namespace dmarace::commands
