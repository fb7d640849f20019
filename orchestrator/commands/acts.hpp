// SPDX-License-Identifier: GPL-2.0-or-later
// What commands that take acts share: the acts, and the beginning and the end of a search.
#pragma once

#include "commands/commands.hpp"
#include "explore/explore.hpp"

#include <functional>
#include <string>
#include <vector>

namespace dmarace::commands {

// What acts are read by, as the board is before anything is changed.
search::ActBoard act_board(const campaign::Survey& survey, const std::string& client);

struct AskedActs {
    search::ActSet set;
    std::vector<std::string> names; // in the order of the actors
};

// Two or three acts, or one job without its rules.
Result<AskedActs> asked_acts(const std::vector<std::string>& words, const search::ActBoard& board);

// With this machine's module, and what is on it.
Result<int>
on_machine(const Parsed& parsed,
           const std::function<Result<int>(campaign::Machine&, const campaign::Survey&)>& work);

// Options of every search, "explore" or "sweep", with its own defaults.
void add_search_options(po::options_description& visible, const std::string& command,
                        unsigned bound, unsigned prove);
// --points is one of these.
Status read_search_options(const Parsed& parsed, const std::string& command,
                           const std::vector<std::string>& points, explore::SearchOptions& out);
// The directory can be used: one that has this file is only gone on with.
Status can_begin(const explore::SearchOptions& options, std::string_view file);

// How a search ended.
struct SearchEnding {
    std::string boot_again; // why the machine is to be booted before the rest
    bool interrupted;
    verdict::Verdict verdict;
};
// Who boots the machine is told of it, or the user is shown the page; the exit code.
Result<int> end_search(const Parsed& parsed, const explore::SearchOptions& options,
                       const SearchEnding& ending, const std::function<std::string()>& page);

} // namespace dmarace::commands
