// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the statistics of a bisection: how often a job must be tried
// before a kernel may be called good. Pure.
#pragma once

#include <cstdint>

namespace dmarace::vm {

// What a known-bad kernel showed: so many of the trials failed.
struct Rate {
    unsigned failures = 0, trials = 0;
};

// The failure rate that such a kernel has at least, with this confidence: the
// one-sided lower bound of Clopper and Pearson. 0 without a failure. A measured
// 20 of 20 is not a rate of 1: with 0.95 it is at least 0.86.
double least_rate(const Rate& rate, double confidence);

// So many passes in a row a kernel that fails at this rate shows with a
// probability of at most 1 - confidence. rate: above 0, at most 1; confidence:
// above 0, below 1. Never less than 1; saturates at the largest value.
std::uint64_t trials_for(double confidence, double rate);

// What so many passes and no failure say: the probability with which a kernel
// that fails at this rate would have shown a failure.
double confidence_of(std::uint64_t passes, double rate);

} // namespace dmarace::vm
