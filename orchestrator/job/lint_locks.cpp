// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/lint_parts.hpp"
#include "job/locks.hpp"
#include "job/points.hpp"
#include "job/signals.hpp"
#include "job/steps.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>

namespace dmarace::job {

namespace {

// A lock that the waited-for side needs and the held task owns.
struct Conflict {
    Same same = Same::no;
    Lock owned, needed;
    std::string who; // "client's 'bind {client}'"
};

void keep_worse(Conflict& worst, Conflict other) {
    if (worst.same == Same::no || (worst.same == Same::maybe && other.same == Same::yes))
        worst = std::move(other);
}

void compare(const std::vector<Lock>& owned, const std::vector<Lock>& needed,
             const std::string& who, Conflict& worst) {
    for (const auto& need : needed)
        for (const auto& own : owned)
            if (const Same same = same_lock(own, need); same != Same::no)
                keep_worse(worst, {same, own, need, who});
}

// The steps an actor still has to do while the rule holds: those after its wait
// for the rule's own signal, up to the step the rule waits for.
std::vector<const Step*> steps_ahead(const Actor& actor, const Rule& rule, const Signal& until) {
    auto steps = flattened(actor.steps);
    const bool flat = std::none_of(actor.steps.begin(), actor.steps.end(),
                                   [](const Step& step) { return step.verb == Verb::repeat; });
    if (until.prefix == DMARACE_S_STEP && flat && until.step < steps.size())
        steps.resize(until.step);
    const auto waits = [&](const Step* step) {
        return step->verb == Verb::wait && !rule.signal.empty() &&
               step->args.front() == rule.signal;
    };
    const auto first = std::find_if(steps.begin(), steps.end(), waits);
    if (first != steps.end())
        steps.erase(steps.begin(), first);
    return steps;
}

std::vector<Lock> needed_for_device_signal(const Job& job, const Signal& signal) {
    Step step;
    step.args = {signal.subject};
    if (signal.prefix == DMARACE_S_BOUND || signal.prefix == DMARACE_S_BINDING)
        step.verb = Verb::bind;
    else if (signal.prefix == DMARACE_S_UNBOUND)
        step.verb = Verb::unbind;
    else if (signal.prefix == DMARACE_S_REMOVED)
        step.verb = Verb::remove;
    else
        return {};
    return locks_needed(job, step);
}

// What stands against one of the signals that a rule waits for.
Conflict against(const Job& job, const Rule& rule, const std::vector<Lock>& owned,
                 const std::string& text) {
    const Signal signal = parse_signal(text);
    Conflict worst;
    if (signal.own() || signal.prefix == DMARACE_S_BLOCKED)
        return worst;
    if (!signal.about_actor()) {
        compare(owned, needed_for_device_signal(job, signal), "'" + text + "'", worst);
        return worst;
    }
    if (job.type_storm && is_type_writer(*job.type_storm, signal.subject)) {
        compare(owned, {{LockKind::group, "", "iommu_group_store_type"}},
                signal.subject + "'s type writes", worst);
        return worst;
    }
    const auto* actor = find_actor(job, signal.subject);
    if (!actor)
        return worst;
    for (const auto* step : steps_ahead(*actor, rule, signal))
        compare(owned, locks_needed(job, *step), actor->name + "'s '" + step->text + "'", worst);
    return worst;
}

std::string holder(const Rule& rule) {
    return rule.actor.empty() ? "the held task" : "held actor '" + rule.actor + "'";
}

// Where the walk can be held instead, so that nothing is owned.
std::string remedy(const Job& job, const Rule& rule, const Conflict& conflict,
                   const std::string& signal) {
    const Signal parsed = parse_signal(signal);
    std::string out = parsed.about_actor()
                          ? "; wait for blocked:" + parsed.subject + " if that is the test"
                          : "; hold where this lock is not owned";
    const auto* actor = find_actor(job, rule.actor);
    const auto walks = [&](const Step* step) {
        return does(*step, catalogue::effect::walks) || inserts_iommu(job, *step);
    };
    if (conflict.owned.kind != LockKind::group || !actor)
        return out;
    const auto steps = flattened(actor->steps);
    if (std::any_of(steps.begin(), steps.end(), walks))
        out += ", or hold the walk at exit of probe_iommu_group: grouped, no domain yet, no lock "
               "owned";
    return out;
}

void check_rule(const Job& job, const Rule& rule, Diagnostics& diagnostics) {
    const auto owned = locks_owned(job, rule);
    Conflict first;
    std::string first_signal;
    for (const auto& signal : rule.wait_for) {
        const Conflict conflict = against(job, rule, owned, signal);
        if (conflict.same == Same::no)
            return; // this one can come: the hold ends as it should
        if (first_signal.empty() || (first.same == Same::maybe && conflict.same == Same::yes)) {
            first = conflict;
            first_signal = signal;
        }
    }
    if (first_signal.empty())
        return;
    const auto& where = rule.places.at("wait_for:" + first_signal);
    const std::string middle = holder(rule) + " owns " + to_text(first.owned) + " at '" +
                               rule.point + "', and " + first.who + " needs " +
                               to_text(first.needed) + " in " + first.needed.where;
    if (first.same == Same::yes)
        add_error(Code::owned_lock, diagnostics, where,
                  "this tests nothing: " + middle + remedy(job, rule, first, first_signal));
    else
        add_warning(Code::maybe_owned_lock, diagnostics, where,
                    "if these are the same, this tests nothing: " + middle);
}

// A rule that any task can meet holds the one it waits for, too.
void check_anybody(const Job& job, const Rule& rule, Diagnostics& diagnostics) {
    if (!rule.actor.empty() || !rule.task.empty() || !rule.from.empty())
        return;
    for (const auto& text : rule.wait_for) {
        const Signal signal = parse_signal(text);
        if (signal.prefix == DMARACE_S_DONE && find_actor(job, signal.subject))
            add_warning(Code::holds_anybody, diagnostics, rule.places.at("wait_for:" + text),
                        "without 'actor', the rule may hold " + signal.subject +
                            " itself, and wait for it until the timeout");
    }
}

} // namespace

void lint_locks(const Job& job, Diagnostics& diagnostics) {
    for (const auto& rule : job.rules) {
        if (!rule.holds())
            continue;
        check_rule(job, rule, diagnostics);
        check_anybody(job, rule, diagnostics);
    }
}

} // namespace dmarace::job
