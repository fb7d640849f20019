// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells the user what goes on: one line on stderr each.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dmarace::vm {

template <class... Arguments>
void say(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    fmt::print(stderr, "dmarace-vm: {}\n",
               fmt::format(text, std::forward<Arguments>(arguments)...));
}

// Ends an error message: "; did you mean 'X'?", or all that there is when
// nothing is near.
std::string hint(std::string_view word, const std::vector<std::string>& candidates);

} // namespace dmarace::vm
