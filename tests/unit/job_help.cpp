// SPDX-License-Identifier: GPL-2.0-or-later
// What dmarace tells about a job: its help, what a run would do, what is wrong and why, and
// what a new one looks like.
#include "job/help.hpp"
#include "job/plan.hpp"
#include "job_support.hpp"

#include <set>

namespace dmarace::job {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

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

Job job() { return job_of(kJob); }

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

bool has_all_but_acpi(std::string_view name) { return name.find("acpi") == std::string_view::npos; }

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

constexpr const char* kOwned = R"(name = "j"
summary = "s"
source = "x"
risk = "taint"
[params]
client = { type = "device" }
[[actor]]
name = "walk"
steps = ["walk"]
[[actor]]
name = "client"
steps = ["wait held", "bind {client}"]
[[rule]]
point = "iommu_setup_default_domain"
actor = "walk"
signal = "held"
wait_for = "done:client"
timeout = "2s"
)";

Diagnostics said(const std::string& text) {
    const auto job = load(text, "f");
    return job ? lint(*job) : job.error();
}

TEST(Codes, EveryOneHasItsRow) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < code_rows().size(); ++i) {
        const auto& row = code_rows()[i];
        EXPECT_EQ(row.code, static_cast<Code>(i)) << row.name;
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_FALSE(row.why.empty() || row.remedy.empty()) << row.name;
        EXPECT_EQ(code_from(row.name), row.code);
    }
    EXPECT_EQ(code_rows().back().code, Code::risk);
    EXPECT_FALSE(code_from("owned-lok"));
}

TEST(Explained, SaysWhereWhatWhyAndTheRemedy) {
    const auto diagnostics = said(kOwned);
    ASSERT_EQ(diagnostics.size(), 1U);
    EXPECT_EQ(diagnostics[0].code, Code::owned_lock);
    const std::string text = explained(diagnostics[0], kOwned);
    EXPECT_THAT(text, StartsWith("f:17:13: error: this tests nothing: held actor 'walk' owns the "
                                 "group mutex at 'iommu_setup_default_domain', and client's "
                                 "'bind {client}' needs the group mutex of {client} in "
                                 "iommu_device_use_default_domain"));
    EXPECT_THAT(text, HasSubstr(" [owned-lock]\n"
                                "   17 | wait_for = \"done:client\"\n"
                                "      |             ^~~~~~~~~~~\n"
                                "  why: The held task owns a lock."));
    EXPECT_THAT(text, HasSubstr("\n  do:  Hold the task where it does not own the lock"));
}

Diagnostic error_at(unsigned line, unsigned column) {
    return {Diagnostic::Level::error, {"f", line, column}, "m"};
}

std::string marked(const std::string& line, unsigned column) {
    const std::string text = explained(error_at(1, column), line);
    const auto begin = text.find("      | ", text.find('\n') + 1 + 8);
    return text.substr(begin + 8, text.find('\n', begin) - begin - 8);
}

TEST(Explained, MarksTheWord) {
    EXPECT_EQ(marked("steps = [\"bnd {client}\"]", 11), "          ^~~");
    EXPECT_EQ(marked("\ta = b", 2), "\t^");
    EXPECT_EQ(marked("a = \"\xc3\xa9t\xc3\xa9 x\"", 10), "         ^");
    EXPECT_EQ(marked("x", 1), "^");
    EXPECT_EQ(marked("x", 900), " ^");
}

TEST(Explained, ALineBeyondTheFileIsLeftOut) {
    const std::string text = explained(error_at(7, 1), "a\n");
    EXPECT_THAT(text, StartsWith("f:7:1: error: m [wrong-value]\n  why: "));
}

TEST(Explained, TheLineStaysLetters) {
    EXPECT_EQ(line_at("a\n\x1b[31mred\r\n", {"f", 2, 1}), " [31mred");
    EXPECT_EQ(line_at("\xc2\x9b"
                      "31mr\xc3\xa9",
                      {"f", 1, 1}),
              " 31mr\xc3\xa9");
    Diagnostics said;
    add_error(Code::syntax, said, {"f", 1, 1}, "'\x1b[31m\xc2\x9b'");
    EXPECT_EQ(said[0].message, "'\\x1b[31m\\xc2\\x9b'");
}

