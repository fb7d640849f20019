// SPDX-License-Identifier: GPL-2.0-or-later
// This file says whether an iteration without failures may pass.
#pragma once

#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <string>
#include <vector>

namespace dmarace::verdict {

// Why nothing was proved, the first reason first; empty if the iteration may
// pass. Not asked under --no-holds.
std::vector<std::string> unproved(const job::Plan& plan, const Observed& observed);

// "rule 1 met, rule 2 blocked", for the reason of a pass.
std::string what_was_hit(const Observed& observed);

} // namespace dmarace::verdict
