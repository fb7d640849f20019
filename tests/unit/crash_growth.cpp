// SPDX-License-Identifier: GPL-2.0-or-later
// What the test of 10,000 iterations calls growth.
#include "../crash/growth.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A hundred samples of a run that leaks so much in each iteration, and whose
// slab goes up and down as the kernel frees what it need not keep.
std::vector<Sample> run_that_leaks(double slab, double resident, double descriptors) {
    std::vector<Sample> samples;
    for (int i = 0; i < 100; ++i) {
        const double at = i * 100;
        const double warm = i < 15 ? i * 200.0 : 3000;
        const double noise = i % 7 * 90.0 - i % 3 * 70.0;
        samples.push_back({.iteration = at,
                           .slab = 60'000 + warm + noise + slab * at,
                           .unreclaimable = 20'000 + noise / 2,
                           .resident = 5'000 + resident * at,
                           .descriptors = 9 + descriptors * at});
    }
    return samples;
}

TEST(Growth, a_quiet_run_has_none) {
    EXPECT_THAT(faults_of(run_that_leaks(0, 0.4, 0)), IsEmpty());
}

TEST(Growth, an_object_of_64_bytes_in_each_iteration_is_seen) {
    EXPECT_THAT(faults_of(run_that_leaks(0.064, 0, 0)), ElementsAre(HasSubstr("slab grows by 6")));
}

TEST(Growth, so_is_a_kilobyte_in_each_iteration_of_dmarace) {
    EXPECT_THAT(faults_of(run_that_leaks(0, 1, 0)), ElementsAre(HasSubstr("resident")));
}

TEST(Growth, so_is_a_descriptor_in_a_thousand_iterations) {
    EXPECT_THAT(faults_of(run_that_leaks(0, 0, 0.001)), ElementsAre(HasSubstr("descriptors")));
}

TEST(Growth, one_peak_is_none) {
    auto samples = run_that_leaks(0, 0, 0);
    samples[90].slab += 50'000;
    EXPECT_THAT(faults_of(samples), IsEmpty());
}

} // namespace
} // namespace dmarace::test
