// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/nearest.hpp"
#include "job/lint_parts.hpp"
#include "job/locks.hpp"
#include "job/signals.hpp"
#include "job/steps.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace dmarace::job {

namespace {

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
            if (steps[i]->verb == Verb::wait)
                out.push_back(
                    {steps[i]->args.front(), place_of_word(*steps[i], 1), &actor, i, nullptr});
    }
    for (const auto& rule : job.rules)
        for (const auto& signal : rule.wait_for)
            out.push_back({signal, rule.places.at("wait_for:" + signal), nullptr, 0, &rule});
    return out;
}

std::vector<std::string> names_of(const Raised& raised) {
    std::vector<std::string> out;
    for (const auto& [name, ignored] : raised)
        out.push_back(name);
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
                      did_you_mean(wait.signal, names_of(raised)));
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
        const bool waits = step->verb == Verb::wait;
        if (waits || step->verb == Verb::signal)
            add_error(Code::reset_signal, diagnostics, step->where,
                      std::string("[reset] runs before the rules are armed: ") +
                          (waits ? "no signal comes there" : "a signal raised there is forgotten"));
    }
}

} // namespace

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

} // namespace dmarace::job
