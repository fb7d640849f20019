// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a job file to a checked Job, and what a job that loads still gets wrong:
// rules that wait for a task which needs a lock the held task owns, signals that nothing
// raises, tasks that wait for each other. Pure: the caller reads the file.
#pragma once

#include "job/diagnostic.hpp"
#include "job/job.hpp"

#include <expected>
#include <string>

namespace dmarace::job {

// Checks every key and every word, and says all that is wrong, in the order of
// the file. 'file' is only for messages. What a job that loads may still get
// wrong (locks, signals that nothing raises) lint() tells.
std::expected<Job, Diagnostics> load(const std::string& text, const std::string& file);

// Errors and warnings, in the order of the file. A job with a lint error must
// not be run: it would test nothing, or wait for ever.
Diagnostics lint(const Job& job);

// Why the job must not be run without --unsafe: its risk, a step that the guard
// cannot oversee, a rule at a function no table knows. "" when it may.
std::string why_unsafe(const Job& job);

} // namespace dmarace::job
