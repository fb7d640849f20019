// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of load(): a function for each kind of table in a job file. Inside this room
// only.
#pragma once

#include "job/job.hpp"
#include "job/reader.hpp"

namespace dmarace::job {

// One [[rule]] becomes one rule for each of its points.
std::vector<Rule> load_rule(const toml::table& table, Section& parent);

// Gives rules without a name one, and refuses two of the same name.
void name_rules(std::vector<Rule>& rules, Diagnostics& diagnostics);

// The [type] table, if there is one; the head and the actors are there already.
void load_type_storm(Section& top, Job& job);

// The [trigger] table, if there is one.
void load_trigger(Section& top, Job& job);

// What the parts say about each other: {param} that is not there, actors that
// nobody defined, words whose parameter has another type.
void check_references(const Job& job, Diagnostics& diagnostics);

} // namespace dmarace::job
