// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/help.hpp"

#include "job/rule_line.hpp"
#include "job/steps.hpp"
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
        out.push_back(param.behind == "iommu" ? "behind an IOMMU" : "behind two IOMMUs");
    if (param.pick.starts_with("driver-of "))
        out.push_back("picked: the drivers of " + param.pick.substr(param.pick.find('{')));
    else if (param.pick.starts_with("sibling-of "))
        out.push_back("picked: in the group of " + param.pick.substr(param.pick.find('{')));
    else if (param.pick.starts_with("peer-of "))
        out.push_back("picked: wired to " + param.pick.substr(param.pick.find('{')));
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

} // namespace

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
    return out + (rule.optional ? "; optional" : "");
}

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

} // namespace dmarace::job