TEST(Explained, OfALongLineThePartAroundThePlace) {
    const auto line = std::string(5'000, 'x') + " \"b\xc3\xa9" + std::string(100'000, 'y') + "\"";
    const auto text = explained(error_at(1, 5'003), line);
    EXPECT_LT(text.size(), 1'000U);
    EXPECT_THAT(text, HasSubstr("x \"b\xc3\xa9yyy"));
    EXPECT_THAT(marked(line, 5'003), StartsWith(std::string(60, ' ').substr(1) + "^~~"));
    Diagnostics said;
    add_error(Code::value, said, {"f", 1, 1}, line);
    EXPECT_LT(said[0].message.size(), 1'100U);
}

TEST(JobFile, WhatIsNoneIsToldWithItsReason) {
    const std::pair<std::string, const char*> cases[] = {
        {"/dev", "no job file /dev: it is a directory"},
        {"/dev/null", "no job file /dev/null: it is no regular file"},
        {"/nowhere/x.toml", "no job file /nowhere/x.toml"},
        {"/" + std::string(5'000, 'a'), "File name too long"}};
    for (const auto& [name, says] : cases) {
        const auto checked = check_job(name);
        ASSERT_FALSE(checked) << name;
        EXPECT_EQ(checked.error().fault, Fault::usage);
        EXPECT_THAT(checked.error().message, HasSubstr(says));
    }
}

TEST(Codes, TheKindOfTheFirstFault) {
    const std::pair<const char*, Code> cases[] = {
        {"x", Code::syntax},
        {"ieterations = 3\n[type]\n", Code::key},
        {"", Code::missing},
        {"iterations = \"3\"\n[type]\n", Code::kind},
        {"risk = \"tiant\"\n[type]\n", Code::value},
        {"[type]\n[[rule]]\npoint=\"really_probe\"\nsignal=\"x\"\ndelay = 5\n", Code::unit},
        {"[type]\n[[rule]]\npoint=\"really_probe\"\ndelay = \"11s\"\n", Code::limit},
        {"[[actor]]\nname=\"a\"\nsteps=[]\n[[actor]]\nname=\"a\"\nsteps=[]\n", Code::twice},
        {"[type]\n[[rule]]\npoint=\"really_probe\"\nsignal=\"x\"\ntimeout = \"1s\"\n",
         Code::together},
        {"[type]\ntypes=[\"DMA\"]\nsequence=[\"DMA\"]\n", Code::together},
        {"[[actor]]\nname=\"a b\"\nsteps=[\"walk\"]\n", Code::name},
        {"[[actor]]\nname=\"a\"\nsteps=[\"bnd x\"]\n", Code::step},
        {"[[actor]]\nname=\"a\"\nsteps=[\"bind {x}\"]\n", Code::param},
        {"[[actor]]\nname=\"a\"\nsteps=[\"wait done:b\"]\n", Code::actor},
        {"[type]\n[[rule]]\npoint=\"realy_probe\"\ndelay = \"1ms\"\n", Code::point},
        {"[type]\n[[rule]]\npoint=\"really_probe\"\n", Code::no_action},
        {"[[actor]]\nname=\"a\"\nsteps=[\"wait go\"]\n", Code::not_raised},
        {"[[actor]]\nname=\"a\"\nsteps=[\"signal go\"]\n", Code::unheard},
        {"[[actor]]\nname=\"a\"\nsteps=[]\n", Code::no_steps},
        {"[params]\nd = { type = \"device\" }\n[type]\n", Code::unused_param}};
    for (const auto& [text, code] : cases) {
        const auto diagnostics = said(kPlain + "source = \"x\"\n" + text);
        ASSERT_FALSE(diagnostics.empty()) << text;
        EXPECT_EQ(diagnostics[0].code, code) << to_text(diagnostics[0]);
    }
}

TEST(CodeText, IsTheExplanationAlone) {
    EXPECT_THAT(code_text(Code::circle), StartsWith("circle\n  why: Each of them"));
    EXPECT_EQ(said(kPlain + actor_of("a", "\"walk\""))[0].code, Code::no_source);
}

TEST(Skeleton, OfEveryKindLintsClean) {
    for (const auto& kind : skeleton_kinds()) {
        const auto text = skeleton("my-race", kind.word);
        const Job job = job_of(text, std::string(kind.word));
        EXPECT_EQ(job.name, "my-race");
        EXPECT_THAT(lines_of(lint(job)), testing::IsEmpty());
        EXPECT_EQ(text.find("NAME"), std::string::npos);
    }
}

TEST(Skeleton, ShowsWhatItsKindSays) {
    EXPECT_THAT(skeleton("a", "hold"), HasSubstr("wait_for = "));
    EXPECT_THAT(skeleton("a", "delay"), HasSubstr("delay       = "));
    EXPECT_THAT(skeleton("a", "type"), HasSubstr("\"type {client} identity\""));
}

TEST(Skeleton, EndsForANameThatHoldsItsOwnMark) {
    EXPECT_NE(skeleton("NAMES", "hold").find("NAMES"), std::string::npos);
}

} // namespace
} // namespace dmarace::job
