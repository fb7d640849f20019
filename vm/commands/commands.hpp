// SPDX-License-Identifier: GPL-2.0-or-later
// The table of dmarace-vm's subcommands, and the options they share. Adding one is one file
// and one row.
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

struct Subcommand {
    const char* name;
    const char* synopsis; // what follows the name
    const char* summary;
    Result<int> (*run)(const Arguments& arguments); // returns the exit code
};

std::span<const Subcommand> subcommands();

Result<int> run_command(const Arguments& arguments);
Result<int> kernels_command(const Arguments& arguments);
Result<int> boards_command(const Arguments& arguments);
Result<int> matrix_command(const Arguments& arguments);
Result<int> kernel_command(const Arguments& arguments);
Result<int> bisect_command(const Arguments& arguments);
Result<int> build_command(const Arguments& arguments);
Result<int> root_command(const Arguments& arguments);

// DESIGN's exit codes for what kept the command from doing its work.
int exit_code(const Error& error);

// The command lines of `run` and of `bisect`. Nothing when --help was asked for and printed.
Result<std::optional<BoardRunOptions>> parse_run(const Arguments& arguments);
Result<std::optional<BisectOptions>> parse_bisect(const Arguments& arguments);

// --help, --source and --cache.
po::options_description common_options();

// Parses; a word that is wrong is Fault::usage. Nothing when --help was asked
// for: help (what it is for, then the options) has then been printed.
Result<std::optional<po::variables_map>> parse_options(const Arguments& arguments,
                                                       const po::options_description& options,
                                                       bool takes_words, const std::string& help);

} // namespace dmarace::vm
