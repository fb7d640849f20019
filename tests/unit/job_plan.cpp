// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/plan.hpp"
#include "job_support.hpp"

namespace dmarace::job {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The plan of a job that has to have one, and why another has none.
Plan plan_of(const std::string& text, const Bindings& bindings = {},
             const Inventory& inventory = {}) {
    auto plan = make_plan(job_of(kPlain + text, "j.toml"), bindings, inventory);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? *plan : Plan{};
}

Error no_plan(const std::string& text, const Bindings& bindings = {},
              const Inventory& inventory = {}) {
    const auto plan = make_plan(job_of(kPlain + text, "j.toml"), bindings, inventory);
    EXPECT_FALSE(plan);
    return plan ? Error{} : plan.error();
}

std::vector<std::string> texts(const std::vector<Step>& steps) {
    return texts_of(steps, &Step::text);
}

// An actor 'a' that walks.
const std::string kWalk = actor_of("a", "\"walk\"");

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
    const auto plan =
        plan_of(kClients, {{"client", {"pci/0000:00:02.0"}}, {"clients", {"pci/a", "pci/b"}}});
    EXPECT_THAT(texts(plan.reset), ElementsAre("unbind pci/a", "unbind pci/b"));
    EXPECT_THAT(texts(plan.actors.at(0).steps),
                ElementsAre("wait go", "bind pci/0000:00:02.0", "wait bound:pci/0000:00:02.0 1s"));
    EXPECT_THAT(plan.actors[0].steps[1].args, ElementsAre("pci/0000:00:02.0"));
    EXPECT_EQ(plan.rules.at(0).dev, "pci/0000:00:02.0");
    EXPECT_THAT(plan.rules[0].wait_for, ElementsAre("done:a", "bound:pci/0000:00:02.0"));
}

TEST(Plan, AnEmptyListLeavesTheStepOut) {
    const auto plan = plan_of(kClients, {{"client", {"pci/a"}}, {"clients", {}}});
    EXPECT_TRUE(plan.reset.empty());
}

TEST(Plan, WhatTheParametersBecomeIsCheckedAsUsage) {
    const std::pair<Bindings, const char*> cases[] = {
        {{{"clients", {}}},
         "j.toml:5:1: parameter {client} has no value; give it with --set client=VALUE"},
        {{{"klient", {"x"}}}, "no parameter 'klient'"},
        {{{"client", {"pci/a", "pci/b"}}, {"clients", {}}}, "takes one value, not 2"},
        {{{"client", {"../etc"}}, {"clients", {}}}, "is no device"}};
    for (const auto& [bindings, message] : cases) {
        const auto error = no_plan(kClients, bindings);
        EXPECT_EQ(error.fault, Fault::usage);
        EXPECT_THAT(error.message, HasSubstr(message));
    }
}

TEST(Plan, ARepeatIsWrittenOut) {
    const auto plan = plan_of("[params]\nn = { type = \"number\", default = 2 }\n" +
                                  actor_of("a", R"("walk", { repeat = "{n}", steps = ["audit",
                             { repeat = 2, steps = ["sleep 1ms"] }] })"),
                              {{"n", {"2"}}});
    EXPECT_THAT(
        texts(plan.actors.at(0).steps),
        ElementsAre("walk", "audit", "sleep 1ms", "sleep 1ms", "audit", "sleep 1ms", "sleep 1ms"));
}

TEST(Plan, ARepeatUntilASignalIsItsRoundAndTheWayBack) {
    const std::string audits = R"({ repeat = "until go 5s", steps = ["audit", "sleep 1ms"] })";
    const auto plan = plan_of(
        actor_of("a", R"("walk", )" + audits) +
        actor_of("b", R"({ repeat = "until done:a", steps = ["signal go", )" + audits + "] }"));
    const auto& a = plan.actors.at(0).steps;
    EXPECT_THAT(texts(a),
                ElementsAre("walk", "audit", "sleep 1ms", "repeat until go 5s, from step 2"));
    EXPECT_EQ(a.back().back, 2U);
    const auto& b = plan.actors.at(1).steps;
    EXPECT_EQ(b.back().text, "repeat until done:a, from step 1");
    EXPECT_EQ(b.back().back, 4U);
}

TEST(Plan, ARepeatOfNothingIsNoStep) {
    const auto plan = plan_of(
        "[params]\nclients = { type = \"devices\" }\n" +
            actor_of("a", R"("walk", { repeat = "until added:x", steps = ["audit {clients}"] })"),
        {{"clients", {}}});
    EXPECT_THAT(texts(plan.actors.at(0).steps), ElementsAre("walk"));
}

