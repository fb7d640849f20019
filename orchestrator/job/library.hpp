// SPDX-License-Identifier: GPL-2.0-or-later
// Job files: those of the library, and any that is given by its path.
#pragma once

#include "base/error.hpp"
#include "job/diagnostic.hpp"
#include "job/job.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dmarace::job {

// Where the library is: $DMARACE_JOBS, the installed one, or the source tree's.
std::string library_dir();
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
