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

// Lanes as inline SVG: steps, holds with arrows from what let them go, what each device's DMA was,
// lines of the kernel log. A <title> each says more.
std::string html_timeline(const verdict::Timeline& timeline);
// The same in 80 columns of letters, with what they mean.
std::string text_timeline(const verdict::Timeline& timeline);

// "R1f: a client binds while ..; bcb81ac6ae3c (6.15), open; .. ": a line for each race that the
// job shows, then where it was told of.
std::vector<std::string> races_told(std::string_view job, const std::string& source);

// Beneath the failures of a summary: the first iteration that failed and was observed, in
// sentences and as a timeline; "" where there is none.
std::string story(const Run& run, const SeenIterations& seen);

// A page of the runs: each at a glance, with the story of each iteration that failed.
std::string runs_html(const std::vector<Run>& runs, const std::vector<SeenIterations>& seen);

// Trace events, as Perfetto and chrome://tracing read them: a process for each iteration, a
// thread for each lane.
std::string trace_json(const std::vector<Run>& runs, const std::vector<SeenIterations>& seen);

// A suite for each run, a case for each iteration.
std::string junit(const std::vector<Run>& runs);

} // namespace dmarace::report
