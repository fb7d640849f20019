// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what every kind of run does alike: its head, its end, and telling
// udev of what failed.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/run.hpp"
#include "run/record.hpp"
#include "run/run_dir.hpp"

#include <ctime>
#include <string>

namespace dmarace::campaign {

// ISO 8601, UTC.
std::string now_text();

std::time_t time_of(const std::string& text); // back from now_text()

// Whether --duration has passed since a run started.
bool is_over(const std::string& started, const RunOptions& options);

unsigned planned_of(const job::Job& job, const RunOptions& options);

run::RunHead head_of(const Machine& machine, const job::Job& job, const RunOptions& options,
                     const job::Bindings& bindings);

// "skip: .." or "error: ..", as a run's end says it.
std::string reason_of(const Error& error);

// Failures reach udev through the module, each kind and device once. One that
// cannot say it is no reason to stop.
void announce(board::Control& control, const run::IterationEnd& end);

// Writes the end of the journal and what is made from it.
Status close_run(run::RunDir& dir, run::Run& run, const std::string& why);

} // namespace dmarace::campaign
