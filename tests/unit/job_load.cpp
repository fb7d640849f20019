// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/load.hpp"

#include <gmock/gmock.h>

#include <map>

namespace dmarace::job {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr const char* kFull = R"(name    = "late-probe"
summary = "A client binds while the bus walk has its lock open"
source  = "a thread"
risk    = "taint"
needs   = ["iommu-module", "pci-client"]
iterations = 7

[params]
client  = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "who" }
iommu   = { type = "module", pick = "iommu-driver" }
drivers = { type = "modules", pick = "driver-of {client}", default = ["a", "b"] }
pause   = { type = "duration", default = "2ms" }
n       = { type = "number", default = 3 }

[reset]
steps = ["autoprobe off", "remove behind {iommu}", "rmmod {iommu}", "expect unbound {client}"]

[[actor]]
name  = "walk"
steps = ["insmod {iommu} async debug=1", { repeat = "{n}", steps = ["sleep {pause}"] }]

[[actor]]
name  = "client"
steps = ["wait in-window", "try bind {client}"]

[[rule]]
name     = "window"
point    = "of_iommu_configure"
on       = "exit"
actor    = "walk"
dev      = "{client}"
nth      = 1
ret      = -19
signal   = "in-window"
wait_for = ["done:client", "blocked:client"]
timeout  = "500ms"

[[rule]]
point    = ["of_iommu_configure", "probe_iommu_group"]
delay    = "1ms..5ms"
probability = 50
interval = 2
times    = 3
space    = 4
optional = true

[[rule]]
point  = "any_function"
unsafe = true
arg    = 1
return = -12

[expect]
dma = "translated"
devices = ["{client}"]

[[allow]]
kind   = "kernel-warning"
device = "pci/0000:00:01.0"
reason = "known"
)";

Job full() {
    auto job = load(kFull, "full.toml");
    if (!job)
        for (const auto& diagnostic : job.error())
            ADD_FAILURE() << to_text(diagnostic);
    return job.value_or(Job{});
}

TEST(Load, TheHead) {
    const Job job = full();
    EXPECT_EQ(job.file, "full.toml");
    EXPECT_EQ(job.name, "late-probe");
    EXPECT_EQ(job.source, "a thread");
    EXPECT_EQ(job.risk, Risk::taint);
    EXPECT_THAT(job.needs, ElementsAre("iommu-module", "pci-client"));
    EXPECT_EQ(job.iterations, 7U);
    EXPECT_EQ(job.where.line, 1U);
}

TEST(Load, Parameters) {
    const Job job = full();
    ASSERT_EQ(job.params.size(), 5U);
    const auto find = [&](const std::string& name) {
        for (const auto& param : job.params)
            if (param.name == name)
                return param;
        return Param{};
    };
    EXPECT_EQ(find("client").type, ParamType::device);
    EXPECT_EQ(find("client").behind, "iommu");
    EXPECT_EQ(find("client").bus, "pci");
    EXPECT_EQ(find("client").help, "who");
    EXPECT_FALSE(find("client").value);
    EXPECT_EQ(find("drivers").value, "a,b");
    EXPECT_EQ(find("drivers").pick, "driver-of {client}");
    EXPECT_EQ(find("n").value, "3");
    EXPECT_EQ(find("pause").where.line, 12U);
}

TEST(Load, StepsAndTheirPlaces) {
    const Job job = full();
    ASSERT_EQ(job.reset.size(), 4U);
    EXPECT_EQ(job.reset[1].verb, Verb::remove);
    EXPECT_THAT(job.reset[1].args, ElementsAre("behind", "{iommu}"));
    ASSERT_EQ(job.actors.size(), 2U);
    const auto& walk = job.actors[0].steps;
    ASSERT_EQ(walk.size(), 2U);
    EXPECT_THAT(walk[0].args, ElementsAre("{iommu}", "async", "debug=1"));
    EXPECT_EQ(walk[0].where, (Place{"full.toml", 20, 11}));
    EXPECT_EQ(walk[1].verb, Verb::repeat);
    EXPECT_THAT(walk[1].args, ElementsAre("{n}"));
    EXPECT_EQ(walk[1].body.at(0).text, "sleep {pause}");
    EXPECT_FALSE(job.actors[1].steps[0].may_fail);
    EXPECT_TRUE(job.actors[1].steps[1].may_fail);
    EXPECT_EQ(job.actors[1].steps[1].verb, Verb::bind);
}

