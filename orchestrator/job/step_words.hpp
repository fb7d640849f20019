// SPDX-License-Identifier: GPL-2.0-or-later
// This file knows the kinds of words that steps have: DEVICE, MODULE, TIME ..
// Inside this room only.
#pragma once

#include <string>
#include <string_view>

namespace dmarace::job {

// What is wrong with a word of that kind, or "". A word with {param} fits any.
std::string check_kind(std::string_view kind, std::string_view word);

} // namespace dmarace::job
