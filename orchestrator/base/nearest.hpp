// SPDX-License-Identifier: GPL-2.0-or-later
// Finds the word a user meant when the one written is unknown. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace {

// How many letters must be put in, left out, changed or swapped with their
// neighbour to turn one word into the other. Letter case does not count.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate closest to word, or "" when none is close enough to be meant.
// Of equally close ones the one that begins like word wins, then the first.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean 'WORD'?", or "" when nothing is close: ends an error message.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

} // namespace dmarace
