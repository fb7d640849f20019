// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/nearest.hpp"
#include "job/load_parts.hpp"
#include "job/params.hpp"
#include "job/signals.hpp"
#include "job/steps.hpp"
#include "job/words.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

// What the parts of a job may refer to.
struct Names {
    const Job& job;
    Diagnostics& diagnostics;
    std::vector<std::string> params, actors;

    const Param* param(std::string_view name) const {
        for (const auto& param : job.params)
            if (param.name == name)
                return &param;
        return nullptr;
    }
};

Names names_of(const Job& job, Diagnostics& diagnostics) {
    Names names{job, diagnostics, {}, {}};
    for (const auto& param : job.params)
        names.params.push_back(param.name);
    for (const auto& actor : job.actors)
        names.actors.push_back(actor.name);
    if (job.type_storm)
        for (auto& name : type_actor_names(*job.type_storm))
            names.actors.push_back(std::move(name));
    return names;
}

Place moved(Place place, std::size_t columns) {
    place.column += static_cast<unsigned>(columns);
    return place;
}

// Every {param} of a text is defined; at most one of them is a list.
void check_uses(const Names& names, std::string_view text, const Place& where) {
    std::string list;
    for (const auto& use : param_uses(text)) {
        const auto* param = names.param(use.name);
        if (use.name.empty()) {
            add_error(Code::param, names.diagnostics, moved(where, use.offset),
                      "'{' begins a parameter: write {name}");
        } else if (!param) {
            add_error(Code::param, names.diagnostics, moved(where, use.offset),
                      "undefined parameter {" + use.name + "}" +
                          did_you_mean(use.name, names.params));
        } else if (is_list(param->type) && !list.empty() && list != use.name) {
            add_error(Code::param, names.diagnostics, moved(where, use.offset),
                      "{" + list + "} and {" + use.name + "} are both lists; use one of them");
        } else if (is_list(param->type)) {
            list = use.name;
        }
    }
}

// Can a parameter of that type stand for a word of that kind?
bool fits(std::string_view kind, ParamType type) {
    using enum ParamType;
    const bool device_like = type == device || type == devices;
    const bool module_like = type == module || type == modules;
    if (type == text || kind.empty() || kind == "VALUE" || kind == "SETTING" || kind == "PATH" ||
        kind == "SIGNAL")
        return true;
    if (kind == "MODULE" || kind == "IOMMU" || kind == "DRIVER")
        return module_like;
    if (kind == "DEVICE")
        return device_like;
    if (kind == "GROUP|DEVICE")
        return device_like || type == group || type == number;
    if (kind == "GROUP")
        return type == group || type == number;
    if (kind == "N")
        return type == number;
    return kind == "TIME" && type == duration;
}

void check_kinds(const Names& names, const Step& step) {
    const auto kinds = match_step(step);
    if (!kinds)
        return;
    for (std::size_t i = 0; i < step.args.size() && i < kinds->size(); ++i) {
        const auto& word = step.args[i];
        if (!is_one_param(word))
            continue;
        const auto* param = names.param(std::string_view(word).substr(1, word.size() - 2));
        if (param && !fits((*kinds)[i], param->type))
            add_error(Code::param, names.diagnostics, place_of_word(step, i + 1),
                      word + " is a parameter of type " + std::string(to_text(param->type)) +
                          "; '" + std::string(to_text(step.verb)) + "' wants " +
                          ((*kinds)[i].empty() ? "a fixed word" : std::string((*kinds)[i])) +
                          " here");
    }
}

// A signal about an actor names one that exists.
void check_signal_actor(const Names& names, const std::string& text, const Place& where) {
    if (text.find('{') != std::string::npos || !check_signal(text).empty())
        return;
    const Signal signal = parse_signal(text);
    if (signal.about_actor() &&
        std::find(names.actors.begin(), names.actors.end(), signal.subject) == names.actors.end())
        add_error(Code::actor, names.diagnostics, moved(where, signal.prefix.size() + 1),
                  "unknown actor '" + signal.subject + "'" +
                      did_you_mean(signal.subject, names.actors));
}

void check_steps(const Names& names, const std::vector<Step>& steps) {
    for (const auto& step : steps) {
        check_uses(names, step.text, step.where);
        check_steps(names, step.body);
        if (step.verb == Verb::repeat)
            continue;
        check_kinds(names, step);
        if (step.verb == Verb::wait && !step.args.empty())
            check_signal_actor(names, step.args.front(), place_of_word(step, 1));
    }
}

void check_rule(const Names& names, const Rule& rule) {
    const std::pair<const char*, const std::string&> texts[] = {{"dev", rule.dev},
                                                                {"group", rule.group},
                                                                {"task", rule.task},
                                                                {"from", rule.from},
                                                                {"signal", rule.signal}};
    for (const auto& [key, text] : texts)
        if (!text.empty())
            check_uses(names, text, rule.places.at(key));
    for (const auto& signal : rule.wait_for) {
        const auto& where = rule.places.at("wait_for:" + signal);
        check_uses(names, signal, where);
        check_signal_actor(names, signal, where);
    }
    if (!rule.actor.empty() &&
        std::find(names.actors.begin(), names.actors.end(), rule.actor) == names.actors.end())
        add_error(Code::actor, names.diagnostics, rule.places.at("actor"),
                  "unknown actor '" + rule.actor + "'" + did_you_mean(rule.actor, names.actors));
}

void check_pick(const Names& names, const Param& param) {
    for (const auto& use : param_uses(param.pick)) {
        const auto* of = names.param(use.name);
        if (!of)
            add_error(Code::param, names.diagnostics, param.where,
                      "parameter '" + param.name + "' picks by an undefined {" + use.name + "}" +
                          did_you_mean(use.name, names.params));
        else if (of->type != ParamType::device && of->type != ParamType::devices)
            add_error(Code::param, names.diagnostics, param.where,
                      "parameter '" + param.name + "' picks by {" + use.name +
                          "}, which is no device");
    }
}

} // namespace

void check_references(const Job& job, Diagnostics& diagnostics) {
    const Names names = names_of(job, diagnostics);
    for (const auto& param : job.params)
        check_pick(names, param);
    check_steps(names, job.reset);
    for (const auto& actor : job.actors)
        check_steps(names, actor.steps);
    for (const auto& rule : job.rules)
        check_rule(names, rule);
    if (job.type_storm)
        for (const auto* list : selection_lists(*job.type_storm))
            for (const auto& word : *list)
                check_uses(names, word, job.type_where);
    for (const auto& device : job.expect.devices)
        check_uses(names, device, job.expect.where);
    for (const auto& allow : job.allow)
        check_uses(names, allow.device, allow.where);
}

} // namespace dmarace::job
