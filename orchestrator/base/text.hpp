// SPDX-License-Identifier: GPL-2.0-or-later
// Small things that are done to words and lines. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dmarace {

// 'text'
std::string in_quotes(std::string_view text);

std::string joined(const std::vector<std::string>& words, std::string_view between);

// Up to the first '\n'.
std::string first_line(std::string_view text);

// The text with everything that a terminal or a parser could take for a
// command written as \n, \t or \xNN; valid UTF-8 stays.
std::string printable(std::string_view text);

} // namespace dmarace
