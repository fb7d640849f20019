// SPDX-License-Identifier: GPL-2.0-or-later
// This file collects what is wrong with a job file and prints it. Pure.
#pragma once

#include "job/job.hpp"

#include <string>
#include <vector>

namespace dmarace::job {

using Diagnostics = std::vector<Diagnostic>;

// One line, without '\n': "FILE:LINE:COLUMN: error: MESSAGE".
std::string to_text(const Diagnostic& diagnostic);

// Control characters of the message are written as \xNN.
void add_error(Code code, Diagnostics& diagnostics, Place where, const std::string& message);
void add_warning(Code code, Diagnostics& diagnostics, Place where, const std::string& message);

bool has_errors(const Diagnostics& diagnostics);

// In the order of the file, doubles left out.
void sort(Diagnostics& diagnostics);

} // namespace dmarace::job
