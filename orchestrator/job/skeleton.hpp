// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes the job file that `dmarace new` begins with. Pure.
#pragma once

#include "util/error.hpp"

#include <string>

namespace dmarace::job {

// A commented job of that name that lints clean. Fault::usage when the name is
// none for a job.
Result<std::string> new_job(const std::string& name);

} // namespace dmarace::job
