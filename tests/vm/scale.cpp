// SPDX-License-Identifier: GPL-2.0-or-later
// Many simulated devices on a board that has no IOMMU of its own.
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;

constexpr const char* kProgram = "tests/guest/sim_scale";
const std::vector<std::string> kDmarace{"orchestrator/commands/dmarace"};

TEST(ThousandClients, take_time_and_memory_in_proportion) {
    Guest guest;
    EXPECT_EQ(guest.run("sim", "debian:6.12", {"/usr/bin/dmarace", "500", "4"}, kProgram, kDmarace),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("linear: "));
}

TEST(ThousandClients, a_type_storm_explains_every_write) {
    Guest guest;
    EXPECT_EQ(guest.run("sim", "debian:6.12",
                        {"/usr/bin/dmarace", "run",
                         DMARACE_SOURCE_DIR "/tests/guest/sim-storm.toml", "1000"},
                        kProgram, kDmarace),
              0);
    const auto writes = guest.result()["type_writes"];
    EXPECT_EQ(writes["unexplained"], 0) << writes;
    EXPECT_GT(writes["explained"], 1000) << writes;
}

} // namespace
} // namespace dmarace::test