TEST(Plan, ARepeatHasABound) {
    const auto error = no_plan(
        actor_of("a", R"({ repeat = 10000, steps = [{ repeat = 10000, steps = ["walk"] }] })"));
    EXPECT_THAT(error.message, HasSubstr("more than 20000 steps"));
}

const std::string kSlowClients =
    "point = \"probe_iommu_group\"\ndev = \"{clients}\"\ndelay = \"1ms\"\n";

TEST(Plan, ARuleWithAListBecomesOneEach) {
    const auto plan =
        plan_of("[params]\n"
                "clients = { type = \"devices\", default = [\"pci/a\", \"pci/b\"] }\n" +
                kWalk + "[[rule]]\nname = \"r\"\n" + kSlowClients);
    ASSERT_EQ(plan.rules.size(), 2U);
    EXPECT_EQ(plan.rules[0].name, "r");
    EXPECT_EQ(plan.rules[0].dev, "pci/a");
    EXPECT_EQ(plan.rules[1].name, "r.2");
    EXPECT_EQ(plan.rules[1].dev, "pci/b");
}

TEST(Plan, MoreRulesThanTheModuleHoldsAreRefused) {
    std::vector<std::string> many(200, "pci/x");
    const auto error = no_plan("[params]\nclients = { type = \"devices\" }\n" + kWalk +
                                   "[[rule]]\n" + kSlowClients,
                               {{"clients", many}});
    EXPECT_THAT(error.message, HasSubstr("200 rules; the module holds 128"));
}

TEST(Plan, AStepSignalBeyondTheStepsIsRefused) {
    const auto error = no_plan(kWalk + actor_of("b", "\"wait step:a:2\""));
    EXPECT_THAT(error.message, HasSubstr("'step:a:2' never comes: a has 1 steps"));
}

Inventory two_groups() {
    using Device = Inventory::Device;
    return {{{3,
              "DMA-FQ",
              {Device{.name = "pci/b", .driver = "nvme", .iommu = {"smmu3.0", "arm-smmu-v3"}},
               Device{.name = "pci/c", .driver = "pcieport", .managed = true, .endpoint = false}}},
             {1, "DMA", {Device{.name = "pci/a", .driver = "e1000e", .virtual_functions = 4}}}}};
}

// The numbers of the groups that an actor works on.
std::vector<unsigned> groups_of(const Actor& actor) {
    std::vector<unsigned> out;
    for (const auto index : actor.steps.at(0).work->mine)
        out.push_back(actor.steps.at(0).work->groups->at(index).number);
    return out;
}

Plan storm_of(const std::string& keys) { return plan_of("[type]\n" + keys, {}, two_groups()); }

std::vector<std::string> names_of(const Plan& plan) { return texts_of(plan.actors, &Actor::name); }

TEST(TypeStorm, OneWriterTakesAllGroupsInOrder) {
    const auto plan = storm_of("");
    ASSERT_EQ(plan.actors.size(), 1U);
    EXPECT_EQ(plan.actors[0].name, "writer");
    EXPECT_THAT(groups_of(plan.actors[0]), ElementsAre(1, 3));
    const auto& work = *plan.actors[0].steps.at(0).work;
    EXPECT_EQ(work.order, types::TypeOrder::pairs);
    EXPECT_EQ(work.driver, types::TypeDriver::rebind);
    EXPECT_TRUE(work.alone);
    EXPECT_EQ(plan.actors[0].steps[0].text,
              "type groups 1 3: DMA DMA-FQ identity auto, every ordered pair, drivers unbound and "
              "bound again around each change");
}

TEST(TypeStorm, GroupsAreSelectedByWhatTheyAre) {
    const std::pair<const char*, unsigned> cases[] = {
        {"groups = 3\n", 3},
        {"groups = \"3\"\n", 3},
        {"groups = [\"1\", \"9\"]\n", 1},
        {"devices = [\"pci/a\"]\n", 1},
        {"devices = [\"c\"]\n", 3},
        {"drivers = [\"nvme\"]\n", 3},
        {"iommu = \"arm-smmu-v3\"\n", 3},
        {"iommu = \"smmu3.0\"\n", 3},
        {"size = 1\n", 1},
        {"size = \"2..\"\n", 3},
        {"size = \"1..1\"\n", 1},
        {"size = \"1..2\"\ndrivers = [\"e1000e\", \"virtio-pci\"]\n", 1}};
    for (const auto& [keys, group] : cases)
        EXPECT_THAT(groups_of(storm_of(keys).actors.at(0)), ElementsAre(group)) << keys;
}

