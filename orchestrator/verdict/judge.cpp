// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/checks.hpp"

#include <algorithm>
#include <array>

namespace dmarace::verdict {

namespace {

struct VerdictName {
    Verdict verdict;
    std::string_view text;
};

constexpr std::array<VerdictName, 7> kNames{{{Verdict::pass, "pass"},
                                             {Verdict::fail, "fail"},
                                             {Verdict::crash, "crash"},
                                             {Verdict::hang, "hang"},
                                             {Verdict::inconclusive, "inconclusive"},
                                             {Verdict::skip, "skip"},
                                             {Verdict::error, "error"}}};

bool silences(const job::Allow& allow, const Failure& failure) {
    return allow.kind == failure.kind && (allow.device.empty() || allow.device == "*" ||
                                          same_device(allow.device, failure.device));
}

void apply_allow(const std::vector<job::Allow>& allow, std::vector<Failure>& failures) {
    for (auto& failure : failures)
        for (const auto& entry : allow) {
            if (failure.allowed || !silences(entry, failure))
                continue;
            failure.allowed = true;
            failure.detail += " (allowed" + (entry.reason.empty() ? "" : ": " + entry.reason) + ")";
        }
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

std::string joined(const std::vector<std::string>& reasons) {
    std::string text;
    for (const auto& reason : reasons)
        text += (text.empty() ? "" : "; ") + reason;
    return text;
}

Findings find_all(const Facts& facts) {
    Findings findings;
    for (const auto& check : checks())
        if (check.standing || !facts.standing)
            check.run(facts, findings);
    return findings;
}

} // namespace

std::string_view to_text(Verdict verdict) {
    for (const auto& name : kNames)
        if (name.verdict == verdict)
            return name.text;
    return "error";
}

std::optional<Verdict> verdict_from(std::string_view text) {
    for (const auto& name : kNames)
        if (name.text == text)
            return name.verdict;
    return std::nullopt;
}

Judgement judge(const job::Plan& plan, const std::vector<job::Allow>& allow,
                const Baseline& baseline, const Observed& observed) {
    auto findings = find_all(gather(plan.expect, observed, baseline));
    Judgement judgement;
    judgement.rules = observed.counts;
    judgement.notes = findings.notes();
    judgement.types = findings.types();
    judgement.failures = findings.take_failures();
    apply_allow(allow, judgement.failures);
    if (decide_failures(judgement, observed))
        return judgement;
    if (const auto error = error_of(observed); !error.empty()) {
        decide(judgement, Verdict::error, error);
        return judgement;
    }
    auto reasons = observed.holds
                       ? unproved(plan, observed)
                       : std::vector<std::string>{"no window was shown to be hit (--no-holds)"};
    std::ranges::copy(findings.doubts(), std::back_inserter(reasons));
    if (!reasons.empty())
        decide(judgement, Verdict::inconclusive, joined(reasons));
    else
        decide(judgement, Verdict::pass, what_was_hit(observed));
    return judgement;
}

std::vector<Failure> judge_baseline(const Baseline& baseline) {
    const job::Expect expect;
    const Baseline none;
    Observed observed;
    for (const auto& [device, audit] : baseline) {
        observed.settled.push_back(audit);
        observed.settled.back().device = device;
    }
    auto facts = gather(expect, observed, none);
    facts.standing = true;
    return find_all(facts).take_failures();
}

} // namespace dmarace::verdict
