// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/help.hpp"

#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/locks.hpp"
#include "job/plan.hpp"
#include "job/words.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size() + 2, width), ' ');
    return text;
}

std::string help_of(const std::vector<Word>& words, std::string_view word) {
    for (const auto& known : words)
        if (known.word == word)
            return std::string(known.help);
    return "";
}

std::string how_chosen(const Param& param) {
    std::vector<std::string> out;
    if (!param.bus.empty())
        out.push_back("on bus " + param.bus);
    if (!param.behind.empty())
        out.push_back(kBehindOne == param.behind ? "behind an IOMMU" : "behind two IOMMUs");
    if (picks(param, Pick::driver_of))
        out.push_back("picked: the drivers of " + picks_of(param));
    else if (picks(param, Pick::sibling_of))
        out.push_back("picked: in the group of " + picks_of(param));
    else if (picks(param, Pick::peer_of))
        out.push_back("picked: wired to " + picks_of(param));
    else if (!param.pick.empty())
        out.push_back("picked: " + help_of(pick_words(), param.pick));
    if (param.value)
        out.push_back("default " + *param.value);
    if (!param.value && param.pick.empty())
        out.emplace_back("must be given");
    return joined(out, ", ");
}

std::string chosen_here(const std::vector<Choice>& here, const std::string& param) {
    for (const auto& choice : here)
        if (choice.param == param)
            return "here: " + (choice.values.empty() ? "none" : joined(choice.values, ", ")) +
                   " (" + choice.why + ")";
    return "";
}

std::string params_text(const Job& job, const std::vector<Choice>& here) {
    if (job.params.empty())
        return "";
    std::string out = "\nParameters (--set NAME=VALUE; --device sets the device):\n";
    for (const auto& param : job.params) {
        out += "  " + padded(param.name, 12) + padded(std::string(to_text(param.type)), 10) +
               how_chosen(param) + "\n";
        for (const auto& line : {param.help, chosen_here(here, param.name)})
            if (!line.empty())
                out += "  " + padded("", 12) + line + "\n";
    }
    return out;
}

void add_steps(std::string& out, const std::vector<Step>& steps, const std::string& indent) {
    for (const auto& step : steps) {
        out += indent + step.text + "\n";
        add_steps(out, step.body, indent + "  ");
    }
}

// "risk        taint: may leave warnings .."
std::string head_line(std::string name, const std::string& text) {
    name.resize(12, ' ');
    return name + text + "\n";
}

std::string head(const Job& job, const DryRun& dry) {
    const std::string risk(to_text(job.risk));
    std::string out = job.name + ": " + job.summary + "\n";
    out += head_line("file", job.file);
    out += head_line("risk", risk + ": " + help_of(risk_words(), risk));
    if (!job.needs.empty())
        out += head_line("needs", joined(job.needs, ", ") + ": this board has it all");
    out += head_line("iterations", dry.iterations + ", seed " + std::to_string(dry.seed) +
                                       (dry.holds ? "" : ", without holds and delays"));
    return out;
}

std::string choices(const DryRun& dry) {
    std::string out = dry.choices.empty() ? "" : "\nparameters\n";
    for (const auto& choice : dry.choices) {
        auto name = "  " + choice.param;
        name.resize(std::max<std::size_t>(name.size() + 1, 12), ' ');
        out += name + (choice.values.empty() ? "(none)" : joined(choice.values, ", ")) + "\n";
        out += std::string(12, ' ') + choice.why + "\n";
    }
    return out;
}

std::string list(const std::string& title, const std::vector<std::string>& lines) {
    std::string out = "\n" + title + "\n";
    for (const auto& line : lines)
        out += "  " + line + "\n";
    return out;
}

std::string numbered(const std::string& title, const std::vector<Step>& steps) {
    std::string out = "\n" + title + "\n";
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto number = std::to_string(i + 1);
        number.insert(0, number.size() < 4 ? 4 - number.size() : 0, ' ');
        out += number + "  " + steps[i].text + "\n";
    }
    return out;
}