TEST(Load, Rules) {
    const Job job = full();
    ASSERT_EQ(job.rules.size(), 4U);
    const Rule& hold = job.rules[0];
    EXPECT_EQ(hold.name, "window");
    EXPECT_EQ(hold.on, "exit");
    EXPECT_EQ(hold.nth, 1U);
    EXPECT_EQ(hold.ret, -19);
    EXPECT_THAT(hold.wait_for, ElementsAre("done:client", "blocked:client"));
    EXPECT_EQ(hold.timeout, Nanoseconds(500ms));
    EXPECT_TRUE(hold.holds());
    EXPECT_EQ(hold.places.at("point").line, 28U);
    EXPECT_EQ(job.rules[1].name, "of_iommu_configure");
    EXPECT_EQ(job.rules[2].name, "probe_iommu_group");
    EXPECT_EQ(job.rules[2].delay, (DurationRange{1ms, 5ms}));
    EXPECT_TRUE(job.rules[2].optional);
    EXPECT_TRUE(job.rules[2].parks());
    EXPECT_FALSE(job.rules[2].holds());
    EXPECT_EQ(job.rules[3].override_return, -12);
    EXPECT_EQ(job.rules[3].arg, 1U);
    EXPECT_TRUE(job.rules[3].unsafe);
}

TEST(Load, ANamedRuleWithPointsNamesEach) {
    const auto job = load("name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = []\n"
                          "[[rule]]\nname = \"slow\"\npoint = [\"of_iommu_configure\", "
                          "\"probe_iommu_group\"]\ndelay = \"1ms\"\n",
                          "j");
    ASSERT_TRUE(job);
    EXPECT_EQ(job->rules.at(0).name, "slow.of_iommu_configure");
    EXPECT_EQ(job->rules.at(1).name, "slow.probe_iommu_group");
}

TEST(Load, UnnamedRulesAtOnePointGetDifferentNames) {
    const auto job = load("name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = []\n"
                          "[[rule]]\npoint = \"probe_iommu_group\"\ndelay = \"1ms\"\n"
                          "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\n",
                          "j");
    ASSERT_TRUE(job);
    EXPECT_EQ(job->rules.at(0).name, "probe_iommu_group");
    EXPECT_EQ(job->rules.at(1).name, "probe_iommu_group.2");
}

TEST(Load, AHoldWithoutATimeoutGetsTwoSeconds) {
    const auto job = load("name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = []\n"
                          "[[rule]]\npoint = \"probe_iommu_group\"\nwait_for = \"done:a\"\n",
                          "j");
    ASSERT_TRUE(job);
    EXPECT_EQ(job->rules.at(0).timeout, Nanoseconds(2s));
}

TEST(Load, ExpectAndAllow) {
    const Job job = full();
    EXPECT_EQ(job.expect.dma, Dma::translated);
    EXPECT_THAT(job.expect.devices, ElementsAre("{client}"));
    ASSERT_EQ(job.allow.size(), 1U);
    EXPECT_EQ(job.allow[0].kind, catalogue::FailureKind::kernel_warning);
}

TEST(Load, DefaultsOfASmallJob) {
    const auto job = load("name = \"j\"\nsummary = \"s\"\n[type]\n", "j.toml");
    ASSERT_TRUE(job);
    EXPECT_EQ(job->risk, Risk::none);
    EXPECT_EQ(job->iterations, 20U);
    EXPECT_EQ(job->expect.dma, Dma::baseline);
    ASSERT_TRUE(job->type_storm);
    EXPECT_THAT(job->type_storm->types, ElementsAre("DMA", "DMA-FQ", "identity", "auto"));
    EXPECT_THAT(job->type_storm->groups, ElementsAre("all"));
    EXPECT_EQ(job->type_storm->driver, "rebind");
}

TEST(Load, AllowMayBeAList) {
    const auto job = load("name = \"j\"\nsummary = \"s\"\n"
                          "allow = [{ kind = \"hang\", reason = \"r\" }]\n[type]\n",
                          "j.toml");
    ASSERT_TRUE(job);
    EXPECT_EQ(job->allow.at(0).kind, catalogue::FailureKind::hang);
}

using testing::Pair;

std::string job(const std::string& rest) {
    return "name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = [\"walk\"]\n" + rest;
}

std::vector<std::string> complaints(const std::string& text) {
    std::vector<std::string> out;
    if (const auto loaded = load(text, "f"); !loaded)
        for (const auto& diagnostic : loaded.error())
            out.push_back(to_text(diagnostic).substr(2));
    return out;
}

constexpr const char* kTrigger =
    "[trigger]\naction = \"bind\"\nsubsystem = \"pci\"\n"
    "driver = \"e1000*\"\ndevice = \"0000:*\"\n"
    "attributes = { vendor = \"0x8086\", \"power/control\" = \"o?\" }\n";

