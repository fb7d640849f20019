// SPDX-License-Identifier: GPL-2.0-or-later
// This file is a run that is only told: what would be done to which device.
// It reads sysfs and needs neither the module nor root; it writes nothing.
#pragma once

#include "campaign/run.hpp"
#include "job/dry_run.hpp"

namespace dmarace::campaign {

// The board as a preview may see it. 'devices' should stand on read-only Files.
struct Onlooker {
    board::Devices devices;
    board::Modules modules;
};

// What each parameter becomes on this board, and why. Errors as resolve().
Result<std::vector<job::Choice>> choices(const job::Job& job, const Survey& survey,
                                         const Wishes& wishes);

// `dmarace run JOB --dry-run`. Errors as a run would end with before it began:
// Fault::usage, or Fault::untestable for what would be a skip.
Result<std::string> preview(const Onlooker& board, const job::Job& job, const RunOptions& options);

// `dmarace run JOB --help`, with what this board would pick.
std::string help_here(const Onlooker& board, const job::Job& job);

} // namespace dmarace::campaign
