// SPDX-License-Identifier: GPL-2.0-or-later
// The acts that a command was given.
#pragma once

#include "campaign/survey.hpp"
#include "search/acts.hpp"

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

} // namespace dmarace::commands
