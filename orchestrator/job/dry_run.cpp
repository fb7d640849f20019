// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/dry_run.hpp"

#include "job/locks.hpp"
#include "job/rule_line.hpp"
#include "job/words.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
    std::string out;
    for (const auto& word : words)
        out += (out.empty() ? "" : between) + word;
    return out;
}

std::string help_of(const std::vector<Word>& words, std::string_view word) {
    for (const auto& known : words)
        if (known.word == word)
            return std::string(known.help);
    return "";
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

} // namespace

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
    out += list("may be changed, and is put back to", dry.changes);
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

} // namespace dmarace::job
