// SPDX-License-Identifier: GPL-2.0-or-later
#include "growth.hpp"

#include <algorithm>

namespace dmarace::test {

namespace {

constexpr double kRun = 10'000;

} // namespace

double growth(const std::vector<Sample>& samples, double Sample::*figure, double iterations) {
    std::vector<double> slopes;
    for (std::size_t i = samples.size() / 5; i < samples.size(); ++i)
        for (std::size_t j = i + 1; j < samples.size(); ++j)
            if (samples[j].iteration > samples[i].iteration)
                slopes.push_back((samples[j].*figure - samples[i].*figure) /
                                 (samples[j].iteration - samples[i].iteration));
    if (slopes.empty())
        return 0;
    const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
    std::nth_element(slopes.begin(), middle, slopes.end());
    return *middle * iterations;
}

// A kernel object leaked in each iteration is at least 64 bytes, so 640 KiB a
// run. dmarace keeps of each iteration what result.json needs, some 400 bytes.
const std::vector<Bound>& bounds() {
    static const std::vector<Bound> all{{"slab", &Sample::slab, 600},
                                        {"unreclaimable slab", &Sample::unreclaimable, 600},
                                        {"resident", &Sample::resident, 8192},
                                        {"descriptors", &Sample::descriptors, 0.5}};
    return all;
}

std::vector<std::string> faults_of(const std::vector<Sample>& samples) {
    std::vector<std::string> faults;
    for (const auto& bound : bounds())
        if (const auto grown = growth(samples, bound.figure, kRun); grown > bound.most)
            faults.push_back(std::string(bound.name) + " grows by " + std::to_string(grown) +
                             " in 10,000 iterations, at most " + std::to_string(bound.most) +
                             " is allowed");
    return faults;
}

} // namespace dmarace::test
