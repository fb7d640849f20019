// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/campaign.hpp"
#include "campaign/restore.hpp"
#include "job/help.hpp"
#include "job/steps.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace dmarace::campaign {

namespace {

std::string why_picked_device(const job::Param& param, const Survey& survey, const Wishes& wishes,
                              const job::Bindings& bindings) {
    const auto fitting = candidates(param, survey, wishes, bindings);
    const bool one = param.type == job::ParamType::device;
    std::string out = (one ? "the first of " : "all ") + std::to_string(fitting.size());
    out += param.bus.empty() ? " devices" : " " + param.bus + " devices";
    if (!param.behind.empty())
        out += job::kBehindOne == param.behind ? " behind an IOMMU" : " behind two IOMMUs";
    if (job::picks(param, job::Pick::shared))
        out += " that share a group";
    if (job::picks(param, job::Pick::sibling_of))
        out += " that share the group of " + job::picks_of(param);
    out += " that the guard lets pass";
    if (!one || fitting.empty())
        return out;
    const auto* item = fitting.front();
    if (job::picks(param, job::Pick::unused))
        out += ", those of unbound groups first";
    out += item->device.driver.empty() ? "; unbound, its driver is " + item->driver
                                       : "; bound to " + item->device.driver;
    if (item->device.group)
        out += ", group " + std::to_string(*item->device.group);
    return out;
}

std::string why_chosen(const job::Param& param, bool by_device, const Survey& survey,
                       const Wishes& wishes, const job::Bindings& bindings) {
    if (by_device)
        return "said with --device";
    if (wishes.set.contains(param.name))
        return "said with --set";
    if (param.value)
        return "the job's own default";
    if (job::picks(param, job::Pick::iommu_driver))
        return "the IOMMU driver of this kernel's tree that claims a device of this board";
    if (job::picks(param, job::Pick::driver_of)) {
        const auto of = job::picks_of(param) + " and nothing else";
        return (bindings.at(param.name).empty() ? "no module drives " : "modules that drive ") + of;
    }
    return why_picked_device(param, survey, wishes, bindings);
}

bool takes_device(const job::Param& param) {
    return param.type == job::ParamType::device || param.type == job::ParamType::devices;
}

std::vector<std::string> refused(const Survey& survey, const Wishes& wishes) {
    std::vector<std::string> out;
    for (const auto& item : survey.devices)
        if (item.behind_iommu && !allowed(item, wishes))
            out.push_back(item.device.full_name() + ": " + item.guard);
    return out;
}

// Devices behind the IOMMU go and come back, with their groups.
bool changes_everything(const job::Plan& plan) {
    const auto far_reaching = [](const job::Step& step) {
        return job::does(step, catalogue::effect::everything);
    };
    return std::ranges::any_of(plan.reset, far_reaching) ||
           std::ranges::any_of(plan.actors, [&](const auto& actor) {
               return std::ranges::any_of(actor.steps, far_reaching);
           });
}

// Of all that a run restores, what this plan can change: lines of to_words().
std::vector<std::string> changes(const Onlooker& board, const Survey& survey,
                                 const job::Plan& plan) {
    auto words = to_words(take_snapshot(board.devices, board.modules, survey, plan));
    for (auto& line : words)
        if (line.ends_with(' '))
            line += "none";
    if (changes_everything(plan))
        return words;
    const auto touched = job::touched_by(plan);
    std::set<std::string> devices(touched.devices.begin(), touched.devices.end());
    for (const auto& group : survey.groups)
        if (std::ranges::count(touched.groups, std::to_string(group.number)) > 0)
            devices.insert(group.devices.begin(), group.devices.end());
    std::erase_if(words, [&](const auto& line) { return !concerns(line, devices); });
    return words;
}

std::string iterations(const job::Job& job, const CampaignOptions& options) {
    if (options.iterations)
        return std::to_string(*options.iterations);
    if (options.duration)
        return "as many as " + dmarace::to_text(*options.duration) + " has room for";
    return std::to_string(job.iterations) + " (the job's own number)";
}

// Functions of the running kernel and its modules.
std::set<std::string, std::less<>> kernel_functions(const board::Files& files) {
    std::set<std::string, std::less<>> out;
    std::istringstream symbols(files.read("/proc/kallsyms").value_or(""));
    for (std::string address, kind, name, rest; symbols >> address >> kind >> name;
         std::getline(symbols, rest))
        if (kind == "t" || kind == "T" || kind == "w" || kind == "W")
            out.insert(name);
    return out;
}

} // namespace

Result<std::vector<job::Choice>> choices(const job::Job& job, const Survey& survey,
                                         const Wishes& wishes) {
    const auto bindings = resolve(job, survey, wishes);
    if (!bindings)
        return std::unexpected(bindings.error());
    std::vector<job::Choice> out;
    bool by_device = !wishes.device.empty();
    for (const auto& param : job.params) {
        const bool this_one = by_device && takes_device(param);
        out.push_back({param.name, bindings->at(param.name),
                       why_chosen(param, this_one, survey, wishes, *bindings)});
        by_device = by_device && !this_one;
    }
    return out;
}

Result<std::string> preview(const Onlooker& board, const job::Job& job,
                            const CampaignOptions& options) {
    const auto survey = survey_without_module(board.devices, board.modules);
    auto chosen = choices(job, survey, options.wishes);
    if (!chosen)
        return std::unexpected(chosen.error());
    job::Bindings bindings;
    for (const auto& choice : *chosen)
        bindings[choice.param] = choice.values;
    auto plan = job::make_plan(job, bindings, inventory(survey, board.devices, options.wishes));
    if (!plan)
        return std::unexpected(plan.error());
    if (auto free = check_touched(*plan, survey, options.wishes); !free)
        return std::unexpected(free.error());
    job::DryRun dry;
    dry.changes = changes(board, survey, *plan);
    dry.plan = options.holds ? *std::move(plan) : job::without_holds(*plan);
    dry.holds = options.holds;
    dry.iterations = iterations(job, options);
    dry.seed = options.seed;
    dry.choices = *std::move(chosen);
    dry.refused = refused(survey, options.wishes);
    const auto functions = kernel_functions(board.devices.files());
    return job::dry_run_text(job, dry,
                             [&](std::string_view name) { return functions.contains(name); });
}

std::string help_here(const Onlooker& board, const job::Job& job) {
    const auto survey = survey_without_module(board.devices, board.modules);
    const auto chosen = choices(job, survey, {});
    if (!chosen)
        return job::job_help(job, {}, "Here: " + chosen.error().message);
    return job::job_help(job, *chosen, "");
}

} // namespace dmarace::campaign
