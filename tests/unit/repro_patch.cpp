// SPDX-License-Identifier: GPL-2.0-or-later
// A job as a patch: where a function is found in a source, what is added, and what is refused.
#include "job/plan.hpp"
#include "job_support.hpp"
#include "repro/repro.hpp"

namespace dmarace::repro {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kSource = R"c(// SPDX-License-Identifier: GPL-2.0
#include <linux/iommu.h>
#ifdef CONFIG_X
#include <linux/x.h>
#endif
#include "own.h"

static int probe_iommu_group(struct device *dev, void *data);
/* int of_iommu_configure(struct device *dev)
{ in a comment } */

int of_iommu_configure(struct device *dev, struct device_node *master_np,
		       const u32 *id)
{
	const char *brace = "}\n{";
	int err;

#ifdef CONFIG_Y
	if (!master_np) {
#else
	if (master_np) {
#endif
		return -ENODEV;
	}
	return probe_iommu_group(dev, NULL);
}
EXPORT_SYMBOL_GPL(of_iommu_configure);

static int probe_iommu_group(struct device *dev, void *data)
{
	return of_iommu_configure(dev, NULL, NULL);
}

static int hotplug(struct pci_dev *pdev)
{
	return 0;
}

static void no_device(struct iommu_group *group)
{
}

static void spun(struct device *dev)
	__must_hold(&lock)
{
}

static void irqs(struct device *dev)
{
	lockdep_assert_irqs_disabled();
}
)c";

Tree tree_of(const std::string& text,
             const std::vector<std::string>& paths = {"drivers/iommu/a.c"}) {
    return [=](const std::string& function) -> Result<std::vector<SourceFile>> {
        std::vector<SourceFile> out;
        for (const auto& path : paths)
            if (!definitions_of(text, function).empty())
                out.push_back({path, text});
        return out;
    };
}

Hold hold_at(const std::string& function, bool exit = false) {
    return {.rule = "r",
            .says = "in-window",
            .actor = "walk",
            .functions = {function},
            .device = "0000:00:02.0",
            .exit = exit,
            .mark = 11,
            .sleep = milliseconds(500),
            .where = {"j.toml", 7, 1}};
}

std::string patched(std::vector<Hold> holds, const std::string& text = kSource) {
    const auto patch = patch_of(holds, tree_of(text));
    return patch ? *patch : "error: " + patch.error().message;
}

job::Plan plan_of(const job::Job& job) {
    auto plan = job::make_plan(job, {{"client", {"pci/0000:00:02.0"}}}, {});
    EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
    return plan.value_or(job::Plan{});
}

const std::string kClient = job::kPlain + "risk = \"taint\"\n[params]\nclient = { type = "
                                          "\"device\", behind = \"iommu\", help = \"x\" }\n";
const std::string kWalk = kClient + job::actor_of("walk", "\"insmod m\"") +
                          job::actor_of("client", "\"wait w 5s\", \"bind {client}\"");
std::string rule_of(const std::string& rest) {
    return kWalk + "[[rule]]\nname = \"w\"\nactor = \"walk\"\nsignal = \"w\"\n" + rest;
}

std::string holds_or_why(const std::string& text, const SeenRun* seen = nullptr) {
    const auto job = job::job_of(text);
    const auto holds = holds_of(job, plan_of(job), seen, {});
    if (!holds)
        return holds.error().message;
    std::string out;
    for (const auto& hold : *holds)
        out += joined(hold.functions, "|") + " " + hold.device +
               (hold.exit ? " exit " : " enter ") + std::to_string(hold.sleep.count()) + " mark " +
               std::to_string(hold.mark);
    return out;
}

TEST(ReproSource, FindsDefinitionsAndNothingElse) {
    const auto found = definitions_of(kSource, "of_iommu_configure");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].line, 14U);
    EXPECT_THAT(found[0].parameters, ElementsAre("struct device *dev",
                                                 "struct device_node *master_np", "const u32 *id"));
    EXPECT_EQ(definitions_of(kSource, "probe_iommu_group").size(), 1U);
    EXPECT_TRUE(definitions_of(kSource, "iommu_group").empty());
    EXPECT_EQ(definitions_of(kSource, "spun").at(0).behind, "__must_hold(&lock)");
    // Unfinished text is no reason to read beyond it.
    for (const std::string text : {"int f(", "int f()\n{", "int f(int a", "\"f(", "/* f("})
        EXPECT_LE(definitions_of(text, "f").size(), 1U) << text;
}

