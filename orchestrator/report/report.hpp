// SPDX-License-Identifier: GPL-2.0-or-later
// What is said of a run, made from its journal's records. Pure.
#pragma once

#include "run/record.hpp"
#include "run/recorded.hpp"
#include "run/request.hpp"

#include <string>
#include <vector>

namespace dmarace::report {

using run::ExitStyle;
using run::Run;

// One verdict for mixed iterations: crash, hang, fail (the gravest first); then
// error; then inconclusive; then skip; a run in which nothing ran, or that did
// not come to its end, never passes.
verdict::Verdict overall(const Run& run);
// The verdict of several runs, in the same order; no run at all is inconclusive.
verdict::Verdict overall(const std::vector<Run>& runs);
// One line: why the run is not a pass, "" if it is.
std::string why_not_pass(const Run& run);

// DESIGN's exit codes.
int exit_code(verdict::Verdict verdict, ExitStyle style);

// The text of result.json, without a newline at its end.
std::string result_json(const Run& run);
// The same object on one line, for output that is one object a line.
std::string result_line(const Run& run);
// Told piece by piece: teller.hpp.
std::string ktap(const Run& run);
// The human summary that ends a run: counts, failures by kind and device,
// rules with their ends, type writes by their reasons, or each transition with a legend. Beneath
// the failures stands the story of the first of them that was observed.
enum class ShownTypes { reasons, all };
std::string summary(const Run& run, ShownTypes types = ShownTypes::reasons,
                    const run::SeenIterations& seen = {});

// One line: how often a job failed with holds and how often without.
std::string beside(const Run& with, const Run& without);

// One table for several runs: kernel, board, job, iterations, verdict, device,
// failure kind and log line. Two runs of a job on one kernel and board, with
// holds and without, share a row that gives the failing rate of each.
std::string table(const std::vector<Run>& runs);

} // namespace dmarace::report
