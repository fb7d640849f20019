// SPDX-License-Identifier: GPL-2.0-or-later
// One run of a dmarace command on a board, from its options to its exit code.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

// The exit codes that are not a command's own.
inline constexpr int kExitUsage = 2, kExitEnvironment = 3, kExitUntestable = 4, kExitTimeout = 124,
                     kExitBisectBroken = 128, kExitInterrupted = 130;

struct BoardRunOptions {
    std::string board, kernel, out, cache, source, program, append;
    std::vector<std::string> also;
    std::chrono::nanoseconds timeout{0}; // 0: none
    bool fresh = false;                  // every iteration gets a boot of its own
    unsigned boots = 0;                  // at most so many; 0: as many as it takes
    std::vector<std::string> command;    // of dmarace, as the user wrote it
};

// Fault::usage for a command that no board can be given.
Status check_command(const std::vector<std::string>& command);

// Finds and builds what the run takes, and boots the board until the command has ended.
// The exit code is the command's.
Result<int> run_on_board(const BoardRunOptions& options);

// A command whose job files are here, and each one's place inside the board.
struct GivenFiles {
    std::vector<std::string> command;                   // with the places inside
    std::map<std::string, std::filesystem::path> files; // place inside to file here
};

// A word that ends in .toml is a job file: one of this host, if there is one,
// else a path inside the board. Two files of one name are Fault::usage.
Result<GivenFiles> find_given(const std::vector<std::string>& command);

} // namespace dmarace::vm
