// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_tree.hpp"
#include "job/help.hpp"
#include "job/words.hpp"
#include "job_support.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace dmarace::job {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

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

Job full() { return job_of(kFull, "full.toml"); }

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

TEST(Load, AHoldThatEndsAgainstALockMayBeTheBug) {
    std::string text = kFull;
    text.insert(text.find("timeout  = \"500ms\""), "blocked  = \"fail\"\n");
    EXPECT_TRUE(job_of(text).rules.at(0).blocked_fails);
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
    EXPECT_FALSE(hold.blocked_fails);
    EXPECT_TRUE(job.rules[3].unsafe);
}

// A small job, and what follows its actor.
Job with(const std::string& rest) { return job_of(kPlain + actor_of("a", "\"walk\"") + rest); }

std::vector<std::string> complaints_with(const std::string& rest) {
    return complaints(kPlain + actor_of("a", "\"walk\"") + rest);
}

TEST(Load, ANamedRuleWithPointsNamesEach) {
    const Job job = with("[[rule]]\nname = \"slow\"\ndelay = \"1ms\"\n"
                         "point = [\"of_iommu_configure\", \"probe_iommu_group\"]\n");
    EXPECT_THAT(texts_of(job.rules, &Rule::name),
                ElementsAre("slow.of_iommu_configure", "slow.probe_iommu_group"));
}

TEST(Load, UnnamedRulesAtOnePointGetDifferentNames) {
    const Job job = with("[[rule]]\npoint = \"probe_iommu_group\"\ndelay = \"1ms\"\n"
                         "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\n");
    EXPECT_EQ(job.rules.at(0).name, "probe_iommu_group");
    EXPECT_EQ(job.rules.at(1).name, "probe_iommu_group.2");
}

TEST(Load, AHoldWithoutATimeoutGetsTwoSeconds) {
    const Job job = with("[[rule]]\npoint = \"probe_iommu_group\"\nwait_for = \"done:a\"\n");
    EXPECT_EQ(job.rules.at(0).timeout, Nanoseconds(2s));
}

TEST(Load, ExpectAndAllow) {
    const Job job = full();
    EXPECT_EQ(job.expect.dma, Dma::translated);
    EXPECT_THAT(job.expect.devices, ElementsAre("{client}"));
    ASSERT_EQ(job.allow.size(), 1U);
    EXPECT_EQ(job.allow[0].kind, catalogue::FailureKind::kernel_warning);
}

TEST(Load, DefaultsOfASmallJob) {
    const Job job = job_of(kPlain + "[type]\n");
    EXPECT_EQ(job.risk, Risk::none);
    EXPECT_EQ(job.iterations, 20U);
    EXPECT_EQ(job.expect.dma, Dma::baseline);
    ASSERT_TRUE(job.type_storm);
    EXPECT_THAT(job.type_storm->types, ElementsAre("DMA", "DMA-FQ", "identity", "auto"));
    EXPECT_THAT(job.type_storm->groups, ElementsAre("all"));
    EXPECT_EQ(job.type_storm->driver, "rebind");
}

TEST(Load, AllowMayBeAList) {
    const Job job = job_of(kPlain + "allow = [{ kind = \"hang\", reason = \"r\" }]\n[type]\n");
    EXPECT_EQ(job.allow.at(0).kind, catalogue::FailureKind::hang);
}

TEST(LoadAllowed, IsWhatIsKnownOfABoard) {
    const auto allowed = [](const std::string& text) {
        test::FakeTree tree;
        tree.file("b.toml", text);
        return load_allowed((tree.root() / "b.toml").string());
    };
    const std::string hang = "name = \"b\"\n[[allow]]\nkind = \"hang\"\n";
    const auto known = allowed(hang + "text = \"x\"\nreason = \"r\"\n");
    ASSERT_TRUE(known) << known.error().message;
    EXPECT_EQ(known->at(0).kind, catalogue::FailureKind::hang);
    EXPECT_EQ(known->at(0).text, "x");
    const std::pair<std::string, const char*> bad[] = {
        {"name = \"b\"\n", "b.toml:1:1: error: the file has no [[allow]]"},
        {"[allow\n", "b.toml:1:"},
        {hang, "b.toml:2:1: error: allow has no 'reason'"},
        {hang + "reason = \"r\"\ndevice = \"{c}\"\n", "a board has no parameters"}};
    for (const auto& [text, message] : bad) {
        const auto none = allowed(text);
        ASSERT_FALSE(none) << text;
        EXPECT_EQ(none.error().fault, Fault::usage);
        EXPECT_THAT(none.error().message, HasSubstr(message));
    }
    const auto none = load_allowed("/no/such.toml");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().fault, Fault::usage) << "the machine is not to blame";
    EXPECT_THAT(none.error().message, HasSubstr("/no/such.toml"));
}

