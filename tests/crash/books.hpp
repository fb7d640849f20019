// SPDX-License-Identifier: GPL-2.0-or-later
// What is left of a run: what it said while it ran against what its journal holds
// after its machine went down, and whether something grew while it went on. Pure; it
// does not use the reader of the program under test to count.
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

struct Sample {
    double iteration = 0;
    double slab = 0, unreclaimable = 0; // KiB, of the whole kernel
    double resident = 0;                // KiB, of dmarace
    double descriptors = 0;             // of dmarace
};

// How much a figure grows in so many iterations: the median of all slopes between
// two samples (Theil-Sen), so that single peaks count for nothing. The first
// fifth of the samples is left out: caches fill up.
double growth(const std::vector<Sample>& samples, double Sample::*figure, double iterations);

struct Bound {
    const char* name;
    double Sample::*figure;
    double most; // in 10,000 iterations
};
const std::vector<Bound>& bounds();

// One line a bound that is broken.
std::vector<std::string> faults_of(const std::vector<Sample>& samples);

} // namespace dmarace::test
