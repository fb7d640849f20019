// SPDX-License-Identifier: GPL-2.0-or-later
// Compares what a run said while it ran with what its journal holds
// after its machine went down. Pure; it does not use the reader of the program
// under test to count.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::test {

// Iteration to verdict.
using Told = std::map<unsigned, std::string>;

// Adds the iterations that a run's output tells as judged: "JOB: iteration
// N[/M]: VERDICT[: WHY]". An iteration that is told twice, or whose line is
// wrong, is a fault.
void add_told(const std::string& output, Told& told, std::vector<std::string>& faults);

struct Books {
    std::size_t lines = 0;
    Told ended;
    std::optional<unsigned> open; // began, and has no verdict
    bool torn = false;            // the last line is no record
};

// What the journal holds, and every way in which that is wrong: a line that is
// no JSON (but for a torn last one), a verdict twice, a gap, an iteration that
// was told and is missing or has another verdict.
Books keep_books(const std::string& journal, const Told& told, std::vector<std::string>& faults);

} // namespace dmarace::test
