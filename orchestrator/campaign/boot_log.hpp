// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads what the boots of a run said: the mark that the initramfs leaves
// in the log before it loads dmarace, and what follows it.
#pragma once

#include "board/files.hpp"
#include "verdict/observed.hpp"

#include <string>
#include <vector>

namespace dmarace::campaign {

std::string mark_of_boots(const std::string& run_id);

// A boot that went down, and the end of its log.
struct DeadBoot {
    std::string boot;
    std::vector<std::string> log;
};
// Those of which pstore or its archive kept the last words..
std::vector<DeadBoot> dead_boots(const board::Files& files, const std::string& run_id);

// This boot's log, from the mark on. kept: whether the module has told of its own
// loading, which says more than a log that may have been overwritten. What is wrong
// with it, "" if nothing.
std::string take_boot_log(const std::string& run_id, bool kept, verdict::Observed& observed);

} // namespace dmarace::campaign
