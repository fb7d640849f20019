// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/locks.hpp"

#include "catalogue/points.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <iterator>

namespace dmarace::job {

namespace {

using catalogue::LockUse;
using enum catalogue::LockKind;
namespace effect = catalogue::effect;

std::string first_arg(const Step& step) { return step.args.empty() ? "" : step.args.front(); }

// "pci/0000:00:02.0" and "0000:00:02.0" are one device.
std::string bare(std::string_view device) {
    return std::string(device.substr(device.find('/') + 1));
}

const Param* param_of(const Job& job, std::string_view word) {
    return named(job.params, one_param(word));
}

// The device whose driver the word stands for, as in pick = "driver-of {client}".
std::string driver_of(const Job& job, std::string_view module) {
    const auto* param = param_of(job, module);
    if (!param || !picks(*param, Pick::driver_of))
        return "";
    return picks_of(*param);
}

// Of what the step takes this lock.
std::string taken_of(const LockUse& use, const Job& job, const Step& step) {
    switch (use.of) {
    case LockUse::Of::any:
        return "";
    case LockUse::Of::word1:
        return step.args.empty() ? "" : step.args[0];
    case LockUse::Of::word2:
        return step.args.size() < 2 ? "" : step.args[1];
    case LockUse::Of::driven:
        return driver_of(job, first_arg(step));
    }
    return "";
}

bool binds_at_once(const Step& step) {
    return std::ranges::find(step.args, "async") == step.args.end();
}

// Does the module that the step inserts serve an IOMMU, as far as its name or
// its parameter tells?
bool inserts_iommu(const Job& job, const Step& step) {
    if (!does(step, effect::inserts_module))
        return false;
    const std::string module = first_arg(step);
    if (const auto* param = param_of(job, module); param && !param->pick.empty())
        return picks(*param, Pick::iommu_driver);
    return module.find("iommu") != std::string::npos || module.find("smmu") != std::string::npos;
}

bool takes(const LockUse& use, const Job& job, const Step& step) {
    switch (use.when) {
    case LockUse::When::always:
        return true;
    case LockUse::When::of_iommu:
        return inserts_iommu(job, step);
    case LockUse::When::of_client:
        return !driver_of(job, first_arg(step)).empty() && binds_at_once(step);
    }
    return false;
}

bool reaches_points(const Step& step) { return does(step, effect::works); }

bool walks(const Job& job, const Step& step) {
    return does(step, effect::walks) || inserts_iommu(job, step);
}

// Locks that a task owns while it is inside the step, wherever it is held.
std::vector<Lock> locks_owned_inside(const Step& step) {
    std::vector<Lock> out;
    if (const auto* form = form_of(step))
        for (const auto& use : form->locks())
            if (use.held)
                out.push_back({use.kind, taken_of(use, {}, step), ""});
    return out;
}

// Which step a rule meets its actor in is not known: only what all of them own
// is sure.
std::vector<Lock> owned_in_every_step(const Actor& actor) {
    std::optional<std::vector<Lock>> common;
    for (const auto* step : flattened(actor.steps)) {
        if (!reaches_points(*step))
            continue;
        const auto owned = locks_owned_inside(*step);
        if (!common)
            common = owned;
        std::erase_if(*common, [&](const Lock& lock) {
            return std::find(owned.begin(), owned.end(), lock) == owned.end();
        });
    }
    return common.value_or(std::vector<Lock>{});
}

// Is the point under iommu_probe_device_lock in all that the actor does?
bool under_probe_lock(const Job& job, const Actor& actor, std::string_view point) {
    const auto* row = catalogue::find_point(point);
    const bool always = row && (row->facts & DMARACE_PROBING);
    const bool of_one = row && (row->facts & DMARACE_PROBING_ONE);
    bool any = false;
    for (const auto* step : flattened(actor.steps)) {
        if (!reaches_points(*step))
            continue;
        const bool probes_one = does(*step, effect::probes_one) && (always || of_one);
        if (!probes_one && !(walks(job, *step) && always))
            return false;
        any = true;
    }
    return any;
}

// How two locks stand to each other. A group mutex of nobody in particular is
// every group's, since the rule meets the group it waits for too; different
// devices may share a group, which is a maybe.
enum class Same { yes, maybe, no };
Same same_lock(const Lock& owned, const Lock& needed) {
    if (owned.kind != needed.kind)
        return Same::no;
    if (owned.kind == probe || owned.kind == rescan)
        return Same::yes;
    if (owned.of.empty() || needed.of.empty())
        return owned.kind == group ? Same::yes : Same::maybe;
    if (bare(owned.of) == bare(needed.of))
        return Same::yes;
    return owned.kind == group ? Same::maybe : Same::no;
}

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
        return !rule.signal.empty() && awaited_signal(*step) == rule.signal;
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
    const auto* actor = named(job.actors, signal.subject);
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
    const auto* actor = named(job.actors, rule.actor);
    if (conflict.owned.kind != LockKind::group || !actor)
        return out;
    const auto steps = flattened(actor->steps);
    if (std::ranges::any_of(steps, [&](const Step* step) { return walks(job, *step); }))
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
        if (signal.prefix == DMARACE_S_DONE && named(job.actors, signal.subject))
            add_warning(Code::holds_anybody, diagnostics, rule.places.at("wait_for:" + text),
                        "without 'actor', the rule may hold " + signal.subject +
                            " itself, and wait for it until the timeout");
    }
}

} // namespace

std::string to_text(const Lock& lock) {
    const std::string of = lock.of.empty() ? "" : " of " + lock.of;
    switch (lock.kind) {
    case device:
        return "the device lock" + of;
    case probe:
        return "iommu_probe_device_lock";
    case group:
        return "the group mutex" + of;
    case rescan:
        return "pci_rescan_remove_lock";
    }
    return "";
}

std::vector<Lock> locks_needed(const Job& job, const Step& step) {
    std::vector<Lock> out;
    if (const auto* form = form_of(step))
        for (const auto& use : form->locks())
            if (takes(use, job, step))
                out.push_back({use.kind, taken_of(use, job, step), std::string(use.function)});
    return out;
}

std::vector<Lock> locks_owned(const Job& job, const Rule& rule) {
    std::vector<Lock> out;
    if (const auto* point = catalogue::find_point(rule.point)) {
        const std::string of = rule.dev.empty() ? rule.group : rule.dev;
        if (point->locks & DMARACE_LOCK_DEVICE)
            out.push_back({device, rule.dev, ""});
        if (point->locks & DMARACE_LOCK_PROBE)
            out.push_back({probe, "", ""});
        if (point->locks & DMARACE_LOCK_GROUP)
            out.push_back({group, of, ""});
    }
    if (const auto* actor = named(job.actors, rule.actor)) {
        std::ranges::move(owned_in_every_step(*actor), std::back_inserter(out));
        if (under_probe_lock(job, *actor, rule.point))
            out.push_back({probe, "", ""});
    }
    return out;
}

void lint_locks(const Job& job, Diagnostics& diagnostics) {
    for (const auto& rule : job.rules) {
        if (!rule.holds())
            continue;
        check_rule(job, rule, diagnostics);
        check_anybody(job, rule, diagnostics);
    }
}

} // namespace dmarace::job
