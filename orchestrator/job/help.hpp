// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells a user what a job does, before parameters are filled in.
// Pure; the text ends with '\n'. What a run would do is in dry_run.hpp.
#pragma once

#include "job/job.hpp"

#include <string>

namespace dmarace::job {

// What a parameter became on this board, and why.
struct Choice {
    std::string param;
    std::vector<std::string> values;
    std::string why;
};

// `dmarace run JOB --help`: summary, source, risk, needs, parameters with their
// defaults, how they are chosen and what they became here ('here' may be empty),
// actors and rules. 'note' is a line about this board, or "".
std::string job_help(const Job& job, const std::vector<Choice>& here = {},
                     const std::string& note = "");

// One rule in words: "hold at exit of X for actor walk, pci/.. until done:client (2s)".
std::string rule_text(const Rule& rule);

} // namespace dmarace::job