TEST(TypeStorm, WhatIsToBeNamedIsLeftOutWhereItIsNot) {
    auto groups = two_groups();
    groups.groups[0].named_only = true;
    const auto numbers = [&](const std::string& keys) {
        return groups_of(plan_of("[type]\n" + keys, {}, groups).actors.at(0));
    };
    EXPECT_THAT(numbers(""), ElementsAre(1));
    EXPECT_THAT(numbers("size = \"1..\"\n"), ElementsAre(1));
    EXPECT_THAT(numbers("groups = 3\n"), ElementsAre(3));
    EXPECT_THAT(numbers("drivers = [\"nvme\"]\n"), ElementsAre(3));
    EXPECT_THAT(numbers("devices = [\"pci/b\"]\n"), ElementsAre(3));
    EXPECT_THAT(texts(plan_of(actor_of("a", "\"type all DMA\""), {}, groups).actors[0].steps),
                ElementsAre("type pci/a DMA"));
    groups.groups.pop_back();
    EXPECT_THAT(no_plan("[type]\n", {}, groups).message, HasSubstr("--all-clients"));
}

TEST(TypeStorm, AParameterMaySelect) {
    const auto plan = plan_of("[params]\ng = { type = \"group\" }\n[type]\ngroups = \"{g}\"\n",
                              {{"g", {"1"}}}, two_groups());
    EXPECT_THAT(groups_of(plan.actors[0]), ElementsAre(1));
}

TEST(TypeStorm, AnEmptyListSelectsNothing) {
    const auto error = no_plan("[params]\nd = { type = \"devices\" }\n[type]\ndevices = \"{d}\"\n",
                               {{"d", {}}}, two_groups());
    EXPECT_EQ(error.fault, Fault::untestable);
}

TEST(TypeStorm, WritersAreOnTheSameGroupsOrSplitThem) {
    const auto same = storm_of("writers = 2\n");
    EXPECT_THAT(names_of(same), ElementsAre("writer", "writer2"));
    EXPECT_THAT(groups_of(same.actors[1]), ElementsAre(1, 3));
    EXPECT_FALSE(same.actors[0].steps[0].work->alone);
    const auto split = storm_of("writers = 2\nshare = \"split\"\n");
    EXPECT_THAT(groups_of(split.actors[0]), ElementsAre(1));
    EXPECT_THAT(groups_of(split.actors[1]), ElementsAre(3));
    EXPECT_NE(split.actors[0].steps[0].work->number, split.actors[1].steps[0].work->number);
    const auto many = no_plan("[type]\nwriters = 3\nshare = \"split\"\n", {}, two_groups());
    EXPECT_THAT(many.message, HasSubstr("3 writers cannot share 2 groups"));
}

TEST(TypeStorm, WhatGoesOnBesideHasActorsOfItsOwn) {
    const auto plan =
        storm_of("types = [\"DMA\", \"identity\"]\n"
                 "beside = [\"bind\", \"remove\", \"sriov\", \"reserved-regions\"]\n");
    EXPECT_THAT(names_of(plan), ElementsAre("writer", "binder", "remover", "vf-maker", "reader"));
    EXPECT_THAT(groups_of(plan.actors[1]), ElementsAre(1, 3));
    EXPECT_THAT(groups_of(plan.actors[3]), ElementsAre(1)) << "only one device has SR-IOV";
    const auto none = no_plan("[type]\nbeside = \"sriov\"\ngroups = 3\n", {}, two_groups());
    EXPECT_EQ(none.fault, Fault::untestable);
    EXPECT_THAT(none.message, HasSubstr("no device of these groups has SR-IOV"));
}

TEST(TypeStorm, NoGroupIsUntestable) {
    const auto none = no_plan("[type]\n");
    EXPECT_EQ(none.fault, Fault::untestable);
    const auto other = no_plan("[type]\ngroups = 9\nsize = 1\n", {}, two_groups());
    EXPECT_EQ(other.fault, Fault::untestable);
    EXPECT_THAT(other.message, HasSubstr("groups 9, size 1"));
}

TEST(TypeStep, OneForEachGroupThatIsMeant) {
    const auto plan = plan_of(actor_of("a", R"("type all DMA", "type driver nvme identity",
                                               "type size 1 auto", "type iommu smmu3.0 DMA")"),
                              {}, two_groups());
    EXPECT_THAT(texts(plan.actors[0].steps),
                ElementsAre("type pci/a DMA", "type pci/b DMA", "type pci/b identity",
                            "type pci/a auto", "type pci/b DMA"));
    const auto none = no_plan(actor_of("a", "\"type driver x DMA\""), {}, two_groups());
    EXPECT_EQ(none.fault, Fault::untestable);
}