constexpr const char* kTrigger =
    "[trigger]\naction = \"bind\"\nsubsystem = \"pci\"\n"
    "driver = \"e1000*\"\ndevice = \"0000:*\"\n"
    "attributes = { vendor = \"0x8086\", \"power/control\" = \"o?\" }\n";

TEST(JobTrigger, IsReadWithAllItsKeys) {
    const auto trigger = with(kTrigger).trigger.value();
    EXPECT_EQ(trigger.action, "bind");
    EXPECT_EQ(trigger.subsystem, "pci");
    EXPECT_EQ(trigger.driver, "e1000*");
    EXPECT_EQ(trigger.device, "0000:*");
    EXPECT_THAT(trigger.attributes, testing::UnorderedElementsAre(Pair("vendor", "0x8086"),
                                                                  Pair("power/control", "o?")));
    EXPECT_FALSE(with("").trigger);
}

TEST(JobTrigger, ADriverMeansBindAndNoneMeansAdd) {
    EXPECT_EQ(with("[trigger]\nsubsystem = \"pci\"\ndriver = \"x\"\n").trigger->action, "bind");
    EXPECT_EQ(with("[trigger]\nsubsystem = \"net\"\n").trigger->action, "add");
}

TEST(JobTrigger, SaysWhereItIsWrong) {
    EXPECT_THAT(complaints_with("[trigger]\naction = \"bnd\"\nsubsystem = \"pci\"\n"),
                ElementsAre("7:11: error: 'bnd' is no action of udev; did you mean 'bind'?"));
    EXPECT_THAT(complaints_with("[trigger]\ndriver = \"x\"\n"),
                ElementsAre(HasSubstr("6:1: error: [trigger] has no 'subsystem'")));
    const std::pair<const char*, testing::Matcher<const std::string&>> cases[] = {
        {"drivr = \"x\"\n", HasSubstr("8:1: error: unknown key 'drivr'")},
        {"action = \"add\"\ndriver = \"x\"\n",
         testing::StartsWith("8:11: error: no device has a driver when it is told of")},
        {"action = \"unbind\"\ndriver = \"x\"\n", HasSubstr("told of by 'unbind'")},
        {"action = \"remove\"\nattributes = { vendor = \"3\" }\n",
         HasSubstr("has no attributes any more")},
        {"attributes = { \"../x\" = \"1\" }\n",
         testing::StartsWith("8:26: error: '../x' is no attribute")},
        {"attributes = { vendor = 3 }\n", testing::_}};
    for (const auto& [keys, line] : cases)
        EXPECT_THAT(complaints_with("[trigger]\nsubsystem = \"pci\"\n" + std::string(keys)),
                    ElementsAre(line))
            << keys;
}

class TriggerMatch : public testing::Test {
protected:
    bool fires(const TriggerEvent& event) const { return matches(*with(kTrigger).trigger, event); }
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
    const std::string head = kPlain + "at_boot = true\n";
    const std::string rule = "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"s\"\n";
    EXPECT_TRUE(job_of(head + rule).at_boot);
    EXPECT_THAT(complaints(head), ElementsAre(HasSubstr("it has no [[rule]]")));
    EXPECT_THAT(complaints(head + rule + actor_of("a", "\"walk\"")),
                ElementsAre(HasSubstr("8:9: error: actor 'a': at_boot = true")));
    EXPECT_THAT(complaints(head + rule + "[reset]\nsteps = [\"settle\"]\n"),
                ElementsAre(HasSubstr("[reset]: at_boot = true")));
}

