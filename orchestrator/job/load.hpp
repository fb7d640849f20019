// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a job file to a checked Job, and what a job that loads still gets wrong:
// rules that wait for a task which needs a lock the held task owns, signals that nothing
// raises, tasks that wait for each other. Pure but for the files of the library.
#pragma once

#include "base/error.hpp"
#include "job/diagnostic.hpp"
#include "job/job.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::job {

// Checks every key and every word, and says all that is wrong, in the order of
// the file. 'file' is only for messages. What a job that loads may still get
// wrong (locks, signals that nothing raises) lint() tells.
std::expected<Job, Diagnostics> load(const std::string& text, const std::string& file);

// The text of a job, which loads as the same one. Its tables [type] and [trigger] are left out.
std::string save(const Job& job);

// The [[allow]] tables of a file that may hold others: what is known of a board.
Result<std::vector<Allow>> load_allowed(const std::string& file);

// Errors and warnings, in the order of the file. A job with a lint error must
// not be run: it would test nothing, or wait for ever.
Diagnostics lint(const Job& job);

// Why the job must not be run without --unsafe: its risk, a step that the guard
// cannot oversee, a rule at a function no table knows. "" when it may.
std::string why_unsafe(const Job& job);

// Names of the library's jobs, sorted.
std::vector<std::string> library_jobs();
// The file of a job: "late-probe", or "./mine.toml".
Result<std::string> job_path(const std::string& name);

// A job file that was read, and what is wrong with it.
struct CheckedJob {
    std::string path, text;
    std::optional<Job> job; // nothing when it does not load
    Diagnostics diagnostics;

    std::size_t errors() const;
    std::size_t warnings() const { return diagnostics.size() - errors(); }
};
// Loads and lints, says nothing. No file is Fault::usage.
Result<CheckedJob> check_job(const std::string& name);

} // namespace dmarace::job