TEST(ReproPatch, AddsOneVariableAndItsHelpers) {
    const auto exit = patched({hold_at("of_iommu_configure", true)});
    EXPECT_THAT(exit, HasSubstr("--- a/drivers/iommu/a.c\n+++ b/drivers/iommu/a.c\n"));
    EXPECT_THAT(exit, HasSubstr(" #include \"own.h\"\n+#include <linux/delay.h>\n"));
    EXPECT_THAT(exit, HasSubstr(" {\n+\tbool repro1 __attribute__((cleanup(repro_leave1))) = "
                                "repro_here1(dev);\n \tconst char *brace"));
    EXPECT_THAT(exit, HasSubstr("current->signal->oom_score_adj != 11"));
    EXPECT_THAT(exit, HasSubstr("strcmp(dev_name(dev), \"0000:00:02.0\")"));
    EXPECT_THAT(exit, HasSubstr("+\tmsleep(500);\n"));
    const auto entry = patched({hold_at("probe_iommu_group"), hold_at("hotplug")});
    EXPECT_THAT(entry,
                HasSubstr("+\tbool __maybe_unused repro1 = repro_tell1(repro_here1(dev));\n"));
    EXPECT_THAT(
        entry,
        HasSubstr("+\tbool __maybe_unused repro2 = repro_tell2(repro_here2(&pdev->dev));\n"));
}

TEST(ReproPatch, HasHunksThatAddUp) {
    const auto text = patched({hold_at("of_iommu_configure", true), hold_at("hotplug")});
    std::size_t old_lines = 0, new_lines = 0, hunks = 0;
    for (const auto& line : lines_in(text)) {
        if (line.starts_with("@@")) {
            EXPECT_EQ(old_lines + new_lines, 0U) << line;
            ++hunks;
            const auto words = words_in(line);
            old_lines = leading_number(words.at(1).substr(words[1].find(',') + 1));
            new_lines = leading_number(words.at(2).substr(words[2].find(',') + 1));
        } else if (hunks > 0) {
            old_lines -= line.starts_with("+") ? 0 : 1;
            --new_lines;
        }
    }
    EXPECT_EQ(hunks, 3U);
    EXPECT_EQ(old_lines + new_lines, 0U);
}

TEST(ReproPatch, RefusesWithThePlace) {
    const std::string where = "error: j.toml:7:1: rule 'r': ";
    EXPECT_THAT(
        patched({hold_at("of_iommu_configured")}),
        HasSubstr(where + "no file of the tree defines of_iommu_configured(): it was renamed"));
    EXPECT_THAT(patched({hold_at("no_device")}),
                HasSubstr("error: drivers/iommu/a.c:40: no_device() has no struct device *"));
    EXPECT_THAT(patched({hold_at("spun")}), HasSubstr("__must_hold, so a caller's lock is held"));
    EXPECT_THAT(patched({hold_at("irqs")}), HasSubstr("nobody may sleep there"));
    EXPECT_THAT(patched({hold_at("hotplug")}, kSource + "/* Reproducer, not to be merged */\n"),
                HasSubstr("a.c has a reproducer already"));
    std::vector holds{hold_at("hotplug")};
    const auto twice = patch_of(holds, tree_of(kSource, {"a.c", "b.c"}));
    ASSERT_FALSE(twice);
    EXPECT_THAT(twice.error().message, HasSubstr("defined in several files: a.c, b.c; --file"));
}

TEST(ReproHolds, AreWhatTheTableSays) {
    const std::string wait = "wait_for = \"done:client\"\n";
    EXPECT_EQ(holds_or_why(rule_of("point = \"of_iommu_configure\"\non = \"exit\"\ndev = "
                                   "\"{client}\"\n" +
                                   wait)),
              "of_iommu_configure|acpi_dma_configure_id 0000:00:02.0 exit 2000 mark 11");
    SeenRun seen;
    seen.held_us["w"] = 400'400;
    EXPECT_THAT(holds_or_why(rule_of("point = \"__iommu_probe_device\"\n" + wait), &seen),
                "__iommu_probe_device  enter 1600 mark 11");
    seen.held_us["w"] = 9;
    EXPECT_THAT(holds_or_why(rule_of("point = \"device_add\"\n" + wait), &seen),
                HasSubstr("enter 1000 "));
    EXPECT_THAT(holds_or_why(rule_of("point = \"device_add\"\n")), HasSubstr("enter 0 "));
}

TEST(ReproHolds, WhereNobodyMaySleepAreRefused) {
    const std::string wait = "wait_for = \"done:client\"\n";
    const std::vector<std::pair<std::string, std::string>> cases{
        {"point = \"iommu_deinit_device.rmw\"\n" + wait, "between two instructions"},
        {"point = \"iommu_ops.probe_device\"\n" + wait, "another function in each IOMMU driver"},
        {"point = \"device_add\"\nreturn = -12\n", "changes what device_add returns"},
    };
    for (const auto& [rule, why] : cases)
        EXPECT_THAT(holds_or_why(rule_of(rule)), HasSubstr(why));
    EXPECT_THAT(holds_or_why(kWalk), HasSubstr("holds nobody"));
    // A line of the log is all right there.
    auto job = job::job_of(rule_of("point = \"iommu_deferred_attach\"\n"));
    EXPECT_TRUE(holds_of(job, plan_of(job), nullptr, {}));
    job.rules.front().wait_for = {"done:client"};
    const auto held = holds_of(job, plan_of(job), nullptr, {});
    ASSERT_FALSE(held);
    EXPECT_THAT(held.error().message, HasSubstr("f:12:1: rule 'w': nobody may sleep at iommu_def"));
}

