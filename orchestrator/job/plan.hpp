// SPDX-License-Identifier: GPL-2.0-or-later
// From a Job and what the board chose for its parameters to the words of one iteration,
// and of a rule to the line that the module reads. Pure.
#pragma once

#include "base/error.hpp"
#include "base/text.hpp"
#include "job/job.hpp"

namespace dmarace::job {

// Most steps one actor may come to; a plan beyond it is a usage error.
inline constexpr std::size_t kStepsMax = 20'000;

// Fills in {param}: a step or rule with a list parameter becomes one for each
// element (none for an empty list), a repeat is written out, a type step for
// several groups becomes one for each, a [type] table becomes the actors
// "writer", "writer2" .. and those beside them. The same input gives the same plan, word for word.
// Errors are Fault::usage: a parameter without a value, a value that is no word
// of its kind, step:ACTOR:N beyond the actor's steps; Fault::untestable: a
// [type] table without a group to write to.
Result<Plan> make_plan(const Job& job, const Bindings& bindings, const Inventory& inventory);

// The job's allow entries with {param} filled in: one for each value of a list.
// A parameter without a value silences nothing. And those of the board.
std::vector<Allow> filled_allow(const Job& job, const Bindings& bindings,
                                const std::vector<Allow>& board);

// The view of --no-holds: no rule holds or delays any more, and waiting for a
// signal of a rule is no wait. Steps keep their numbers.
Plan without_holds(const Plan& plan);

// The devices and groups that steps name in order to change them, each once, in
// the plan's order: what the guard has to allow, since a job may write a device
// as it is, without a parameter.
struct Touched {
    std::vector<std::string> devices;         // as written: BUS/NAME or NAME
    std::vector<std::string> groups;          // numbers
    bool all_behind_iommu = false;            // 'remove behind'
    std::vector<std::string> drivers_removed; // modules of rmmod steps
};
Touched touched_by(const Plan& plan);

// Parameters with their defaults: what make_plan() uses where the board and the
// user gave nothing. List defaults are separated by commas.
Bindings default_bindings(const Job& job);

// A rule as the module reads it (RULE WORDS of kmod/dmarace_abi.h): "rule name=.. point=.. on=..
// ..", keys that say nothing left out. A hold without a timeout gets the 2s that load() gives it.
Line to_rule_line(const Rule& rule);

} // namespace dmarace::job
