// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes the job files that `dmarace new` starts a user off with. Pure.
#pragma once

#include "job/words.hpp"

#include <string>
#include <vector>

namespace dmarace::job {

// What a skeleton shows: hold, delay, type; the first is the default.
const std::vector<Word>& skeleton_kinds();

// A commented job of that name and kind that loads and lints clean. The kind
// must be one of skeleton_kinds().
std::string skeleton(const std::string& name, std::string_view kind);

} // namespace dmarace::job
