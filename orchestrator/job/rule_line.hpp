// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes a rule as the module reads it: RULE WORDS of
// kmod/dmarace_abi.h. Pure.
#pragma once

#include "base/line.hpp"
#include "job/job.hpp"

namespace dmarace::job {

// "rule name=.. point=.. on=.. ..", keys that say nothing left out. A hold
// without a timeout gets the 2s that load() gives it.
Line to_rule_line(const Rule& rule);

} // namespace dmarace::job
