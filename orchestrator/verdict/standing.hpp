// SPDX-License-Identifier: GPL-2.0-or-later
// A board that nobody has touched.
#pragma once

#include "verdict/verdict.hpp"

namespace dmarace::verdict {

// What a board shows by itself, with its log since the boot: as judge_baseline(), and IOMMUs
// whose own probe failed, and what was legal or is unknown. Of the log only that counts of which
// the board shows the consequence: what earlier runs made the kernel say is in it.
Judgement judge_standing(const Observed& seen);

} // namespace dmarace::verdict
