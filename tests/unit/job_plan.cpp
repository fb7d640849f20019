// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load.hpp"
#include "job/plan.hpp"

#include <gmock/gmock.h>

namespace dmarace::job {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Job job_of(const std::string& text) {
    auto job = load("name = \"j\"\nsummary = \"s\"\n" + text, "j.toml");
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << to_text(diagnostic);
    return job.value_or(Job{});
}

std::vector<std::string> texts(const std::vector<Step>& steps) {
    std::vector<std::string> out;
    for (const auto& step : steps)
        out.push_back(step.text);
    return out;
}

constexpr const char* kClients = R"(
[params]
client  = { type = "device" }
clients = { type = "devices" }
n       = { type = "number", default = 2 }
[reset]
steps = ["unbind {clients}"]
[[actor]]
name = "a"
steps = ["wait go", "bind {client}", "wait bound:{client} 1s"]
[[rule]]
point = "probe_iommu_group"
dev = "{client}"
signal = "go"
wait_for = ["done:a", "bound:{client}"]
)";

TEST(Plan, FillsParametersIn) {
    const auto plan = make_plan(
        job_of(kClients), {{"client", {"pci/0000:00:02.0"}}, {"clients", {"pci/a", "pci/b"}}}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(texts(plan->reset), ElementsAre("unbind pci/a", "unbind pci/b"));
    EXPECT_THAT(texts(plan->actors.at(0).steps),
                ElementsAre("wait go", "bind pci/0000:00:02.0", "wait bound:pci/0000:00:02.0 1s"));
    EXPECT_THAT(plan->actors[0].steps[1].args, ElementsAre("pci/0000:00:02.0"));
    EXPECT_EQ(plan->rules.at(0).dev, "pci/0000:00:02.0");
    EXPECT_THAT(plan->rules[0].wait_for, ElementsAre("done:a", "bound:pci/0000:00:02.0"));
}

TEST(Plan, AnEmptyListLeavesTheStepOut) {
    const auto plan = make_plan(job_of(kClients), {{"client", {"pci/a"}}, {"clients", {}}}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_TRUE(plan->reset.empty());
}

TEST(Plan, AParameterWithoutAValueIsAUsageError) {
    const auto plan = make_plan(job_of(kClients), {{"clients", {}}}, {});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().fault, Fault::usage);
    EXPECT_THAT(plan.error().message, HasSubstr("j.toml:5:1: parameter {client} has no value"));
    EXPECT_THAT(plan.error().message, HasSubstr("--set client=VALUE"));
}

TEST(Plan, AParameterNobodyDefinedIsAUsageError) {
    const auto plan = make_plan(job_of(kClients), {{"klient", {"x"}}}, {});
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr("no parameter 'klient'"));
}

TEST(Plan, OneValueIsNotTwo) {
    const auto plan =
        make_plan(job_of(kClients), {{"client", {"pci/a", "pci/b"}}, {"clients", {}}}, {});
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr("takes one value, not 2"));
}

TEST(Plan, AValueThatIsNoWordOfItsKindIsRefused) {
    const auto plan = make_plan(job_of(kClients), {{"client", {"../etc"}}, {"clients", {}}}, {});
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().fault, Fault::usage);
    EXPECT_THAT(plan.error().message, HasSubstr("is no device"));
}

TEST(Plan, ARepeatIsWrittenOut) {
    const auto plan = make_plan(job_of(R"(
[params]
n = { type = "number", default = 2 }
[[actor]]
name = "a"
steps = ["walk", { repeat = "{n}", steps = ["audit", { repeat = 2, steps = ["sleep 1ms"] }] }]
)"),
                                {{"n", {"2"}}}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(
        texts(plan->actors.at(0).steps),
        ElementsAre("walk", "audit", "sleep 1ms", "sleep 1ms", "audit", "sleep 1ms", "sleep 1ms"));
}

TEST(Plan, ARepeatHasABound) {
    const auto plan = make_plan(job_of(R"(
[[actor]]
name = "a"
steps = [{ repeat = 10000, steps = [{ repeat = 10000, steps = ["walk"] }] }]
)"),
                                {}, {});
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr("more than 20000 steps"));
}