// The locks a held task is sure to own, with the plan's devices in place of
// parameters.
std::string owned_there(const Job& job, const Plan& plan, const Rule& rule) {
    Job filled = job;
    filled.actors = plan.actors;
    std::vector<std::string> out;
    for (const auto& lock : locks_owned(filled, rule)) {
        const auto text = to_text(lock);
        if (std::find(out.begin(), out.end(), text) == out.end())
            out.push_back(text);
    }
    return out.empty() ? "none" : joined(out, ", ");
}

// "hold at exit of X for actor walk, pci/.. until done:client (2s)"
std::string rule_text(const Rule& rule) {
    std::string out = rule.holds() ? "hold" : rule.delay ? "delay" : "meet";
    out += " at " + rule.on + " of " + rule.point;
    for (const auto& [word, text] : {std::pair{" in actor ", &rule.actor},
                                     {" for ", &rule.dev},
                                     {" for group ", &rule.group},
                                     {" in task ", &rule.task},
                                     {" called from ", &rule.from}})
        if (!text->empty())
            out += word + *text;
    if (rule.nth)
        out += ", hit " + std::to_string(*rule.nth);
    if (rule.probability)
        out += ", in " + std::to_string(*rule.probability) + "% of the hits";
    if (rule.delay)
        out += ", for " + to_rule_line(rule).get("delay");
    if (!rule.signal.empty())
        out += ", raising " + rule.signal;
    if (rule.holds())
        out += ", until " + joined(rule.wait_for, " or ") + ", " +
               dmarace::to_text(rule.timeout.value_or(std::chrono::seconds(2))) + " at most";
    if (rule.override_return)
        out += ", returning " + std::to_string(*rule.override_return);
    return out + (rule.optional ? "; optional" : "") +
           (rule.blocked_fails ? "; a failure if it ends against a lock" : "");
}

std::string rules(const Job& job, const DryRun& dry, const HasSymbol& has) {
    if (dry.plan.rules.empty())
        return dry.holds ? "" : "\nrules\n  none: those that hold or delay are left out\n";
    std::string out = "\nrules\n";
    for (const auto& rule : dry.plan.rules) {
        out += "  " + rule.name + ": " + rule_text(rule) + "\n";
        out += "    function  " + armed_at(rule, has) + "\n";
        out += "    locks     " + owned_there(job, dry.plan, rule) + "\n";
        out += "    as armed  " + dmarace::to_text(to_rule_line(rule)) + "\n";
    }
    return out;
}

constexpr std::string_view kOperation = "ops:";

bool is_also(const catalogue::Point& point, const std::string& symbol) {
    return std::find(point.also.begin(), point.also.end(), symbol) != point.also.end();
}

void add(std::string& out, const std::string& text) { out += (out.empty() ? "" : " and ") + text; }

// What the files of 'dmarace new' begin with.
constexpr const char* kHead = R"(# SPDX-License-Identifier: GPL-2.0-or-later
#
# Say here in plain words: WHO
#
# Kernels: which of them have the window.

name    = "NAME"
summary = "One line for 'dmarace list jobs'"
source  = "Where the race was described: a thread, a commit"
risk    = "taint"                 # none | taint | reboot (needs --unsafe)
)";
constexpr std::string_view kTwoThreads =
    "which two threads meet, who of them waits where and\n"
    "# for whom, which locks are owned there, and what goes wrong.";
constexpr std::string_view kThreads = "which threads meet, who of them waits where and for\n"
                                      "# whom, which locks are owned there, and what goes wrong.";

constexpr const char* kHold = R"(needs   = ["iommu-module", "pci-client"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "the device that binds" }
iommu  = { type = "module", pick = "iommu-driver", help = "the IOMMU's driver" }

