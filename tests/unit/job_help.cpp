// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/help.hpp"
#include "job/load.hpp"
#include "job/plan.hpp"

#include <gmock/gmock.h>

namespace dmarace::job {
namespace {

using testing::HasSubstr;

constexpr const char* kJob = R"(name    = "late-probe"
summary = "A client binds"
source  = "a thread"
risk    = "taint"
needs   = ["pci-client"]
[params]
client  = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "who binds" }
drivers = { type = "modules", pick = "driver-of {client}" }
n       = { type = "number", default = 3 }
word    = { type = "text" }
[reset]
steps = ["settle"]
[[actor]]
name  = "walk"
steps = [{ repeat = 2, steps = ["walk"] }]
[[rule]]
point    = "of_iommu_configure"
on       = "exit"
actor    = "walk"
dev      = "{client}"
nth      = 1
signal   = "in"
wait_for = ["done:walk", "blocked:walk"]
[[rule]]
point = "probe_iommu_group"
delay = "1ms..5ms"
probability = 50
optional = true
[type]
)";

Job job() {
    return load(kJob, "f").value_or(Job{});
}

TEST(JobHelp, TellsItAll) {
    const std::string text = job_help(job());
    for (const char* part :
         {"late-probe: A client binds\n", "Source: a thread\n", "Risk: taint (may leave warnings",
          "Needs: pci-client\n", "DMA expected: baseline", "Iterations: 20 unless",
          "  client      device    on bus pci, behind an IOMMU, picked: one that nothing",
          "              who binds\n", "picked: the drivers of {client}\n", "default 3\n",
          "  word        text      must be given\n", "Reset, before each iteration:\n  settle\n",
          "Actor walk:\n  repeat 2\n    walk\n", "Actor writer: groups all",
          "  hold at exit of of_iommu_configure in actor walk for {client}, hit 1, raising in, "
          "until "
          "done:walk or blocked:walk, 2s at most\n",
          "  delay at enter of probe_iommu_group, in 50% of the hits, for 1ms..5ms; optional\n"})
        EXPECT_THAT(text, HasSubstr(part));
}

TEST(PlanText, IsEveryStepAndRule) {
    const auto plan = make_plan(job(), {{"client", {"pci/a"}}, {"drivers", {}}, {"word", {"w"}}},
                                {{{1, "DMA", {}}}});
    ASSERT_TRUE(plan) << plan.error().message;
    const std::string text = plan_text(*plan);
    EXPECT_TRUE(
        text.starts_with("reset\n  1   settle\nactor walk\n  1   walk\n  2   walk\nactor writer\n"))
        << text;
    EXPECT_THAT(text,
                HasSubstr("rules\n  rule name=of_iommu_configure point=of_iommu_configure on=exit "
                          "dev=pci/a actor=walk nth=1 signal=in "
                          "wait_for=done:walk,blocked:walk timeout=2s\n"));
    EXPECT_TRUE(text.ends_with("expect dma baseline\n"));
}

} // namespace
} // namespace dmarace::job