TEST(JobTrigger, IsReadWithAllItsKeys) {
    const auto loaded = load(job(kTrigger), "f");
    ASSERT_TRUE(loaded);
    const auto& trigger = *loaded->trigger;
    EXPECT_EQ(trigger.action, "bind");
    EXPECT_EQ(trigger.subsystem, "pci");
    EXPECT_EQ(trigger.driver, "e1000*");
    EXPECT_EQ(trigger.device, "0000:*");
    EXPECT_THAT(trigger.attributes, testing::UnorderedElementsAre(Pair("vendor", "0x8086"),
                                                                  Pair("power/control", "o?")));
    EXPECT_FALSE(load(job(""), "f")->trigger);
}

TEST(JobTrigger, ADriverMeansBindAndNoneMeansAdd) {
    EXPECT_EQ(load(job("[trigger]\nsubsystem = \"pci\"\ndriver = \"x\"\n"), "f")->trigger->action,
              "bind");
    EXPECT_EQ(load(job("[trigger]\nsubsystem = \"net\"\n"), "f")->trigger->action, "add");
}

TEST(JobTrigger, SaysWhereItIsWrong) {
    EXPECT_THAT(complaints(job("[trigger]\naction = \"bnd\"\nsubsystem = \"pci\"\n")),
                ElementsAre("7:11: error: 'bnd' is no action of udev; did you mean 'bind'?"));
    EXPECT_THAT(complaints(job("[trigger]\ndriver = \"x\"\n")),
                ElementsAre(testing::HasSubstr("6:1: error: [trigger] has no 'subsystem'")));
    EXPECT_THAT(complaints(job("[trigger]\nsubsystem = \"pci\"\ndrivr = \"x\"\n")),
                ElementsAre(testing::HasSubstr("8:1: error: unknown key 'drivr'")));
    EXPECT_THAT(
        complaints(job("[trigger]\nsubsystem = \"pci\"\naction = \"add\"\ndriver = \"x\"\n")),
        ElementsAre(testing::StartsWith("8:11: error: no device has a driver when it is told of")));
    EXPECT_THAT(
        complaints(job("[trigger]\nsubsystem = \"pci\"\naction = \"unbind\"\ndriver = \"x\"\n")),
        ElementsAre(testing::HasSubstr("told of by 'unbind'")));
    EXPECT_THAT(complaints(job("[trigger]\nsubsystem = \"pci\"\naction = \"remove\"\n"
                               "attributes = { vendor = \"3\" }\n")),
                ElementsAre(testing::HasSubstr("has no attributes any more")));
    EXPECT_THAT(
        complaints(job("[trigger]\nsubsystem = \"pci\"\nattributes = { \"../x\" = \"1\" }\n")),
        ElementsAre(testing::StartsWith("8:26: error: '../x' is no attribute")));
    EXPECT_THAT(complaints(job("[trigger]\nsubsystem = \"pci\"\nattributes = { vendor = 3 }\n")),
                testing::SizeIs(1));
}

class TriggerMatch : public testing::Test {
protected:
    bool fires(const TriggerEvent& event) const {
        return matches(*load(job(kTrigger), "f")->trigger, event);
    }
    TriggerEvent event() const {
        return {"bind", "pci", "0000:00:02.0", "e1000e",
                [](const std::string& name) -> std::optional<std::string> {
                    const std::map<std::string, std::string> files{{"vendor", "0x8086"},
                                                                   {"power/control", "on"}};
                    const auto found = files.find(name);
                    return found == files.end() ? std::nullopt : std::optional(found->second);
                }};
    }
};

TEST_F(TriggerMatch, EveryKeyHasToFit) {
    EXPECT_TRUE(fires(event()));
    for (const auto part : {&TriggerEvent::action, &TriggerEvent::subsystem, &TriggerEvent::name,
                            &TriggerEvent::driver}) {
        auto other = event();
        other.*part = "other";
        EXPECT_FALSE(fires(other));
    }
    auto bare = event();
    bare.attribute = nullptr;
    EXPECT_FALSE(fires(bare));
}

TEST(JobAtBoot, HasRulesAndNobodyWhoActs) {
    const std::string head = "name = \"j\"\nsummary = \"s\"\nat_boot = true\n";
    const std::string rule = "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"s\"\n";
    const auto good = load(head + rule, "f");
    ASSERT_TRUE(good);
    EXPECT_TRUE(good->at_boot);
    EXPECT_THAT(complaints(head), ElementsAre(testing::HasSubstr("it has no [[rule]]")));
    EXPECT_THAT(complaints(head + rule + "[[actor]]\nname = \"a\"\nsteps = [\"walk\"]\n"),
                ElementsAre(testing::HasSubstr("8:9: error: actor 'a': at_boot = true")));
    EXPECT_THAT(complaints(head + rule + "[reset]\nsteps = [\"settle\"]\n"),
                ElementsAre(testing::HasSubstr("[reset]: at_boot = true")));
}

} // namespace
} // namespace dmarace::job
