// SPDX-License-Identifier: GPL-2.0-or-later
// Says whether something grows while a run goes on. Pure.
#pragma once

#include <string>
#include <vector>

namespace dmarace::test {

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
