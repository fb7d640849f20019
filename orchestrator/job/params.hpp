// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds and fills {param} in steps and rules. Pure.
#pragma once

#include "job/job.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dmarace::job {

// One {name} in a text.
struct ParamUse {
    std::string name;
    std::size_t offset = 0; // of the '{'
};

// Every {name} of the text, in order. A '{' without its '}' gives a use with
// an empty name.
std::vector<ParamUse> param_uses(std::string_view text);

// Is the whole word one {name}?
bool is_one_param(std::string_view word);

// The text with every {name} filled in from values; names that values lacks
// are left as they stand.
std::string fill(std::string_view text, const std::map<std::string, std::string>& values);

} // namespace dmarace::job