TEST(Plan, ARuleWithAListBecomesOneEach) {
    const auto plan = make_plan(job_of(R"(
[params]
clients = { type = "devices", default = ["pci/a", "pci/b"] }
[[actor]]
name = "a"
steps = ["walk"]
[[rule]]
name = "r"
point = "probe_iommu_group"
dev = "{clients}"
delay = "1ms"
)"),
                                {}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->rules.size(), 2U);
    EXPECT_EQ(plan->rules[0].name, "r");
    EXPECT_EQ(plan->rules[0].dev, "pci/a");
    EXPECT_EQ(plan->rules[1].name, "r.2");
    EXPECT_EQ(plan->rules[1].dev, "pci/b");
}

TEST(Plan, MoreRulesThanTheModuleHoldsAreRefused) {
    std::vector<std::string> many(200, "pci/x");
    const auto plan = make_plan(job_of(R"(
[params]
clients = { type = "devices" }
[[actor]]
name = "a"
steps = ["walk"]
[[rule]]
point = "probe_iommu_group"
dev = "{clients}"
delay = "1ms"
)"),
                                {{"clients", many}}, {});
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr("200 rules; the module holds 128"));
}

TEST(Plan, AStepSignalBeyondTheStepsIsRefused) {
    const auto plan = make_plan(job_of(R"(
[[actor]]
name = "a"
steps = ["walk"]
[[actor]]
name = "b"
steps = ["wait step:a:2"]
)"),
                                {}, {});
    ASSERT_FALSE(plan);
    EXPECT_THAT(plan.error().message, HasSubstr("'step:a:2' never comes: a has 1 steps"));
}

Inventory two_groups() {
    return {{{3, "DMA-FQ", {{"pci/b", "nvme", false}, {"pci/c", "pcieport", true}}},
             {1, "DMA", {{"pci/a", "e1000e", false}}}}};
}

TEST(TypeStorm, TakesEveryOrderedPairOfEveryGroup) {
    const auto plan = make_plan(job_of("[type]\n"), {}, two_groups());
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->actors.size(), 1U);
    EXPECT_EQ(plan->actors[0].name, "writer");
    const auto steps = texts(plan->actors[0].steps);
    // 12 pairs of 5 steps, and back to the first type with 4, for each group.
    ASSERT_EQ(steps.size(), 2U * (12 * 5 + 4));
    EXPECT_EQ(steps[0], "unbind pci/a");
    EXPECT_EQ(steps[1], "type 1 DMA");
    EXPECT_EQ(steps[2], "type 1 DMA-FQ");
    EXPECT_EQ(steps[3], "bind pci/a e1000e");
    EXPECT_EQ(steps[4], "settle") << "a driver may go on probing after bind returned";
    EXPECT_EQ(steps[61], "type 1 DMA") << "the group ends with the type it had";
    EXPECT_EQ(steps[64], "unbind pci/b") << "and drivers that manage their DMA stay bound";
    EXPECT_EQ(steps[steps.size() - 2], "bind pci/b nvme");
    std::set<std::string> pairs;
    for (std::size_t i = 0; i + 1 < 64; ++i)
        if (steps[i].starts_with("type 1") && steps[i + 1].starts_with("type 1"))
            pairs.insert(steps[i] + " " + steps[i + 1]);
    EXPECT_EQ(pairs.size(), 12U);
}

TEST(TypeStorm, OneGroupByNumberOrParameter) {
    for (const char* groups : {"groups = 3\n", "groups = \"3\"\n"}) {
        const auto plan = make_plan(job_of("[type]\n" + std::string(groups)), {}, two_groups());
        ASSERT_TRUE(plan);
        EXPECT_EQ(plan->actors[0].steps.size(), 64U);
    }
    const auto plan =
        make_plan(job_of("[params]\ng = { type = \"group\" }\n[type]\ngroups = \"{g}\"\n"),
                  {{"g", {"1"}}}, two_groups());
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->actors[0].steps[1].text, "type 1 DMA");
}