# Before each iteration, before the rules are armed.
[reset]
steps = [
    "autoprobe off pci",
    "remove behind {iommu}",
    "rmmod {iommu}",
    "rescan pci",
    "settle",
    "expect unbound {client}",
]

# Each actor is a process of its own; all of them start at once.
[[actor]]
name  = "walk"
steps = ["insmod {iommu}"]

[[actor]]
name  = "client"
steps = ["wait there", "bind {client}"]

# 'dmarace list points' shows where a task can be held. This rule holds the bus
# walk before it meets the first device until the client's bind has returned.
[[rule]]
name     = "hold"
point    = "probe_iommu_group"
on       = "enter"                # or exit
actor    = "walk"                 # other filters: dev, group, task, from, nth, ret
nth      = 1
signal   = "there"                # raised first, then the task waits
wait_for = "done:client"          # or blocked:client where a lock is the fix
timeout  = "2s"

# translated | as-type | baseline (as in a quiet run)
[expect]
dma = "translated"
)";

constexpr const char* kDelay = R"(needs   = ["pci-client"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "the device that binds" }
times  = { type = "number", default = 3, help = "how often in one iteration" }

# Before each iteration, before the rules are armed. 'try': it may fail.
[reset]
steps = ["try bind {client}", "settle", "expect bound {client}"]

# Each actor is a process of its own; all of them start at once.
[[actor]]
name  = "rebind"
steps = [{ repeat = "{times}", steps = ["unbind {client}", "bind {client}"] }]

# A list of points is one rule for each. 'dmarace list points' shows them all.
[[rule]]
name        = "slow"
point       = ["really_probe", "of_iommu_configure"]
dev         = "{client}"          # other filters: actor, group, task, from, nth, ret
delay       = "0ms..10ms"         # drawn from --seed, the rule, the device and the hit
probability = 50                  # percent of the hits
optional    = true                # an iteration without a hit counts too

# translated | as-type | baseline (as in a quiet run)
[expect]
dma = "as-type"
)";

constexpr const char* kType = R"(needs   = ["pci-client", "writable-type"]

# Shown by 'dmarace run NAME --help'; set with --set, the first device with --device.
[params]
client = { type = "device", behind = "iommu", bus = "pci", pick = "unused", help = "whose group is written to" }
rounds = { type = "number", default = 5, help = "how often in one iteration" }

# Before each iteration, before the rules are armed. 'try': it may fail.
[reset]
steps = ["try bind {client}", "settle", "expect bound {client}"]

# Each actor is a process of its own; all of them start at once. A device stands
# for its group; DMA-FQ does not go with anything that removes a device.
[[actor]]
name  = "types"
steps = [
    "wait go 5s",
    { repeat = "{rounds}", steps = ["type {client} identity", "type {client} DMA"] },
]

# 'try' only for what the other actor may be faster at.
[[actor]]
name  = "driver"
steps = [
    "unbind {client}",
    "signal go",
    { repeat = "{rounds}", steps = ["try bind {client}", "try unbind {client}"] },
    "bind {client}",
]

# A table [type] writes every group through every pair of types by itself; see
# docs/job-format.md.

# as-type: every device goes where its group's type says.
[expect]
dma = "as-type"
)";

void replace_all(std::string& text, std::string_view mark, std::string_view with) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size()))
        text.replace(at, mark.size(), with);
}

} // namespace