std::string read(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// docs/job-format.md names every word that a job file may hold, and its examples load.
const std::string& document() {
    static const std::string text = read(DMARACE_SOURCE_DIR "/docs/job-format.md");
    return text;
}

void expect_named(std::string_view word) {
    const bool named = document().find("`" + std::string(word)) != std::string::npos ||
                       document().find("\"" + std::string(word) + "\"") != std::string::npos;
    EXPECT_TRUE(named) << "docs/job-format.md does not name " << word;
}

TEST(JobFormat, NamesEveryStep) {
    for (const auto& verb : catalogue::verb_rows())
        for (const auto& form : verb.forms()) {
            if (verb.verb == Verb::repeat)
                continue;
            const std::string row = "\n- `" + std::string(form.usage) + "`: ";
            EXPECT_NE(document().find(row), std::string::npos) << row;
        }
}

TEST(JobFormat, NamesEveryWord) {
    for (const auto* words : {&risk_words(), &param_type_words(), &dma_words(), &need_words(),
                              &pick_words(), &bus_words(), &type_words()})
        for (const auto& word : *words)
            expect_named(word.word);
    for (const auto& prefix : signal_prefixes())
        expect_named(prefix + ":");
}

TEST(JobFormat, NamesEveryKey) {
    for (const char* key :
         {"name",    "summary",  "source",      "risk",     "needs",     "iterations", "allow",
          "type",    "behind",   "bus",         "pick",     "default",   "help",       "steps",
          "point",   "on",       "actor",       "task",     "dev",       "group",      "from",
          "nth",     "ret",      "probability", "interval", "times",     "space",      "delay",
          "signal",  "wait_for", "timeout",     "return",   "optional",  "unsafe",     "arg",
          "blocked", "groups",   "types",       "order",    "driver",    "dma",        "devices",
          "drivers", "iommu",    "size",        "sequence", "count",     "duration",   "writers",
          "share",   "beside",   "at_boot",     "action",   "subsystem", "attributes"})
        expect_named(std::string(key) + "`");
}

TEST(JobFormat, ItsExampleLintsClean) {
    const auto begin = document().find("```toml\n");
    ASSERT_NE(begin, std::string::npos);
    const auto end = document().find("```", begin + 8);
    const Job job = job_of(document().substr(begin + 8, end - begin - 8), "job-format.md");
    EXPECT_THAT(lines_of(lint(job)), testing::IsEmpty());
}

std::vector<std::string> library() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(DMARACE_SOURCE_DIR "/jobs"))
        if (entry.path().extension() == ".toml")
            out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

class LibraryJob : public testing::TestWithParam<std::string> {};

TEST_P(LibraryJob, LoadsAndLintsClean) {
    const Job job = job_of(read(GetParam()), GetParam());
    EXPECT_EQ(job.name, std::filesystem::path(GetParam()).stem().string());
    EXPECT_FALSE(job.source.empty()) << "a job of the library names its source";
    for (const auto& diagnostic : lint(job)) {
        const bool says_unsafe = job.risk == Risk::reboot &&
                                 diagnostic.message.find("needs --unsafe") != std::string::npos;
        if (!says_unsafe)
            ADD_FAILURE() << to_text(diagnostic);
    }
}

TEST(Save, ARepeatUntilASignal) {
    const auto job =
        job_of(kPlain + actor_of("a", R"({ repeat = "until go 5s", steps = ["signal go"] })"));
    EXPECT_EQ(job_help(job_of(save(job))), job_help(job));
}

// What [type] and [trigger] say is left out.
TEST_P(LibraryJob, IsSavedAsTheSameJob) {
    const auto job = job_of(read(GetParam()), GetParam());
    if (job.type_storm)
        return;
    const auto text = save(job);
    const auto again = job_of(text, "saved");
    EXPECT_EQ(save(again), text);
    EXPECT_EQ(job_help(again), job_help(job));
}

TEST_P(LibraryJob, SaysWhoWaitsAndWhichKernelsHaveTheWindow) {
    const std::string text = read(GetParam());
    EXPECT_NE(text.find("# Kernels:"), std::string::npos);
    EXPECT_TRUE(text.starts_with("# SPDX-License-Identifier: GPL-2.0-or-later\n"));
}

INSTANTIATE_TEST_SUITE_P(All, LibraryJob, testing::ValuesIn(library()), [](const auto& tested) {
    std::string name = std::filesystem::path(tested.param).stem().string();
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

} // namespace
} // namespace dmarace::job
