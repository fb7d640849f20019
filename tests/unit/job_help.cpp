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
          "Actor walk:\n  repeat 2\n    walk\n", "Actor writer: type groups (all): DMA",
          "  hold at exit of of_iommu_configure in actor walk for {client}, hit 1, raising in, "
          "until "
          "done:walk or blocked:walk, 2s at most\n",
          "  delay at enter of probe_iommu_group, in 50% of the hits, for 1ms..5ms; optional\n"})
        EXPECT_THAT(text, HasSubstr(part));
}

TEST(JobHelp, TellsWhatThisBoardWouldTake) {
    const std::string text =
        job_help(job(), {{"client", {"pci/a", "pci/b"}, "the first of 2"}}, "");
    EXPECT_THAT(text, HasSubstr("              who binds\n"
                                "              here: pci/a, pci/b (the first of 2)\n"));
    EXPECT_THAT(job_help(job(), {}, "Here: no IOMMU"), HasSubstr("\nHere: no IOMMU\n"));
}

bool has_all_but_acpi(std::string_view name) {
    return name.find("acpi") == std::string_view::npos;
}

DryRun dry_run_of(const Job& from) {
    DryRun dry;
    dry.plan = make_plan(from, {{"client", {"pci/a"}}, {"drivers", {}}, {"word", {"w"}}},
                         {{{1, "DMA", {}}}})
                   .value_or(Plan{});
    dry.iterations = "20 (the job's own number)";
    dry.seed = 7;
    dry.choices = {{"client", {"pci/a"}, "the first of 2"}, {"drivers", {}, "none fits"}};
    dry.refused = {"pci/b: mounted on /"};
    dry.changes = {"driver pci/a e1000e"};
    return dry;
}

TEST(DryRunText, IsAllThatWouldBeDone) {
    const std::string text = dry_run_text(job(), dry_run_of(job()), has_all_but_acpi);
    for (const char* part :
         {"late-probe: A client binds\n", "risk        taint: may leave warnings",
          "needs       pci-client: this board has it all\n",
          "iterations  20 (the job's own number), seed 7\n",
          "  client    pci/a\n            the first of 2\n",
          "  drivers   (none)\n            none fits\n",
          "\nthe guard refuses\n  pci/b: mounted on /\n",
          "\nreset, before each iteration\n   1  settle\n",
          "\nactor walk\n   1  walk\n   2  walk\n", "\nactor writer\n",
          "  of_iommu_configure: hold at exit of of_iommu_configure in actor walk for pci/a",
          "    function  of_iommu_configure\n    locks     none\n",
          "    as armed  rule name=of_iommu_configure point=of_iommu_configure on=exit dev=pci/a "
          "actor=walk nth=1 signal=in wait_for=done:walk,blocked:walk timeout=2s\n",
          "\nmay be changed, and is restored to\n  driver pci/a e1000e\n",
          "\nexpected\n  dma baseline: every judged device is as it was",
          "  judged: every device that has an IOMMU\n", "\nNothing was done.\n"})
        EXPECT_THAT(text, HasSubstr(part)) << text;
}

TEST(DryRunText, WithoutHoldsSaysSo) {
    auto dry = dry_run_of(job());
    dry.plan = without_holds(dry.plan);
    dry.holds = false;
    const std::string text = dry_run_text(job(), dry, has_all_but_acpi);
    EXPECT_THAT(text, HasSubstr("seed 7, without holds and delays\n"));
    EXPECT_THAT(text, HasSubstr("\nrules\n  none: those that hold or delay are left out\n"));
}

// The held task owns what its point says, of the device that the rule names.
TEST(DryRunText, NamesTheLocksOwnedThere) {
    auto dry = dry_run_of(job());
    dry.plan.rules.front().point = "iommu_setup_default_domain";
    EXPECT_THAT(dry_run_text(job(), dry, has_all_but_acpi),
                HasSubstr("    locks     the group mutex of pci/a\n"));
}

std::string at(const std::string& point, const HasSymbol& has) {
    Rule rule;
    rule.point = point;
    return armed_at(rule, has);
}

TEST(ArmedAt, TakesTheFirstPlainSymbolAndEveryOther) {
    const auto all = [](std::string_view) { return true; };
    const auto none = [](std::string_view) { return false; };
    EXPECT_EQ(at("of_iommu_configure", all), "of_iommu_configure and acpi_dma_configure_id");
    EXPECT_EQ(at("of_iommu_configure", has_all_but_acpi), "of_iommu_configure");
    EXPECT_EQ(at("iommu_release_device", all), "iommu_release_device");
    const auto newer = [](std::string_view name) { return name != "iommu_release_device"; };
    EXPECT_EQ(at("iommu_release_device", newer), "__iommu_group_remove_device");
    EXPECT_EQ(at("iommu_release_device", none),
              "absent: this kernel has no iommu_release_device, __iommu_group_remove_device");
    EXPECT_EQ(at("viommu_probe", none), "viommu_probe once module virtio_iommu is loaded");
    EXPECT_EQ(at("viommu_probe", all), "viommu_probe");
    EXPECT_EQ(at("iommu_setup_dma_ops.rmw", all),
              "the read-modify-write inside iommu_setup_dma_ops");
    EXPECT_EQ(at("iommu_setup_dma_ops.rmw", none),
              "absent: this kernel has no rmw:iommu_setup_dma_ops");
    EXPECT_EQ(at("iommu_ops.probe_device", none),
              "the probe_device operation of each IOMMU driver that has a device then");
    EXPECT_EQ(at("some_function+0x10", all), "some_function+0x10");
    EXPECT_EQ(at("some_function+0x10", none), "absent: this kernel has no function "
                                              "some_function+0x10");
}

} // namespace
} // namespace dmarace::job