std::string job_help(const Job& job, const std::vector<Choice>& here, const std::string& note) {
    std::string out = job.name + ": " + job.summary + "\n";
    if (!job.source.empty())
        out += "Source: " + job.source + "\n";
    out += "Risk: " + std::string(to_text(job.risk)) + " (" +
           help_of(risk_words(), to_text(job.risk)) + ")\n";
    if (!job.needs.empty())
        out += "Needs: " + joined(job.needs, ", ") + "\n";
    out += "DMA expected: " + std::string(to_text(job.expect.dma)) + " (" +
           help_of(dma_words(), to_text(job.expect.dma)) + ")\n";
    out += "Iterations: " + std::to_string(job.iterations) +
           " unless --iterations or --duration says otherwise\n";
    out += params_text(job, here);
    if (!note.empty())
        out += note + "\n";
    if (!job.reset.empty())
        out += "\nReset, before each iteration:\n";
    add_steps(out, job.reset, "  ");
    for (const auto& actor : job.actors) {
        out += "\nActor " + actor.name + ":\n";
        add_steps(out, actor.steps, "  ");
    }
    if (job.type_storm)
        out += "\n" + storm_text(*job.type_storm);
    if (!job.rules.empty())
        out += "\nRules:\n";
    for (const auto& rule : job.rules)
        out += "  " + rule_text(rule) + "\n";
    return out;
}

std::string dry_run_text(const Job& job, const DryRun& dry, const HasSymbol& has) {
    std::string out = head(job, dry) + choices(dry);
    out += list("the guard refuses", dry.refused.empty()
                                         ? std::vector<std::string>{"no device behind an IOMMU"}
                                         : dry.refused);
    if (!dry.plan.reset.empty())
        out += numbered("reset, before each iteration", dry.plan.reset);
    for (const auto& actor : dry.plan.actors)
        out += numbered("actor " + actor.name, actor.steps);
    out += rules(job, dry, has);
    out += list("may be changed, and is restored to", dry.changes);
    const std::string dma(to_text(dry.plan.expect.dma));
    out += "\nexpected\n  dma " + dma + ": " + help_of(dma_words(), dma) + "\n";
    out += "  judged: " +
           (dry.plan.expect.devices.empty() ? std::string("every device that has an IOMMU")
                                            : joined(dry.plan.expect.devices, ", ")) +
           "\n";
    if (dry.plan.expect.timeout_is_legal)
        out +=
            "  a client bound without its IOMMU after deferred_probe_timeout: noted, no failure\n";
    return out + "\nNothing was done.\n";
}

std::string armed_at(const Rule& rule, const HasSymbol& has) {
    const auto* point = catalogue::find_point(rule.point);
    if (!point)
        return has(rule.point.substr(0, rule.point.find('+')))
                   ? rule.point
                   : "absent: this kernel has no function " + rule.point;
    std::string out;
    bool plain = false;
    for (const auto& symbol : point->symbols) {
        const bool also = is_also(*point, symbol);
        if (plain && !also)
            continue;
        const auto colon = symbol.find(':');
        if (point->inside) {
            const auto function = symbol.substr(colon + 1);
            if (!has(function))
                continue;
            add(out, "the read-modify-write inside " + function);
        } else if (symbol.starts_with(kOperation)) {
            add(out, "the " + symbol.substr(kOperation.size()) +
                         " operation of each IOMMU driver that has a device then");
        } else if (colon != std::string::npos) {
            const auto function = symbol.substr(colon + 1);
            add(out, function + (has(function)
                                     ? ""
                                     : " once module " + symbol.substr(0, colon) + " is loaded"));
        } else if (has(symbol)) {
            add(out, symbol);
        } else {
            continue;
        }
        plain = plain || !also;
    }
    if (!out.empty())
        return out;
    std::string all;
    for (const auto& symbol : point->symbols)
        all += (all.empty() ? "" : ", ") + symbol;
    return "absent: this kernel has no " + all;
}

const std::vector<Word>& skeleton_kinds() {
    static const std::vector<Word> kinds{{"hold", "one thread held until another has passed"},
                                         {"delay", "random delays, nobody waits"},
                                         {"type", "types of a group written beside binds"}};
    return kinds;
}

std::string skeleton(const std::string& name, std::string_view kind) {
    const char* body = kind == "delay" ? kDelay : kind == "type" ? kType : kHold;
    std::string text = std::string(kHead) + body;
    replace_all(text, "WHO", body == kHold ? kTwoThreads : kThreads);
    replace_all(text, "NAME", name);
    return text;
}

} // namespace dmarace::job
