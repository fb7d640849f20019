// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/lint.hpp"

#include "job/lint_parts.hpp"
#include "job/locks.hpp"
#include "job/params.hpp"
#include "job/points.hpp"
#include "job/signals.hpp"
#include "job/steps.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <set>

namespace dmarace::job {

namespace {

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
    for (const auto& rule : job.rules) {
        for (const auto* text : {&rule.dev, &rule.group, &rule.task, &rule.from, &rule.signal})
            collect_uses(*text, used);
        for (const auto& signal : rule.wait_for)
            collect_uses(signal, used);
    }
    for (const auto& param : job.params)
        collect_uses(param.pick, used);
    for (const auto& device : job.expect.devices)
        collect_uses(device, used);
    for (const auto& allow : job.allow)
        collect_uses(allow.device, used);
    if (job.type_storm)
        for (const auto* list : selection_lists(*job.type_storm))
            for (const auto& word : *list)
                collect_uses(word, used);
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
    const auto* point = find_point(rule.point);
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

const Actor* find_actor(const Job& job, std::string_view name) {
    for (const auto& actor : job.actors)
        if (actor.name == name)
            return &actor;
    return nullptr;
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
    lint_signals(job, diagnostics);
    lint_locks(job, diagnostics);
    sort(diagnostics);
    return diagnostics;
}

} // namespace dmarace::job
