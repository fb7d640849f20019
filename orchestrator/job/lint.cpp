// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "catalogue/points.hpp"
#include "job/load.hpp"
#include "job/load_parts.hpp"
#include "job/locks.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace dmarace::job {

namespace {

// What the parts of a job may refer to.
struct Names {
    const Job& job;
    Diagnostics& diagnostics;
    std::vector<std::string> params, actors;
};

Names names_of(const Job& job, Diagnostics& diagnostics) {
    Names names{job, diagnostics, texts_of(job.params, &Param::name),
                texts_of(job.actors, &Actor::name)};
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
        const auto* param = named(names.job.params, use.name);
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
        const auto* param = named(names.job.params, one_param(word));
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

// A wait becomes one for each of a list, and a repeat has one end.
void check_one_signal(const Names& names, const std::string& text, const Place& where) {
    for (const auto& use : param_uses(text))
        if (const auto* param = named(names.job.params, use.name); param && is_list(param->type))
            add_error(Code::param, names.diagnostics, moved(where, use.offset),
                      "{" + use.name + "} is a list, and a repeat ends with one signal");
}

void check_steps(const Names& names, const std::vector<Step>& steps) {
    for (const auto& step : steps) {
        check_uses(names, step.text, step.where);
        check_steps(names, step.body);
        const auto awaited = awaited_word(step);
        if (step.verb == Verb::repeat && !awaited)
            continue;
        check_kinds(names, step);
        if (!awaited)
            continue;
        const auto where = place_of_word(step, *awaited + 1);
        check_signal_actor(names, step.args[*awaited], where);
        if (step.verb == Verb::repeat)
            check_one_signal(names, step.args[*awaited], where);
    }
}

void check_rule(const Names& names, const Rule& rule) {
    for (const auto& signal : rule.wait_for)
        check_signal_actor(names, signal, rule.places.at("wait_for:" + signal));
    if (!rule.actor.empty() &&
        std::find(names.actors.begin(), names.actors.end(), rule.actor) == names.actors.end())
        add_error(Code::actor, names.diagnostics, rule.places.at("actor"),
                  "unknown actor '" + rule.actor + "'" + did_you_mean(rule.actor, names.actors));
    const auto* group = named(names.job.params, one_param(rule.group));
    if (group && !fits("GROUP", group->type))
        add_error(Code::param, names.diagnostics, rule.places.at("group"),
                  rule.group + " is a parameter of type " + std::string(to_text(group->type)) +
                      "; a rule's group is a number, or a parameter of type group");
}

// Every text but those of steps in which a {param} may stand.
void each_text(const Job& job,
               const std::function<void(const std::string& text, const Place& where)>& use) {
    for (const auto& rule : job.rules) {
        for (const auto& [key, text] : kRuleTexts)
            if (!(rule.*text).empty())
                use(rule.*text, rule.places.at(key));
        for (const auto& signal : rule.wait_for)
            use(signal, rule.places.at("wait_for:" + signal));
    }
    if (job.type_storm)
        for (const auto* list : selection_lists(*job.type_storm))
            for (const auto& word : *list)
                use(word, job.type_where);
    for (const auto& device : job.expect.devices)
        use(device, job.expect.where);
    for (const auto& allow : job.allow)
        use(allow.device, allow.where);
}

void check_pick(const Names& names, const Param& param) {
    for (const auto& use : param_uses(param.pick)) {
        const auto* of = named(names.job.params, use.name);
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

// Who raises a signal of the job's own.
struct Raisers {
    std::vector<const Rule*> rules;
    std::set<std::string> actors;
    Place first;
};

using Raised = std::map<std::string, Raisers>;

// A wait, in a step or in a rule.
struct Wait {
    std::string signal;
    Place where;
    const Actor* actor = nullptr;
    std::size_t step = 0; // index among the actor's steps, repeats written flat
    const Rule* rule = nullptr;
};

Raised raised_by(const Job& job) {
    Raised out;
    for (const auto& rule : job.rules) {
        if (rule.signal.empty())
            continue;
        auto& raisers = out[rule.signal];
        if (raisers.first.line == 0)
            raisers.first = rule.places.at("signal");
        raisers.rules.push_back(&rule);
    }
    for (const auto& actor : job.actors)
        for (const auto* step : flattened(actor.steps)) {
            if (step->verb != Verb::signal)
                continue;
            auto& raisers = out[step->args.front()];
            if (raisers.first.line == 0)
                raisers.first = place_of_word(*step, 1);
            raisers.actors.insert(actor.name);
        }
    return out;
}

std::vector<Wait> waits_of(const Job& job) {
    std::vector<Wait> out;
    for (const auto& actor : job.actors) {
        const auto steps = flattened(actor.steps);
        for (std::size_t i = 0; i < steps.size(); ++i)
            if (const auto word = awaited_word(*steps[i]))
                out.push_back({steps[i]->args[*word], place_of_word(*steps[i], *word + 1), &actor,
                               i, nullptr});
    }
    for (const auto& rule : job.rules)
        for (const auto& signal : rule.wait_for)
            out.push_back({signal, rule.places.at("wait_for:" + signal), nullptr, 0, &rule});
    return out;
}

// Is every raiser of the signal a step of this actor that comes after 'step'?
bool only_later_in(const Actor& actor, std::size_t step, const std::string& signal,
                   const Raisers& raisers) {
    if (!raisers.rules.empty() || raisers.actors != std::set<std::string>{actor.name})
        return false;
    const auto steps = flattened(actor.steps);
    for (std::size_t i = 0; i < step; ++i)
        if (steps[i]->verb == Verb::signal && steps[i]->args.front() == signal)
            return false;
    return true;
}

void check_own(const Wait& wait, const Raised& raised, Diagnostics& diagnostics) {
    const auto found = raised.find(wait.signal);
    if (found == raised.end()) {
        add_error(Code::not_raised, diagnostics, wait.where,
                  "nothing raises '" + wait.signal + "'" +
                      did_you_mean(wait.signal, texts_of(raised, &Raised::value_type::first)));
        return;
    }
    const auto& raisers = found->second;
    if (wait.actor && only_later_in(*wait.actor, wait.step, wait.signal, raisers))
        add_error(Code::waits_for_itself, diagnostics, wait.where,
                  "actor '" + wait.actor->name + "' waits for '" + wait.signal +
                      "', which only itself raises, later");
    const auto optional = [](const Rule* rule) { return rule->optional; };
    if (wait.actor && raisers.actors.empty() &&
        std::all_of(raisers.rules.begin(), raisers.rules.end(), optional))
        add_warning(Code::only_optional, diagnostics, wait.where,
                    "only optional rules raise '" + wait.signal +
                        "': where they are not hit, this waits until its time is over");
    const auto itself = [&](const Rule* rule) { return rule == wait.rule; };
    if (wait.rule && raisers.actors.empty() &&
        std::all_of(raisers.rules.begin(), raisers.rules.end(), itself))
        add_warning(Code::raises_own, diagnostics, wait.where,
                    "only this rule raises '" + wait.signal + "', just before it waits for it");
}

void check_built_in(const Wait& wait, Diagnostics& diagnostics) {
    const Signal signal = parse_signal(wait.signal);
    if (!signal.about_actor())
        return;
    if (wait.actor && wait.actor->name == signal.subject) {
        const bool earlier = signal.prefix == DMARACE_S_STEP && signal.step <= wait.step;
        if (!earlier)
            add_error(Code::waits_for_itself, diagnostics, wait.where,
                      "actor '" + signal.subject + "' waits for itself: '" + wait.signal +
                          "' cannot come while it waits");
    }
    if (wait.rule && wait.rule->actor == signal.subject && signal.prefix != DMARACE_S_STEP)
        add_error(Code::holds_awaited, diagnostics, wait.where,
                  "the rule holds actor '" + signal.subject + "' until '" + wait.signal +
                      "', which cannot come while it is held");
}

// Actors that wait for each other's ends in a circle: A for B, B for A.
void check_circles(const std::vector<Wait>& waits, Diagnostics& diagnostics) {
    std::map<std::string, std::set<std::string>> edges;
    for (const auto& wait : waits)
        if (wait.actor && parse_signal(wait.signal).prefix == DMARACE_S_DONE)
            edges[wait.actor->name].insert(parse_signal(wait.signal).subject);
    const auto reaches = [&](const std::string& from, const std::string& to) {
        std::set<std::string> seen;
        std::function<bool(const std::string&)> walk = [&](const std::string& at) {
            if (at == to)
                return true;
            return seen.insert(at).second && std::any_of(edges[at].begin(), edges[at].end(), walk);
        };
        return walk(from);
    };
    for (const auto& wait : waits) {
        const Signal signal = parse_signal(wait.signal);
        if (wait.actor && signal.prefix == DMARACE_S_DONE && signal.subject != wait.actor->name &&
            reaches(signal.subject, wait.actor->name))
            add_error(Code::circle, diagnostics, wait.where,
                      "actors '" + wait.actor->name + "' and '" + signal.subject +
                          "' wait for each other");
    }
}

void check_unwaited(const std::vector<Wait>& waits, const Raised& raised,
                    Diagnostics& diagnostics) {
    for (const auto& entry : raised) {
        const auto is = [&](const Wait& wait) { return wait.signal == entry.first; };
        if (std::none_of(waits.begin(), waits.end(), is))
            add_warning(Code::unheard, diagnostics, entry.second.first,
                        "nobody waits for '" + entry.first + "'");
    }
}

// Signals count from arming on, and reset comes before it.
void check_reset(const Job& job, Diagnostics& diagnostics) {
    for (const auto* step : flattened(job.reset)) {
        const bool waits = awaited_word(*step).has_value();
        if (waits || step->verb == Verb::signal)
            add_error(Code::reset_signal, diagnostics, step->where,
                      std::string("[reset] runs before the rules are armed: ") +
                          (waits ? "no signal comes there" : "a signal raised there is forgotten"));
    }
}

void lint_signals(const Job& job, Diagnostics& diagnostics) {
    const Raised raised = raised_by(job);
    const auto waits = waits_of(job);
    for (const auto& wait : waits) {
        if (parse_signal(wait.signal).own())
            check_own(wait, raised, diagnostics);
        else
            check_built_in(wait, diagnostics);
    }
    check_circles(waits, diagnostics);
    check_unwaited(waits, raised, diagnostics);
    check_reset(job, diagnostics);
}

void collect_uses(const std::string& text, std::set<std::string>& used) {
    for (const auto& use : param_uses(text))
        used.insert(use.name);
}

void collect_uses(const std::vector<Step>& steps, std::set<std::string>& used) {
    for (const auto& step : steps) {
        collect_uses(step.text, used);
        collect_uses(step.body, used);
    }
}

void lint_params(const Job& job, Diagnostics& diagnostics) {
    std::set<std::string> used;
    collect_uses(job.reset, used);
    for (const auto& actor : job.actors)
        collect_uses(actor.steps, used);
    each_text(job, [&](const std::string& text, const Place&) { collect_uses(text, used); });
    for (const auto& param : job.params)
        collect_uses(param.pick, used);
    for (const auto& param : job.params)
        if (!used.contains(param.name))
            add_warning(Code::unused_param, diagnostics, param.where,
                        "parameter {" + param.name + "} is never used");
}

// The hold is there to see somebody sleep on a lock, and ends when it does.
bool waits_for_blocked(const Rule& rule) {
    return std::ranges::any_of(rule.wait_for, [](const auto& signal) {
        return parse_signal(signal).prefix == DMARACE_S_BLOCKED;
    });
}

void lint_rule(const Rule& rule, Diagnostics& diagnostics) {
    const auto* point = catalogue::find_point(rule.point);
    if (point && !rule.dev.empty() && !point->knows_device)
        add_error(Code::no_device, diagnostics, rule.places.at("dev"),
                  "'" + rule.point +
                      "' does not know its device: a rule with 'dev' is never hit "
                      "there");
    if (rule.holds() && !rule.places.contains("timeout"))
        add_warning(Code::no_timeout, diagnostics, rule.places.at("wait_for"),
                    "no timeout; this hold ends after " +
                        dmarace::to_text(rule.timeout.value_or(std::chrono::seconds(2))));
    const bool long_delay = rule.delay && rule.delay->max >= std::chrono::seconds(1);
    if (point && (rule.holds() || long_delay) && (point->locks & DMARACE_LOCK_PROBE) &&
        !waits_for_blocked(rule))
        add_warning(Code::stops_binds, diagnostics, rule.places.at("point"),
                    "'" + rule.point +
                        "' is under iommu_probe_device_lock: while a task stays there, no driver "
                        "on this machine can bind");
}

std::vector<const Step*> all_steps(const Job& job) {
    std::vector<const Step*> steps = flattened(job.reset);
    for (const auto& actor : job.actors)
        for (const auto* step : flattened(actor.steps))
            steps.push_back(step);
    return steps;
}

bool writes_queue(const Step& step) {
    return step.verb == Verb::type &&
           types::type_word_from(step.args.back()) == types::TypeWord::dma_fq;
}

// A [type] table looks at itself as it is read.
void check_queue(const Job& job, Diagnostics& diagnostics) {
    if (job.risk == Risk::reboot)
        return;
    const auto removes = [](const Actor& actor) {
        const auto steps = flattened(actor.steps);
        return std::ranges::any_of(
            steps, [](const Step* step) { return does(*step, catalogue::effect::removes); });
    };
    for (const auto& writer : job.actors)
        for (const auto* step : flattened(writer.steps))
            if (writes_queue(*step) && std::ranges::any_of(job.actors, [&](const Actor& other) {
                    return other.name != writer.name && removes(other);
                }))
                add_error(Code::risk, diagnostics, place_of_word(*step, step->args.size()),
                          kQueueBesideRemoval);
}

std::string why_unsafe(const Step& step) {
    return needs_unsafe(step) ? "'" + step.text + "' needs --unsafe" : "";
}

std::string why_unsafe(const Rule& rule) {
    if (!rule.unsafe)
        return "";
    return "the rule at '" + rule.point +
           "' needs --unsafe: no table says that a task may sleep there";
}

void lint_risk(const Job& job, Diagnostics& diagnostics) {
    for (const auto* step : all_steps(job))
        if (const auto why = why_unsafe(*step); !why.empty())
            add_warning(Code::needs_unsafe, diagnostics, step->where, why);
    for (const auto& rule : job.rules) {
        if (const auto why = why_unsafe(rule); !why.empty())
            add_warning(Code::needs_unsafe, diagnostics, rule.where, why);
        if (job.risk == Risk::none && (rule.unsafe || rule.override_return))
            add_warning(Code::risk, diagnostics, rule.where,
                        "risk = \"none\", but the rule changes what the kernel does");
    }
    if (job.risk == Risk::reboot)
        add_warning(Code::needs_unsafe, diagnostics, job.where,
                    "risk = \"reboot\": the job needs --unsafe");
}

} // namespace

void check_references(const Job& job, Diagnostics& diagnostics) {
    const Names names = names_of(job, diagnostics);
    for (const auto& param : job.params)
        check_pick(names, param);
    check_steps(names, job.reset);
    for (const auto& actor : job.actors)
        check_steps(names, actor.steps);
    each_text(job,
              [&](const std::string& text, const Place& where) { check_uses(names, text, where); });
    for (const auto& rule : job.rules)
        check_rule(names, rule);
}

std::string why_unsafe(const Job& job) {
    if (job.risk == Risk::reboot)
        return "risk = \"reboot\": it may wedge the machine";
    for (const auto* step : all_steps(job))
        if (auto why = why_unsafe(*step); !why.empty())
            return why;
    for (const auto& rule : job.rules)
        if (auto why = why_unsafe(rule); !why.empty())
            return why;
    return "";
}

Diagnostics lint(const Job& job) {
    Diagnostics diagnostics;
    if (job.source.empty())
        add_warning(Code::no_source, diagnostics, job.where,
                    "no 'source': say where the race was described, so that others can judge it");
    for (const auto& actor : job.actors)
        if (actor.steps.empty())
            add_warning(Code::no_steps, diagnostics, actor.where,
                        "actor '" + actor.name + "' has no steps");
    for (const auto& rule : job.rules)
        lint_rule(rule, diagnostics);
    lint_params(job, diagnostics);
    lint_risk(job, diagnostics);
    check_queue(job, diagnostics);
    lint_signals(job, diagnostics);
    lint_locks(job, diagnostics);
    sort(diagnostics);
    return diagnostics;
}

} // namespace dmarace::job
