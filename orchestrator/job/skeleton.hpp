// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes the job file that `dmarace new` begins with. Pure.
#pragma once

#include <string>

namespace dmarace::job {

// A commented job of that name, which is_name() must accept; it lints clean.
std::string skeleton(const std::string& name);

} // namespace dmarace::job
