// SPDX-License-Identifier: GPL-2.0-or-later
// The records of a run whose guest died: the interrupted iteration gets its verdict, and
// result.json is written whatever happens.
#pragma once

#include "run/record.hpp"
#include "vm/board/control.hpp"

#include <filesystem>

namespace dmarace::vm {

// The journal of a run's directory, or those of its jobs' directories.
std::vector<std::filesystem::path> find_journals(const std::filesystem::path& out);

struct RunSurvey {
    std::size_t ended = 0;                        // iterations with a verdict, of all jobs
    std::optional<std::filesystem::path> journal; // the one with an interrupted iteration
    unsigned iteration = 0;                       // that iteration
};
Result<RunSurvey> survey(const std::filesystem::path& out);

// What an iteration that took the guest with it is judged to be.
run::IterationEnd judge_death(unsigned iteration, const BootOutcome& outcome);

// Appends a death's record, after cutting off a torn last line.
Status record_death(const std::filesystem::path& journal, const run::IterationEnd& end);

// Writes result.json beside every journal that has no newer one.
Status write_results(const std::filesystem::path& out);

// Every run there, one after the other, as the given report shows it.
Result<std::string> totals(const std::filesystem::path& out, std::string (*show)(const run::Run&));

// The verdict over all journals of a run.
Result<verdict::Verdict> overall(const std::filesystem::path& out);

} // namespace dmarace::vm
