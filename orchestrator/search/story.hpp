// SPDX-License-Identifier: GPL-2.0-or-later
// What a person reads of a finding: its interleaving in words, and in two columns in the order
// things happened. Pure.
#pragma once

#include "search/schedule.hpp"

#include <string>
#include <vector>

namespace dmarace::search {

// One sentence a line, numbered.
std::vector<std::string> in_words(const ActSet& set, const Schedule& schedule);

// A column for each actor; what nobody of them did (audits, the buses, workers) stands between.
std::string chart(const ActSet& set, const verdict::Observed& observed);

// The jobs of the library that park the same acts there, with commas; "" when none does.
std::string known_as(const ActSet& set, const Schedule& schedule,
                     const std::vector<job::Job>& library);

} // namespace dmarace::search