std::string script_for(const std::string& text) {
    const auto job = job::job_of(text);
    const auto plan = plan_of(job);
    const auto script = script_of(job, plan, {hold_at("device_add")});
    return script ? *script : shown(Place()) + script.error().message;
}

TEST(ReproScript, DoesTheActsOfTheJob) {
    const auto script = script_for(
        kWalk +
        "[reset]\nsteps = [\"autoprobe off pci\", \"rmmod m\", \"expect unbound {client}\"]\n");
    EXPECT_THAT(script,
                HasSubstr("reset() {\n    put 0 /sys/bus/pci/drivers_autoprobe\n    unload m\n    "
                          "expect_unbound pci 0000:00:02.0\n    :\n}\nbegin() {\n    remember pci "
                          "0000:00:02.0\n    reset\n}\n"));
    EXPECT_THAT(script, HasSubstr("actor_walk() {\n    modprobe m\n    tell step:walk:1\n"));
    EXPECT_THAT(script, HasSubstr("    wait_for w 5 || return\n"));
    EXPECT_THAT(script, HasSubstr("    start walk 11\n    start client 12\n"));
    EXPECT_THAT(script, HasSubstr("lines='in-window'"));
    const auto type = script_for(kClient + job::actor_of("w", "\"type {client} DMA-FQ\"") +
                                 "[reset]\nsteps = [\"remove behind m\"]\n");
    EXPECT_THAT(type, HasSubstr("    remove_grouped 0000:00:02.0\n"));
    EXPECT_THAT(type, HasSubstr("begin() {\n    reset\n    remember_group pci 0000:00:02.0\n"));
    EXPECT_THAT(type, HasSubstr("    set_type pci 0000:00:02.0 DMA-FQ\n"));
    for (const std::string step : {"walk", "claim {client}", "wait blocked:walk"})
        EXPECT_THAT(script_for(kWalk + job::actor_of("c", "\"" + step + "\"")),
                    Not(HasSubstr("#!/bin/sh")))
            << step;
}

// What is refused needs no value of a parameter.
TEST(ReproScript, IsRefusedByTheJobAlone) {
    EXPECT_TRUE(can_script(job::job_of(kWalk)));
    const auto refused = [](const std::string& text) {
        const auto can = can_script(job::job_of(text));
        return can ? "" : can.error().message;
    };
    EXPECT_THAT(refused(kWalk + job::actor_of("c", "\"walk\"")),
                HasSubstr("'walk': a walk on demand is made by a module"));
    EXPECT_THAT(refused(job::kPlain + "risk = \"taint\"\n[type]\n"),
                HasSubstr("a [type] table draws its writes"));
}

TEST(ReproMail, HasAtMostSixtyLines) {
    const auto job = job::job_of(kWalk);
    const auto plan = plan_of(job);
    SeenRun seen;
    seen.kernel = "7.3.4";
    seen.held_us["r"] = 120'000;
    seen.judgement.failures.resize(9);
    for (auto& failure : seen.judgement.failures)
        failure.detail = "was bound with direct DMA";
    const auto add = [&](const std::string& text) { seen.observed.log.emplace_back().text = text; };
    add("Unable to handle kernel NULL pointer dereference at virtual address 0");
    add("x29: ffff800080000000 x28: ffff800080000000");
    add("Call trace:");
    add(" dmarace_trampoline+0x0/0xd0 [dmarace]");
    for (int i = 0; i < 100; ++i)
        add(" iommu_group_store_type+0x15c/0x2a0");
    std::vector<Hold> holds(9, hold_at("device_add"));
    const auto mail = mail_of(job, plan, holds, {"Linux 7.3.4", &seen});
    const auto lines = lines_in(mail);
    EXPECT_LE(lines.size(), kMailLines);
    for (const auto& line : lines)
        EXPECT_LE(line.size(), 80U) << line;
    EXPECT_THAT(mail, HasSubstr("To see it on Linux 7.3.4:"));
    holds.resize(1);
    const auto one = mail_of(job, plan, holds, {"Linux 7.3.4", &seen});
    EXPECT_THAT(one, HasSubstr("Unable to handle kernel NULL pointer"));
    EXPECT_THAT(one, HasSubstr("   iommu_group_store_type+0x15c"));
    EXPECT_THAT(one, Not(HasSubstr("x29:")));
    EXPECT_THAT(one, Not(HasSubstr("trampoline")));
    EXPECT_THAT(one, HasSubstr("s. Seen on 7.3.4 ("));
    EXPECT_THAT(one, HasSubstr("120 ms ('in-window')"));
    EXPECT_LE(lines_in(one).size(), kMailLines);
}

} // namespace
} // namespace dmarace::repro
