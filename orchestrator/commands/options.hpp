// SPDX-License-Identifier: GPL-2.0-or-later
// This file parses a subcommand's words with Boost.Program_options.
#pragma once

#include "base/error.hpp"
#include "commands/table.hpp"

#include <boost/program_options.hpp>

#include <string>

namespace dmarace::commands {

namespace po = boost::program_options;

struct Parsed {
    po::variables_map values;
    std::vector<std::string> words; // those that are no option

    bool has(const char* name) const { return values.count(name) > 0; }
    bool flag(const char* name) const { return has(name) && values[name].as<bool>(); }
    std::string text(const char* name) const {
        return has(name) ? values[name].as<std::string>() : "";
    }
};

// --help is added to the visible options. Unknown options and bad values are
// Fault::usage, with the nearest option.
Result<Parsed> parse(const Words& words, po::options_description& visible);

// The text of --help.
std::string help_text(const std::string& usage, const std::string& about,
                      const po::options_description& visible);

} // namespace dmarace::commands
