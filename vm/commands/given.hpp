// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds the job files of the host among a command's words, and gives
// each its place inside the board.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

struct Given {
    std::vector<std::string> command;                   // with the places inside
    std::map<std::string, std::filesystem::path> files; // place inside to file here
};

// A word that ends in .toml is a job file: one of this host, if there is one,
// else a path inside the board. Two files of one name are Fault::usage.
Result<Given> find_given(const std::vector<std::string>& command);

} // namespace dmarace::vm
