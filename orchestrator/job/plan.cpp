// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/plan.hpp"

#include "base/text.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <array>
#include <set>

namespace dmarace::job {

namespace {

// The values of every parameter that the job has.
struct Values {
    std::map<std::string, std::string> single;
    std::map<std::string, std::vector<std::string>> lists;
    const Inventory* inventory = nullptr;
};

std::unexpected<Error> fail_at(const Place& place, const std::string& message) {
    return fail(Fault::usage, shown(place) + ": " + message);
}

Result<Values> values_of(const Job& job, const Bindings& bindings) {
    const Bindings defaults = default_bindings(job);
    Values values;
    for (const auto& [name, ignored] : bindings)
        if (!named(job.params, name))
            return fail(Fault::usage, job.name + " has no parameter '" + name + "'");
    for (const auto& param : job.params) {
        auto found = bindings.find(param.name);
        if (found == bindings.end())
            found = defaults.find(param.name);
        if (found == defaults.end() || (!is_list(param.type) && found->second.empty()))
            return fail_at(param.where, "parameter {" + param.name +
                                            "} has no value; give it with --set " + param.name +
                                            "=VALUE");
        if (is_list(param.type))
            values.lists[param.name] = found->second;
        else if (found->second.size() == 1)
            values.single[param.name] = found->second.front();
        else
            return fail_at(param.where, "parameter {" + param.name + "} takes one value, not " +
                                            std::to_string(found->second.size()));
    }
    return values;
}

// The values a text is filled with: one map, or one for each element of the
// list it names.
std::vector<std::map<std::string, std::string>> fillings(const Values& values,
                                                         const std::string& text) {
    for (const auto& use : param_uses(text)) {
        const auto list = values.lists.find(use.name);
        if (list == values.lists.end())
            continue;
        std::vector<std::map<std::string, std::string>> out;
        for (const auto& element : list->second) {
            out.push_back(values.single);
            out.back()[use.name] = element;
        }
        return out;
    }
    return {values.single};
}

Result<unsigned> repeat_count(const Step& step, const Values& values) {
    const std::string text = fill(step.args.front(), values.single);
    if (text.size() > 5 || !is_digits(text))
        return fail_at(step.where, "'" + text + "' is no count for a repeat");
    return static_cast<unsigned>(std::stoul(text));
}

Status expand_steps(const std::vector<Step>& steps, const Values& values, std::vector<Step>& out);

// The groups that a type step means; empty when it names one.
TypeStorm selection_of(const Step& step) {
    TypeStorm storm;
    const auto& by = step.args.at(0);
    if (by == "driver")
        storm.drivers = {step.args.at(1)};
    else if (by == "iommu")
        storm.iommus = {step.args.at(1)};
    else if (by == "size")
        storm.size = step.args.at(1);
    return storm;
}

bool selects_groups(const Step& step) {
    constexpr std::array<std::string_view, 4> kBy{"all", "driver", "iommu", "size"};
    return step.verb == Verb::type && std::ranges::find(kBy, step.args.at(0)) != kBy.end();
}

// One step for each group; its first device stands for it, since a number is
// not kept when the IOMMU goes and comes back.
Status expand_groups(const Step& step, const Values& values, std::vector<Step>& out) {
    const auto groups = select_groups(selection_of(step), *values.inventory);
    if (!groups)
        return std::unexpected(Error(groups.error()).within("'" + step.text + "'"));
    for (const auto& group : *groups) {
        Step one = step;
        one.args = {group.devices.front().name, step.args.back()};
        one.text = "type " + one.args[0] + " " + one.args[1];
        out.push_back(std::move(one));
    }
    return {};
}

// How many rounds is known when it is done. Without a step there is nothing to do again.
Status expand_until(const Step& step, const Values& values, std::vector<Step>& out) {
    const auto first = out.size();
    TRY(expand_steps(step.body, values, out));
    Step end = step;
    end.body.clear();
    end.back = out.size() - first;
    for (auto& arg : end.args)
        arg = fill(arg, values.single);
    end.text = fill(step.text, values.single) + ", from step " + std::to_string(first + 1);
    if (const auto kinds = match_step(end); !kinds)
        return fail_at(step.where, "'" + end.text + "': " + kinds.error().message);
    if (end.back != 0)
        out.push_back(std::move(end));
    return {};
}

Status expand_step(const Step& step, const Values& values, std::vector<Step>& out) {
    if (awaited_word(step) && step.verb == Verb::repeat)
        return expand_until(step, values, out);
    if (step.verb == Verb::repeat) {
        TRY_AS(const auto count, repeat_count(step, values));
        for (unsigned i = 0; i < count; ++i)
            TRY(expand_steps(step.body, values, out));
        return {};
    }
    for (const auto& filling : fillings(values, step.text)) {
        Step one = step;
        one.text = fill(step.text, filling);
        for (auto& arg : one.args)
            arg = fill(arg, filling);
        if (const auto kinds = match_step(one); !kinds)
            return fail_at(step.where, "'" + one.text + "': " + kinds.error().message);
        if (selects_groups(one)) {
            TRY(expand_groups(one, values, out));
        } else {
            out.push_back(std::move(one));
        }
        if (out.size() > kStepsMax)
            return fail_at(step.where, "the job comes to more than " + std::to_string(kStepsMax) +
                                           " steps for one actor");
    }
    return {};
}

Status expand_steps(const std::vector<Step>& steps, const Values& values, std::vector<Step>& out) {
    for (const auto& step : steps)
        TRY(expand_step(step, values, out));
    return {};
}

// All the text of a rule in which a list parameter may stand.
std::string text_of(const Rule& rule) {
    std::string all;
    for (const auto& [key, text] : kRuleTexts)
        all += rule.*text + " ";
    for (const auto& signal : rule.wait_for)
        all += " " + signal;
    return all;
}

Rule filled(const Rule& rule, const std::map<std::string, std::string>& values) {
    Rule out = rule;
    for (const auto& [key, text] : kRuleTexts)
        out.*text = fill(out.*text, values);
    for (auto& signal : out.wait_for)
        signal = fill(signal, values);
    return out;
}

Status check_rule(const Rule& rule) {
    for (const auto& signal : rule.wait_for)
        if (const auto fault = check_signal(signal); !fault.empty())
            return fail_at(rule.where, fault);
    if (!rule.signal.empty() && !is_name(rule.signal))
        return fail_at(rule.where, "'" + rule.signal + "' is no name for a signal");
    if (!rule.group.empty() && !is_digits(rule.group))
        return fail_at(rule.where, "'" + rule.group + "' is no number of a group");
    return {};
}

// The module tells rules apart by name, and a job may have a rule "x.2" already.
std::string free_name(const std::string& name, std::size_t number, std::set<std::string>& taken) {
    std::string out;
    do
        out = name + "." + std::to_string(number++);
    while (!taken.insert(out).second);
    return out;
}

Status expand_rules(const std::vector<Rule>& rules, const Values& values, std::vector<Rule>& out) {
    std::set<std::string> taken;
    for (const auto& rule : rules)
        taken.insert(rule.name);
    for (const auto& rule : rules) {
        const auto all = fillings(values, text_of(rule));
        for (std::size_t i = 0; i < all.size(); ++i) {
            Rule one = filled(rule, all[i]);
            if (i > 0)
                one.name = free_name(rule.name, i + 1, taken);
            TRY(check_rule(one));
            out.push_back(std::move(one));
        }
    }
    if (out.size() > DMARACE_RULES_MAX)
        return fail_at(out.back().where, "the job comes to " + std::to_string(out.size()) +
                                             " rules; the module holds " +
                                             std::to_string(DMARACE_RULES_MAX));
    return {};
}

Expect expand_expect(const Expect& expect, const Values& values) {
    Expect out = expect;
    out.devices.clear();
    for (const auto& device : expect.devices)
        for (const auto& filling : fillings(values, device))
            out.devices.push_back(fill(device, filling));
    return out;
}

std::vector<std::string> filled(const std::vector<std::string>& words, const Values& values) {
    std::vector<std::string> out;
    for (const auto& word : words)
        for (const auto& filling : fillings(values, word))
            out.push_back(fill(word, filling));
    return out;
}

// A list that becomes empty selects nothing: it must not become "any".
Result<TypeStorm> filled(const TypeStorm& storm, const Values& values) {
    TypeStorm out = storm;
    for (auto* list : {&out.groups, &out.devices, &out.drivers, &out.iommus}) {
        if (list->empty())
            continue;
        *list = filled(*list, values);
        if (list->empty())
            return fail(Fault::untestable, "[type] selects groups by an empty list");
    }
    return out;
}

// An actor of a [type] table does all of its work in one step.
Actor actor_of(const types::TypeRole& role, const Place& where) {
    Step step;
    step.verb = Verb::type;
    step.text = role.text;
    step.where = where;
    step.work = role.work;
    return {role.name, {std::move(step)}, where};
}

// step:ACTOR:N must be a step that the actor has.
Status check_step_signal(const Plan& plan, const std::string& text, const Place& where) {
    const Signal signal = parse_signal(text);
    if (signal.prefix != DMARACE_S_STEP)
        return {};
    for (const auto& actor : plan.actors)
        if (actor.name == signal.subject && signal.step > actor.steps.size())
            return fail_at(where, "'" + text + "' never comes: " + actor.name + " has " +
                                      std::to_string(actor.steps.size()) + " steps");
    return {};
}

Status check_step_signals(const Plan& plan) {
    for (const auto& actor : plan.actors)
        for (const auto& step : actor.steps)
            TRY(check_step_signal(plan, awaited_signal(step), step.where));
    for (const auto& rule : plan.rules)
        for (const auto& signal : rule.wait_for)
            TRY(check_step_signal(plan, signal, rule.where));
    return {};
}

namespace effect = catalogue::effect;

void add_once(std::vector<std::string>& list, const std::string& word) {
    if (std::find(list.begin(), list.end(), word) == list.end())
        list.push_back(word);
}

void add(const Step& step, Touched& out) {
    const auto kinds = match_step(step);
    if (!kinds || does(step, effect::looks))
        return;
    if (does(step, effect::removes_own) && does(step, effect::everything))
        out.all_behind_iommu = true;
    if (does(step, effect::removes_module))
        add_once(out.drivers_removed, step.args.front());
    for (std::size_t i = 0; i < kinds->size() && i < step.args.size(); ++i) {
        const auto kind = (*kinds)[i];
        if (kind == "DEVICE" || (kind == "GROUP|DEVICE" && !is_digits(step.args[i])))
            add_once(out.devices, step.args[i]);
        else if (kind == "GROUP|DEVICE")
            add_once(out.groups, step.args[i]);
    }
}

void add_text(Line& line, const char* key, const std::string& value) {
    if (!value.empty())
        line.add(key, value);
}

template <class Number>
void add_number(Line& line, const char* key, const std::optional<Number>& value) {
    if (value)
        line.add(key, std::to_string(*value));
}

// The module has no unit above the second.
std::string to_time(Nanoseconds time) {
    if (time >= std::chrono::minutes(1) && time % std::chrono::seconds(1) == Nanoseconds{0})
        return std::to_string(time / std::chrono::seconds(1)) + "s";
    return dmarace::to_text(time);
}

std::string to_time(const DurationRange& range) {
    if (range.min == range.max)
        return to_time(range.min);
    return to_time(range.min) + ".." + to_time(range.max);
}

} // namespace

Bindings default_bindings(const Job& job) {
    Bindings out;
    for (const auto& param : job.params) {
        if (!param.value)
            continue;
        auto& values = out[param.name];
        std::string_view rest = *param.value;
        while (is_list(param.type) && rest.find(',') != std::string_view::npos) {
            values.emplace_back(rest.substr(0, rest.find(',')));
            rest.remove_prefix(rest.find(',') + 1);
        }
        if (!is_list(param.type) || !rest.empty())
            values.emplace_back(rest);
    }
    return out;
}

Result<Plan> make_plan(const Job& job, const Bindings& bindings, const Inventory& inventory) {
    TRY_AS(auto values, values_of(job, bindings));
    values.inventory = &inventory;
    Plan plan;
    plan.expect = expand_expect(job.expect, values);
    TRY(expand_steps(job.reset, values, plan.reset));
    for (const auto& actor : job.actors) {
        plan.actors.push_back({actor.name, {}, actor.where});
        TRY(expand_steps(actor.steps, values, plan.actors.back().steps));
    }
    if (job.type_storm) {
        TRY_AS(const auto storm, filled(*job.type_storm, values));
        TRY_AS(auto roles, expand_type_storm(storm, inventory));
        for (const auto& role : roles)
            plan.actors.push_back(actor_of(role, job.type_where));
    }
    TRY(expand_rules(job.rules, values, plan.rules));
    TRY(check_step_signals(plan));
    return plan;
}

std::vector<Allow> filled_allow(const Job& job, const Bindings& bindings,
                                const std::vector<Allow>& board) {
    std::vector<Allow> out = board;
    for (const auto& allow : job.allow) {
        const std::string param(one_param(allow.device));
        if (param.empty()) {
            out.push_back(allow);
            continue;
        }
        const auto values = bindings.find(param);
        if (values == bindings.end())
            continue;
        for (const auto& value : values->second) {
            out.push_back(allow);
            out.back().device = value;
        }
    }
    return out;
}

Plan without_holds(const Plan& plan) {
    Plan out = plan;
    std::set<std::string> raised;
    for (const auto& rule : plan.rules)
        if (!rule.signal.empty())
            raised.insert(rule.signal);
    std::erase_if(out.rules, [](const Rule& rule) { return rule.parks(); });
    for (auto& actor : out.actors)
        for (auto& step : actor.steps) {
            if (!raised.contains(awaited_signal(step)))
                continue;
            step.verb = Verb::sleep;
            step.back = 0;
            step.args = {"0s"};
            step.text += " (no holds)";
        }
    return out;
}

Touched touched_by(const Plan& plan) {
    Touched out;
    for (const auto& step : plan.reset)
        add(step, out);
    for (const auto& actor : plan.actors)
        for (const auto& step : actor.steps)
            add(step, out);
    return out;
}

Line to_rule_line(const Rule& rule) {
    Line line{DMARACE_V_RULE, {}};
    add_text(line, DMARACE_K_NAME, rule.name);
    line.add(DMARACE_K_POINT, rule.point).add(DMARACE_K_ON, rule.on);
    add_text(line, DMARACE_K_DEV, rule.dev);
    add_text(line, DMARACE_K_GROUP, rule.group);
    add_text(line, DMARACE_K_TASK, rule.task);
    add_text(line, DMARACE_K_ACTOR, rule.actor);
    add_text(line, DMARACE_K_FROM, rule.from);
    add_number(line, DMARACE_K_NTH, rule.nth);
    add_number(line, DMARACE_K_RET, rule.ret);
    add_number(line, DMARACE_K_PROBABILITY, rule.probability);
    add_number(line, DMARACE_K_INTERVAL, rule.interval);
    add_number(line, DMARACE_K_TIMES, rule.times);
    add_number(line, DMARACE_K_SPACE, rule.space);
    if (rule.delay)
        line.add(DMARACE_K_DELAY, to_time(*rule.delay));
    add_text(line, DMARACE_K_SIGNAL, rule.signal);
    if (rule.holds())
        line.add(DMARACE_K_WAIT_FOR, joined(rule.wait_for, ","))
            .add(DMARACE_K_TIMEOUT, to_time(rule.timeout.value_or(std::chrono::seconds(2))));
    add_number(line, DMARACE_K_RETURN, rule.override_return);
    if (rule.optional)
        line.add(DMARACE_K_OPTIONAL, "1");
    if (rule.unsafe)
        line.add(DMARACE_K_UNSAFE, "1");
    add_number(line, DMARACE_K_ARG, rule.arg);
    return line;
}

} // namespace dmarace::job
