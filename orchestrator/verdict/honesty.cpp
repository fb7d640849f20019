// SPDX-License-Identifier: GPL-2.0-or-later
#include "types/judge.hpp"
#include "verdict/checks.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

std::string name_of(const RuleCount& count) {
    return "rule " + count.rule + " (" + count.point + ")";
}

std::string times(std::uint64_t count, const char* one) {
    return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

// A hold must have ended by its signal or against a lock; a rule that only
// delays or signals must have been hit.
std::string unmet(const RuleCount& count) {
    if (!count.armed)
        return name_of(count) + " was not armed: this kernel lacks the point";
    if (count.hits == 0)
        return name_of(count) + " was never hit";
    if (!count.holds || count.met + count.blocked > 0)
        return {};
    if (count.timeout > 0)
        return name_of(count) + " was held until its timeout, its signal did not come";
    return name_of(count) + " was hit and neither met nor blocked";
}

void add_counts(const Observed& observed, std::vector<std::string>& reasons) {
    for (const auto& count : observed.counts) {
        if (auto reason = unmet(count); !count.optional && !reason.empty())
            reasons.push_back(std::move(reason));
        if (count.nmissed > 0)
            reasons.push_back(name_of(count) + " missed " + times(count.nmissed, "hit") +
                              " (kprobe nmissed)");
        if (count.atomic > 0)
            reasons.push_back(name_of(count) + " was hit " + std::to_string(count.atomic) +
                              " times where it could not sleep");
    }
}

// A rule of the plan that nobody counted proves nothing.
void add_uncounted(const job::Plan& plan, const Observed& observed,
                   std::vector<std::string>& reasons) {
    for (std::size_t i = 0; i < plan.rules.size(); ++i) {
        const auto& rule = plan.rules[i];
        const auto name = rule.name.empty() ? std::to_string(i + 1) : rule.name;
        const bool counted = std::ranges::any_of(
            observed.counts, [&](const auto& count) { return count.rule == name; });
        if (!counted && !rule.optional)
            reasons.push_back("rule " + name + " (" + rule.point + ") has no count");
    }
}

bool may_fail(const job::Plan& plan, const StepResult& step) {
    const auto actor = std::ranges::find(plan.actors, step.actor, &job::Actor::name);
    return actor == plan.actors.end() || step.index == 0 || step.index > actor->steps.size() ||
           actor->steps[step.index - 1].may_fail;
}

// The kernel may defer a bind; settle tries again, and what became of the
// device is judged by its audit.
bool deferred(const StepResult& step) {
    constexpr int kProbeDefer = 517; // EPROBE_DEFER reached user space before 5.13
    return does(step.verb, effect::binds_own) &&
           (step.os_error == EAGAIN || step.os_error == kProbeDefer);
}

// A step that failed left out a part of the race. Type writes have their own
// table.
void add_steps(const job::Plan& plan, const Observed& observed, std::vector<std::string>& reasons) {
    for (const auto& step : observed.steps)
        if (step.os_error != 0 && !step.type && !deferred(step) && !may_fail(plan, step))
            reasons.push_back("'" + step.text + "' of " + step.actor + " failed: " +
                              (step.detail.empty() ? std::strerror(step.os_error) : step.detail));
}

void add_actors(const Observed& observed, std::vector<std::string>& reasons) {
    for (const auto& end : observed.actors)
        if (end.how == ActorEnd::How::cancelled)
            reasons.push_back("actor " + end.actor + " was cancelled before it was done");
}

// A step in which drivers or devices came or went.
bool is_churn(const StepResult& step) {
    return step.os_error == 0 && does(step.verb, effect::churns);
}

// A type step that the kernel answered.
bool reached_kernel(const StepResult& step) {
    return step.type && types::was_tried(step.os_error);
}

// A job without a rule tests what its steps do.
bool tested_something(const job::Plan& plan, const Observed& observed) {
    return std::ranges::any_of(observed.counts, [](const auto& count) { return count.hits > 0; }) ||
           std::ranges::any_of(observed.steps, reached_kernel) ||
           types::tried_writes(observed.types) > 0 ||
           (plan.rules.empty() && std::ranges::any_of(observed.steps, is_churn));
}

} // namespace

std::vector<std::string> unproved(const job::Plan& plan, const Observed& observed) {
    std::vector<std::string> reasons;
    add_counts(observed, reasons);
    add_uncounted(plan, observed, reasons);
    add_actors(observed, reasons);
    add_steps(plan, observed, reasons);
    if (observed.lost_events > 0)
        reasons.push_back(times(observed.lost_events, "event") + " lost");
    if (observed.settled.empty())
        reasons.emplace_back("no device was audited after settle");
    if (reasons.empty() && !tested_something(plan, observed))
        reasons.emplace_back(
            "nothing was tested: no rule was hit, no type was written, no device came or went");
    return reasons;
}

namespace {

constexpr std::size_t kNamedRules = 4; // more of them are only counted

const char* how(const RuleCount& count) {
    return count.met > 0       ? "met"
           : count.blocked > 0 ? "blocked"
           : count.timeout > 0 ? "timed out"
                               : "hit";
}

std::string rules_hit(const std::vector<RuleCount>& counts) {
    std::string named;
    std::size_t hit = 0;
    for (const auto& count : counts) {
        if (count.hits == 0)
            continue;
        ++hit;
        named += (named.empty() ? "rule " : ", rule ") + count.rule + " " + how(count);
    }
    if (hit <= kNamedRules)
        return named;
    return std::to_string(hit) + " of " + std::to_string(counts.size()) + " rules hit";
}

} // namespace

std::string what_was_hit(const Observed& observed) {
    auto text = rules_hit(observed.counts);
    const auto steps = std::ranges::count_if(observed.steps, reached_kernel);
    const auto writes = static_cast<std::uint64_t>(steps) + types::tried_writes(observed.types);
    if (writes > 0)
        text += (text.empty() ? "" : ", ") + times(writes, "type write");
    if (!text.empty())
        return text;
    const auto churn = std::ranges::count_if(observed.steps, is_churn);
    return times(static_cast<std::uint64_t>(churn), "step") + " that bind, remove or walk";
}

} // namespace dmarace::verdict
