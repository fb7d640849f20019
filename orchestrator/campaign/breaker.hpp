// SPDX-License-Identifier: GPL-2.0-or-later
// This file stops a campaign that keeps killing its machine. Pure.
#pragma once

#include "base/error.hpp"
#include "run/record.hpp"

#include <string>
#include <string_view>

namespace dmarace::campaign {

// So many iterations that the machine did not survive, in the last so many boots.
struct CrashLimit {
    unsigned crashes = 3; // 0: no limit
    unsigned boots = 5;
};

// "3/5", or "none".
Result<CrashLimit> crash_limit_from(std::string_view word);

// Why no further boot is risked, "" while one is. Asked at the start of a boot.
std::string why_stop(const run::Run& run, const CrashLimit& limit);

} // namespace dmarace::campaign