TEST(FilledAllow, NamesTheDevicesThatTheBoardChose) {
    using enum catalogue::FailureKind;
    Job job;
    job.allow = {{hang, "{clients}", "", "r"}, {crash, "pci/x", "", "r"}, {hang, "{no}", "", "r"}};
    const std::vector<Allow> board{{hang, "pci/y", "", "known of it"}};
    EXPECT_THAT(
        texts_of(filled_allow(job, {{"clients", {"pci/a", "pci/b"}}}, board), &Allow::device),
        ElementsAre("pci/y", "pci/a", "pci/b", "pci/x"));
}

TEST(Touched, IsWhatTheGuardHasToAllow) {
    const auto plan = plan_of(R"(
[params]
client = { type = "device", default = "pci/c" }
[reset]
steps = ["unbind pci/a", "expect bound pci/z", "audit pci/y"]
)" + actor_of("a", R"("bind {client}", "type 3 DMA", "type pci/a DMA", "remove pci/d", "sleep 1s",
                      "remove behind iommu")"));
    EXPECT_THAT(touched_by(plan).devices, ElementsAre("pci/a", "pci/c", "pci/d"));
    EXPECT_THAT(touched_by(plan).groups, ElementsAre("3"));
}

TEST(WithoutHolds, LeavesOutWhatParksAndKeepsTheStepNumbers) {
    const auto rule = [](const std::string& name, const std::string& keys) {
        return "[[rule]]\nname = \"" + name + "\"\npoint = \"probe_iommu_group\"\n" + keys;
    };
    const auto plan =
        plan_of(actor_of("a", R"("wait held", "walk", "wait seen", "wait mine", "wait done:b")") +
                actor_of("b", R"("signal mine")") +
                rule("hold", "signal = \"held\"\nwait_for = \"done:a\"\n") +
                rule("slow", "delay = \"1ms\"\n") + rule("watch", "signal = \"seen\"\n"));
    const Plan quiet = without_holds(plan);
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

// The line of a rule that a job says with these keys.
std::string line_of(const std::string& keys) {
    const auto job = job_of(kPlain + "rule = [{ " + keys + " }]\n" + actor_of("walk", "") +
                            actor_of("client", ""));
    return to_text(to_rule_line(job.rules.at(0)));
}

TEST(RuleLine, OfAHold) {
    EXPECT_EQ(line_of("name = 'window', point = 'of_iommu_configure', on = 'exit', "
                      "actor = 'walk', dev = 'pci/0000:00:02.0', nth = 1, signal = 'in-window', "
                      "wait_for = ['done:client', 'blocked:client'], timeout = '2s'"),
              "rule name=window point=of_iommu_configure on=exit dev=pci/0000:00:02.0 actor=walk "
              "nth=1 signal=in-window wait_for=done:client,blocked:client timeout=2s");
}

TEST(RuleLine, OfADelay) {
    const std::string slow = "name = 'slow', point = 'iommu_probe_device', probability = 50, "
                             "optional = true, ";
    EXPECT_EQ(line_of(slow + "delay = '0ms..20ms'"),
              "rule name=slow point=iommu_probe_device on=enter probability=50 delay=0s..20ms "
              "optional=1");
    EXPECT_EQ(line_of(slow + "delay = '5us'"),
              "rule name=slow point=iommu_probe_device on=enter probability=50 delay=5us "
              "optional=1");
}

TEST(RuleLine, HasEveryWordOfTheContract) {
    EXPECT_EQ(line_of("name = 'all', point = 'some_function', on = 'exit', dev = 'pci/x', "
                      "group = 3, task = 'kworker/*', actor = 'walk', from = 'caller', nth = 2, "
                      "ret = -19, probability = 10, interval = 3, times = 4, space = 5, "
                      "delay = '1ms', signal = 's', wait_for = ['t'], timeout = '250ms', "
                      "return = -12, optional = true, unsafe = true, arg = 1"),
              "rule name=all point=some_function on=exit dev=pci/x group=3 task=kworker/* "
              "actor=walk from=caller nth=2 ret=-19 probability=10 interval=3 times=4 space=5 "
              "delay=1ms signal=s wait_for=t timeout=250ms return=-12 optional=1 unsafe=1 arg=1");
}

using namespace std::chrono_literals;

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
