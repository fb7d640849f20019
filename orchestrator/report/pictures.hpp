// SPDX-License-Identifier: GPL-2.0-or-later
// Runs and their iterations to be looked at. Pure.
#pragma once

#include "report/report.hpp"
#include "verdict/timeline.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::report {

using run::SeenIterations;

// Lanes in 80 columns of letters, with what they mean.
std::string text_timeline(const verdict::Timeline& timeline);

// "R1f: a client binds while ..; bcb81ac6ae3c (6.15), open; .. ": a line for each race that the
// job shows, then where it was told of.
std::vector<std::string> races_told(std::string_view job, const std::string& source);

// Beneath the failures of a summary: the first iteration that failed and was observed, in
// sentences and as a timeline; "" where there is none.
std::string story(const Run& run, const SeenIterations& seen);

} // namespace dmarace::report