TEST(TypeStorm, WithTheDriversKept) {
    const auto plan = make_plan(
        job_of("[type]\ntypes = [\"DMA\", \"identity\"]\ndriver = \"keep\"\ngroups = 1\n"), {},
        two_groups());
    ASSERT_TRUE(plan);
    EXPECT_THAT(texts(plan->actors[0].steps),
                ElementsAre("type 1 DMA", "type 1 identity", "type 1 identity", "type 1 DMA",
                            "type 1 DMA"));
}

TEST(TypeStorm, NoGroupIsUntestable) {
    const auto none = make_plan(job_of("[type]\n"), {}, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().fault, Fault::untestable);
    const auto other = make_plan(job_of("[type]\ngroups = 9\n"), {}, two_groups());
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().fault, Fault::untestable);
    EXPECT_THAT(other.error().message, HasSubstr("group 9"));
}

TEST(FilledAllow, NamesTheDevicesThatTheBoardChose) {
    Job job;
    job.allow = {
        {"hang", "{clients}", "r", {}}, {"crash", "pci/x", "r", {}}, {"hang", "{no}", "r", {}}};
    const auto filled = filled_allow(job, {{"clients", {"pci/a", "pci/b"}}});
    ASSERT_EQ(filled.size(), 3U);
    EXPECT_EQ(filled[0].device, "pci/a");
    EXPECT_EQ(filled[1].device, "pci/b");
    EXPECT_EQ(filled[2].device, "pci/x");
}

TEST(Touched, IsWhatTheGuardHasToAllow) {
    const auto plan = make_plan(job_of(R"(
[params]
client = { type = "device", default = "pci/c" }
[reset]
steps = ["unbind pci/a", "expect bound pci/z", "audit pci/y"]
[[actor]]
name = "a"
steps = ["bind {client}", "type 3 DMA", "type pci/a DMA", "remove pci/d", "sleep 1s", "remove behind iommu"]
)"),
                                {}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(touched_by(*plan).devices, ElementsAre("pci/a", "pci/c", "pci/d"));
    EXPECT_THAT(touched_by(*plan).groups, ElementsAre("3"));
}

TEST(WithoutHolds, LeavesOutWhatParksAndKeepsTheStepNumbers) {
    const auto plan = make_plan(job_of(R"(
[[actor]]
name = "a"
steps = ["wait held", "walk", "wait seen", "wait mine", "wait done:b"]
[[actor]]
name = "b"
steps = ["signal mine"]
[[rule]]
name = "hold"
point = "probe_iommu_group"
signal = "held"
wait_for = "done:a"
[[rule]]
name = "slow"
point = "probe_iommu_group"
delay = "1ms"
[[rule]]
name = "watch"
point = "probe_iommu_group"
signal = "seen"
)"),
                                {}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    const Plan quiet = without_holds(*plan);
    ASSERT_EQ(quiet.rules.size(), 1U);
    EXPECT_EQ(quiet.rules[0].name, "watch");
    const auto& steps = quiet.actors.at(0).steps;
    ASSERT_EQ(steps.size(), 5U);
    EXPECT_EQ(steps[0].verb, Verb::sleep);
    EXPECT_THAT(steps[0].args, ElementsAre("0s"));
    EXPECT_EQ(steps[0].text, "wait held (no holds)");
    EXPECT_EQ(steps[2].verb, Verb::sleep) << "a rule's signal, held or not";
    EXPECT_EQ(steps[3].verb, Verb::wait) << "the job's own signal still counts";
    EXPECT_EQ(steps[4].verb, Verb::wait);
}

} // namespace
} // namespace dmarace::job
