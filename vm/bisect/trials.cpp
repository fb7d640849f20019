// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/trials.hpp"

#include <cmath>
#include <limits>

namespace dmarace::vm {
namespace {

// P(X >= failures) for X of a binomial distribution, by its logarithms: n may be
// some thousands.
double probability_of_at_least(const Rate& rate, double p) {
    double sum = 0;
    for (unsigned k = rate.failures; k <= rate.trials; ++k) {
        const double ways = std::lgamma(rate.trials + 1.0) - std::lgamma(k + 1.0) -
                            std::lgamma(rate.trials - k + 1.0);
        sum += std::exp(ways + k * std::log(p) + (rate.trials - k) * std::log1p(-p));
    }
    return sum;
}

} // namespace

double least_rate(const Rate& rate, double confidence) {
    constexpr int kHalvings = 60; // of [0, 1]: more than a double can tell apart
    if (rate.failures == 0 || rate.trials == 0)
        return 0;
    const double doubt = 1 - confidence;
    if (rate.failures >= rate.trials)
        return std::pow(doubt, 1.0 / rate.trials);
    double low = 0, high = 1;
    for (int i = 0; i < kHalvings; ++i) {
        const double middle = (low + high) / 2;
        (probability_of_at_least(rate, middle) < doubt ? low : high) = middle;
    }
    return low;
}

std::uint64_t trials_for(double confidence, double rate) {
    constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
    if (rate >= 1)
        return 1;
    const double trials = std::ceil(std::log1p(-confidence) / std::log1p(-rate));
    if (!(trials < static_cast<double>(kMost)))
        return kMost;
    return trials < 1 ? 1 : static_cast<std::uint64_t>(trials);
}

double confidence_of(std::uint64_t passes, double rate) {
    if (passes == 0)
        return 0;
    return rate >= 1 ? 1 : -std::expm1(static_cast<double>(passes) * std::log1p(-rate));
}

} // namespace dmarace::vm
