// SPDX-License-Identifier: GPL-2.0-or-later
// This file turns the text of a job file into a checked Job. Pure: the caller
// reads the file.
#pragma once

#include "job/diagnostic.hpp"

#include <expected>
#include <string>

namespace dmarace::job {

// Checks every key and every word, and says all that is wrong, in the order of
// the file. 'file' is only for messages. What a job that loads may still get
// wrong (locks, signals that nothing raises) lint() tells.
std::expected<Job, Diagnostics> load(const std::string& text, const std::string& file);

} // namespace dmarace::job
