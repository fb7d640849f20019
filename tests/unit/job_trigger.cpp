// SPDX-License-Identifier: GPL-2.0-or-later
// [trigger] tables: what they say, what is wrong with them, what fires them; and
// jobs whose actor is the boot.
#include "job/load.hpp"
#include "job/trigger.hpp"

#include <gmock/gmock.h>

#include <map>

namespace dmarace::job {
namespace {

using testing::ElementsAre;
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

constexpr const char* kFull = "[trigger]\naction = \"bind\"\nsubsystem = \"pci\"\n"
                              "driver = \"e1000*\"\ndevice = \"0000:*\"\n"
                              "attributes = { vendor = \"0x8086\", \"power/control\" = \"o?\" }\n";

TEST(JobTrigger, IsReadWithAllItsKeys) {
    const auto loaded = load(job(kFull), "f");
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
        return matches(*load(job(kFull), "f")->trigger, event);
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
