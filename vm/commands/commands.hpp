// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the table of dmarace-vm's subcommands. Adding one is one file
// and one row.
#pragma once

#include "base/error.hpp"

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

} // namespace dmarace::vm
