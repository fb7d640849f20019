// SPDX-License-Identifier: GPL-2.0-or-later
// The table of dmarace-vm's subcommands, and the options they share. Adding one is a row
// beside its function, and its name in the table.
#pragma once

#include "base/options.hpp"
#include "vm/bisect/bisection.hpp"
#include "vm/campaign/run.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dmarace::vm {

using Arguments = std::vector<std::string>;

struct CommandLine : ParsedWords {
    Arguments behind; // "--"
};

// The exit code of what kept a command from doing its work.
int exit_code(const Error& error);

struct Subcommand {
    enum class Takes { options, words, command }; // besides options; a command after "--"

    const char* name;
    const char* synopsis; // what follows the name
    const char* summary;
    const char* help; // what it is for
    po::options_description (*options)();
    Takes takes;
    Result<int> (*run)(const CommandLine& line); // returns the exit code
    int (*code)(const Error& error) = exit_code;
};

extern const Subcommand kRun, kBoards, kKernels, kMatrix, kKernel, kBisect, kBuild, kRoot, kExport;

std::span<const Subcommand* const> subcommands();
// nullptr when there is none of that name.
const Subcommand* find_subcommand(const std::string& name);

// What --help prints.
std::string help_text(const Subcommand& subcommand);

// Parses; a word that is wrong is Fault::usage. Nothing when --help was asked for and printed.
Result<std::optional<CommandLine>> parse_line(const Subcommand& subcommand,
                                              const Arguments& arguments);
// Runs it, says what is wrong, and returns the exit code.
int run_subcommand(const Subcommand& subcommand, const Arguments& arguments);

// --help, --source and --cache.
po::options_description common_options();

// --accel, of those that boot.
void add_accel(po::options_description& options);

// --defconfig and --llvm, of those that build kernels.
void add_kernel_source(po::options_description& options);

// The command lines of `run` and of `bisect`.
Result<BoardRunOptions> read_run(const CommandLine& line);
Result<BisectOptions> read_bisect(const CommandLine& line);

} // namespace dmarace::vm
