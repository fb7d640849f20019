// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds job files: a library name or a path.
#pragma once

#include "job/job.hpp"
#include "util/error.hpp"

#include <string>
#include <vector>

namespace dmarace::commands {

// Where the library is: $DMARACE_JOBS, the installed one, or the source tree's.
std::string library_dir();
// Names of the library's jobs, sorted.
std::vector<std::string> library_jobs();
// The file of a job: "late-probe", or "./mine.toml".
Result<std::string> job_path(const std::string& name);

// Loads and lints. Diagnostics of either go to stderr, one a line; errors among
// them are a Fault::usage that counts them.
Result<job::Job> load_job(const std::string& name);

} // namespace dmarace::commands
