// SPDX-License-Identifier: GPL-2.0-or-later
// From what the checks find and what was hit to a verdict: failures first, then honesty.
#include "types/judge.hpp"

#include "catalogue/verbs.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"
#include "verdict/standing.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

void add_once(std::vector<std::string>& list, std::string text) {
    if (std::ranges::find(list, text) == list.end())
        list.push_back(std::move(text));
}

void add_evidence(Failure& failure, const std::string& text) {
    if (failure.evidence.size() < kEvidenceMax && !text.empty())
        add_once(failure.evidence, text);
}

// Honesty: what was proved.

std::string name_of(const RuleCount& count) {
    return "rule " + count.rule + " (" + count.point + ")";
}

std::string times(std::uint64_t count, const char* one) {
    return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

std::string never_hit(const RuleCount& count) { return name_of(count) + " was never hit"; }

// A hold must have ended by its signal or against a lock; a rule that only
// delays or signals must have been hit.
std::string unmet(const RuleCount& count) {
    if (!count.armed)
        return name_of(count) + " was not armed: this kernel lacks the point";
    if (count.hits == 0)
        return never_hit(count);
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
    const auto* actor = named(plan.actors, step.actor);
    return actor == nullptr || step.index == 0 || step.index > actor->steps.size() ||
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
    for (const auto& act : observed.failed_acts)
        reasons.push_back(act_text(act));
}

// What an actor did not do or did not tell is not known.
void add_actors(const job::Plan& plan, const Observed& observed,
                std::vector<std::string>& reasons) {
    for (const auto& end : observed.actors) {
        const auto name = "actor " + end.actor;
        if (end.how == ActorEnd::How::cancelled)
            reasons.push_back(name + " was cancelled before it was done");
        if (end.how == ActorEnd::How::failed)
            reasons.push_back(name + " ended with " + end.stack);
        const auto* planned = named(plan.actors, end.actor);
        if (end.how != ActorEnd::How::returned || planned == nullptr)
            continue;
        const auto told = static_cast<std::size_t>(
            std::ranges::count(observed.steps, end.actor, &StepResult::actor));
        if (told < planned->steps.size())
            reasons.push_back(name + " told the end of " + std::to_string(told) + " of " +
                              times(planned->steps.size(), "step"));
    }
    const auto garbled = std::ranges::count(observed.events, kGarbledEvent, &Line::verb);
    if (garbled > 0)
        reasons.push_back(times(static_cast<std::uint64_t>(garbled), "message") +
                          " of actors could not be read");
}

// A step in which drivers or devices came or went.
bool is_churn(const StepResult& step) {
    return step.os_error == 0 && does(step.verb, effect::churns);
}

// Whoever asked for it: a module's coming binds devices that had waited.
bool came_or_went(const Observed& observed) {
    constexpr std::array<std::string_view, 4> kChanges{DMARACE_BUS_ADDED, DMARACE_BUS_REMOVED,
                                                       DMARACE_BUS_BOUND, DMARACE_BUS_UNBOUND};
    return std::ranges::any_of(observed.steps, is_churn) ||
           std::ranges::any_of(observed.events, [&](const Line& event) {
               return event.verb == DMARACE_E_BUS &&
                      std::ranges::count(kChanges, event.get(DMARACE_K_WHAT)) != 0;
           });
}

// A type step that the kernel answered.
bool reached_kernel(const StepResult& step) { return step.type && types::was_tried(step.os_error); }

bool hit_anything(const Observed& observed) {
    return std::ranges::any_of(observed.counts, [](const auto& count) { return count.hits > 0; });
}

// A job without a rule tests what its steps do.
bool tested_something(const job::Plan& plan, const Observed& observed) {
    return hit_anything(observed) || std::ranges::any_of(observed.steps, reached_kernel) ||
           types::tried_writes(observed.types) > 0 ||
           (plan.rules.empty() && came_or_went(observed));
}

std::vector<std::string> gaps_in(const Observed& observed) {
    std::uint64_t lost = 0;
    const LogLine* first = nullptr;
    for (const auto& line : observed.log) {
        first = first == nullptr && line.lost != 0 ? &line : first;
        lost += line.lost;
    }
    if (first == nullptr)
        return {};
    return {"the kernel log has gaps, " + times(lost, "record") +
            " in all; the first: " + log_text(*first) +
            "; a larger log_buf_len= on the kernel's command line leaves more time"};
}

// Why nothing was proved, the first reason first; empty if the iteration may
// pass. Not asked under --no-holds.
std::vector<std::string> unproved(const job::Plan& plan, const Observed& observed) {
    std::vector<std::string> reasons;
    add_counts(observed, reasons);
    add_uncounted(plan, observed, reasons);
    add_actors(plan, observed, reasons);
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

// A job of type changes, and of nothing besides, proves nothing of a group that took none.
void add_refused(const Observed& observed, Findings& findings) {
    if (observed.types.actors.empty() && (hit_anything(observed) || came_or_went(observed)))
        return;
    for (const auto& [group, writes] : findings.refused())
        findings.doubt("no change of the type of group " + std::to_string(group) +
                       " was accepted, of " + std::to_string(writes) + " asked for");
}

std::vector<std::string> why_unproved(const job::Plan& plan, const Observed& observed) {
    auto gaps = gaps_in(observed);
    if (observed.outside)
        return gaps;
    if (!observed.holds)
        return {"no window was shown to be hit (--no-holds)"};
    auto reasons = unproved(plan, observed);
    std::ranges::move(gaps, std::back_inserter(reasons));
    return reasons;
}

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

// "rule 1 met, rule 2 blocked", for the reason of a pass.
std::string what_was_hit(const Observed& observed) {
    auto text = rules_hit(observed.counts);
    const auto steps = std::ranges::count_if(observed.steps, reached_kernel);
    const auto writes = static_cast<std::uint64_t>(steps) + types::tried_writes(observed.types);
    if (writes > 0)
        text += (text.empty() ? "" : ", ") + times(writes, "type write");
    if (!text.empty())
        return text;
    const auto churn = std::ranges::count_if(observed.steps, is_churn);
    return churn == 0
               ? "devices came or went, or were bound"
               : times(static_cast<std::uint64_t>(churn), "step") + " that bind, remove or walk";
}

// The verdict.

// In the order of the enumerators.
constexpr std::array<std::string_view, 7> kVerdicts{"pass",         "fail", "crash", "hang",
                                                    "inconclusive", "skip", "error"};

bool silences(const job::Allow& allow, const Failure& failure) {
    const auto says = [&](const std::string& text) { return text.find(allow.text) != text.npos; };
    return allow.kind == failure.kind &&
           (allow.device.empty() || allow.device == "*" ||
            same_device(allow.device, failure.device)) &&
           (says(failure.detail) || std::ranges::any_of(failure.evidence, says));
}

std::string failure_text(const Failure& failure) {
    std::string text(to_text(failure.kind));
    if (!failure.device.empty())
        text += " " + failure.device;
    if (!failure.driver.empty())
        text += " (" + failure.driver + ")";
    return text + ": " + failure.detail;
}

std::string error_of(const Observed& observed) {
    if (!observed.error.empty())
        return observed.error;
    return observed.lease_lost ? "the lease was lost: its owner did not renew it in time" : "";
}

void decide(Judgement& judgement, Verdict verdict, std::string reason) {
    judgement.verdict = verdict;
    judgement.reason = std::move(reason);
}

// The failures that count decide alone; true if there is one.
bool decide_failures(Judgement& judgement, const Observed& observed) {
    const auto counts = [](const Failure& failure) { return !failure.allowed; };
    const auto& failures = judgement.failures;
    const auto first = std::ranges::find_if(failures, counts);
    if (first == failures.end())
        return false;
    const bool hang = std::ranges::any_of(
        failures, [&](const auto& f) { return counts(f) && f.kind == FailureKind::hang; });
    auto reason = failure_text(*first);
    const auto more = std::ranges::count_if(failures, counts) - 1;
    if (more > 0)
        reason += "; and " + std::to_string(more) + " more";
    if (const auto error = error_of(observed); !error.empty())
        reason += "; the harness failed too: " + error;
    decide(judgement, hang ? Verdict::hang : Verdict::fail, std::move(reason));
    return true;
}

Findings find_all(const Facts& facts, const std::vector<job::Allow>& allow) {
    Findings findings(facts, allow);
    for (const auto& checks :
         {dma_checks(), machine_checks(), board_checks(), expectation_checks()})
        for (const auto& check : checks)
            if (check.standing || !facts.standing)
                check.run(facts, findings);
    return findings;
}

} // namespace

const job::Allow* Findings::allowing(const Failure& failure) const {
    const auto entry =
        std::ranges::find_if(allow_, [&](const auto& one) { return silences(one, failure); });
    return entry == allow_.end() ? nullptr : &*entry;
}

void Findings::add(Failure failure) {
    const auto* by = allowing(failure);
    const auto evidence = std::exchange(failure.evidence, {});
    const auto [place, fresh] =
        places_.try_emplace({failure.kind, failure.device, by}, failures_.size());
    if (fresh) {
        failure.allowed = by != nullptr;
        if (by != nullptr)
            failure.detail += " (allowed" + (by->reason.empty() ? "" : ": " + by->reason) + ")";
        failures_.push_back(std::move(failure));
    }
    auto& known = failures_[place->second];
    if (known.driver.empty())
        known.driver = failure.driver;
    for (const auto& text : evidence)
        add_evidence(known, text);
}

void Findings::add(FailureKind kind, const std::string& device, std::string detail,
                   std::vector<std::string> evidence) {
    add({kind, device, facts_.driver_of(device), std::move(detail), std::move(evidence)});
}

void Findings::note(std::string text) { add_once(notes_, std::move(text)); }

void Findings::doubt(std::string text) { add_once(doubts_, std::move(text)); }

bool Findings::has(FailureKind kind) const {
    return std::ranges::any_of(failures_, [&](const auto& f) { return f.kind == kind; });
}

bool Findings::has(FailureKind kind, std::string_view device) const {
    return std::ranges::any_of(failures_,
                               [&](const auto& f) { return f.kind == kind && f.device == device; });
}

bool Findings::support(FailureKind kind, std::string_view device, const std::string& evidence) {
    const auto known = std::ranges::find_if(
        failures_, [&](const auto& f) { return f.kind == kind && f.device == device; });
    if (known == failures_.end())
        return false;
    add_evidence(*known, evidence);
    return !known->allowed;
}

std::vector<Failure> Findings::take_failures() {
    // An oops leaves others hanging: the cause comes before its effect.
    std::ranges::stable_sort(failures_, {}, [](const Failure& failure) {
        const bool first = failure.kind == FailureKind::kernel_oops;
        return std::pair(first ? FailureKind::hang : failure.kind, !first);
    });
    return std::move(failures_);
}

std::string_view to_text(Verdict verdict) {
    return kVerdicts.at(static_cast<std::size_t>(verdict));
}

std::optional<Verdict> verdict_from(std::string_view text) {
    return enum_from<Verdict>(kVerdicts, text);
}

Judgement judge(const job::Plan& plan, const std::vector<job::Allow>& allow,
                const Baseline& baseline, const Observed& observed) {
    const auto facts = gather(plan, observed, baseline);
    auto findings = find_all(facts, allow);
    Judgement judgement;
    judgement.rules = observed.counts;
    judgement.notes = findings.notes();
    judgement.types = findings.types();
    judgement.failures = findings.take_failures();
    if (decide_failures(judgement, observed))
        return judgement;
    if (const auto error = error_of(observed); !error.empty()) {
        decide(judgement, Verdict::error, error);
        return judgement;
    }
    add_refused(observed, findings);
    auto reasons = why_unproved(plan, observed);
    std::ranges::copy(findings.doubts(), std::back_inserter(reasons));
    if (!reasons.empty())
        decide(judgement, Verdict::inconclusive, joined(reasons, "; "));
    else
        decide(judgement, Verdict::pass, observed.outside ? "" : what_was_hit(observed));
    return judgement;
}

std::string never_hit(const std::vector<RuleCount>& counts) {
    std::vector<std::string> reasons;
    for (const auto& count : counts)
        if (count.armed && !count.optional && count.hits == 0)
            reasons.push_back(never_hit(count));
    return joined(reasons, "; ");
}

std::vector<Failure> judge_baseline(const Baseline& baseline) {
    const job::Plan plan;
    const Baseline none;
    Observed observed;
    for (const auto& [device, audit] : baseline) {
        observed.settled.push_back(audit);
        observed.settled.back().device = device;
    }
    auto facts = gather(plan, observed, none);
    facts.standing = true;
    return find_all(facts, {}).take_failures();
}

namespace {

// What the kernel complained of and names a device: the cause, where a state is wrong.
void support_by_log(const Facts& facts, Findings& findings) {
    constexpr int kWarning = 4;
    for (const auto& line : facts.log) {
        if (line.level > kWarning)
            continue;
        const auto device = line.device.empty() ? facts.device_in(line.text) : line.device;
        for (const auto kind : {FailureKind::dma_direct, FailureKind::no_group})
            findings.support(kind, device, log_text(line));
    }
}

} // namespace

Judgement judge_standing(const Observed& seen) {
    const job::Plan plan;
    const Baseline none;
    auto facts = gather(plan, seen, none);
    facts.standing = true;
    auto findings = find_all(facts, {});
    support_by_log(facts, findings);
    Judgement judgement;
    judgement.notes = findings.notes();
    judgement.failures = findings.take_failures();
    if (!decide_failures(judgement, seen))
        decide(judgement, findings.doubts().empty() ? Verdict::pass : Verdict::inconclusive,
               joined(findings.doubts(), "; "));
    return judgement;
}

} // namespace dmarace::verdict
