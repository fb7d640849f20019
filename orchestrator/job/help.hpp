// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells a user what a job does: before parameters are filled in
// (--help) and after (--dry-run). Pure; the text ends with '\n'.
#pragma once

#include "job/job.hpp"

#include <string>

namespace dmarace::job {

// `dmarace run JOB --help`: summary, source, risk, needs, parameters with
// their defaults and how they are chosen, actors and rules.
std::string job_help(const Job& job);

// `dmarace run JOB --dry-run`: every step and every rule line of one iteration.
std::string plan_text(const Plan& plan);

// One rule in words: "hold at exit of X for actor walk, pci/.. until done:client (2s)".
std::string rule_text(const Rule& rule);

} // namespace dmarace::job
