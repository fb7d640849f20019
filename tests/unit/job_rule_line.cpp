// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/plan.hpp"

#include <gtest/gtest.h>

namespace dmarace::job {
namespace {

using namespace std::chrono_literals;

TEST(RuleLine, OfAHold) {
    Rule rule;
    rule.name = "window";
    rule.point = "of_iommu_configure";
    rule.on = "exit";
    rule.actor = "walk";
    rule.dev = "pci/0000:00:02.0";
    rule.nth = 1;
    rule.signal = "in-window";
    rule.wait_for = {"done:client", "blocked:client"};
    rule.timeout = 2s;
    EXPECT_EQ(to_text(to_rule_line(rule)),
              "rule name=window point=of_iommu_configure on=exit dev=pci/0000:00:02.0 actor=walk "
              "nth=1 signal=in-window wait_for=done:client,blocked:client timeout=2s");
}

TEST(RuleLine, OfADelay) {
    Rule rule;
    rule.name = "slow";
    rule.point = "iommu_probe_device";
    rule.delay = DurationRange{0ms, 20ms};
    rule.probability = 50;
    rule.optional = true;
    EXPECT_EQ(to_text(to_rule_line(rule)), "rule name=slow point=iommu_probe_device on=enter "
                                           "probability=50 delay=0s..20ms optional=1");
    rule.delay = DurationRange{5us, 5us};
    EXPECT_EQ(to_rule_line(rule).get("delay"), "5us");
}

TEST(RuleLine, HasEveryWordOfTheContract) {
    Rule rule;
    rule.name = "all";
    rule.point = "some_function";
    rule.on = "exit";
    rule.dev = "pci/x";
    rule.group = "3";
    rule.task = "kworker/*";
    rule.actor = "a";
    rule.from = "caller";
    rule.nth = 2;
    rule.ret = -19;
    rule.probability = 10;
    rule.interval = 3;
    rule.times = 4;
    rule.space = 5;
    rule.delay = DurationRange{1ms, 1ms};
    rule.signal = "s";
    rule.wait_for = {"t"};
    rule.timeout = 250ms;
    rule.override_return = -12;
    rule.optional = true;
    rule.unsafe = true;
    rule.arg = 1;
    EXPECT_EQ(to_text(to_rule_line(rule)),
              "rule name=all point=some_function on=exit dev=pci/x group=3 task=kworker/* actor=a "
              "from=caller nth=2 ret=-19 probability=10 interval=3 times=4 space=5 delay=1ms "
              "signal=s wait_for=t timeout=250ms return=-12 optional=1 unsafe=1 arg=1");
}

TEST(RuleLine, AHoldWithoutATimeoutGetsTheDefault) {
    Rule rule;
    rule.point = "p";
    rule.wait_for = {"s"};
    EXPECT_EQ(to_rule_line(rule).get("timeout"), "2s");
}

TEST(RuleLine, HasNoUnitAboveTheSecond) {
    Rule rule;
    rule.point = "p";
    rule.delay = DurationRange{60s, 3600s};
    EXPECT_EQ(to_rule_line(rule).get("delay"), "60s..3600s");
}

} // namespace
} // namespace dmarace::job
