// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads the options that subcommands share.
#pragma once

#include "vm/commands/commands.hpp"

#include <boost/program_options.hpp>

#include <optional>

namespace dmarace::vm {

// --help, --source and --cache.
boost::program_options::options_description common_options();

// Parses; a word that is wrong is Fault::usage. Nothing when --help was asked
// for: help (what it is for, then the options) has then been printed.
Result<std::optional<boost::program_options::variables_map>>
parse_options(const Arguments& arguments,
              const boost::program_options::options_description& options, const char* positional,
              const std::string& help);

} // namespace dmarace::vm
