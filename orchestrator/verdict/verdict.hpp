// SPDX-License-Identifier: GPL-2.0-or-later
// What an iteration proved. Pure.
#pragma once

#include "catalogue/failures.hpp"
#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::verdict {

using catalogue::FailureKind;

enum class Verdict { pass, fail, crash, hang, inconclusive, skip, error };

std::string_view to_text(Verdict verdict);
std::optional<Verdict> verdict_from(std::string_view text);

// One thing that went wrong, with the lines that prove it.
struct Failure {
    FailureKind kind = FailureKind::kernel_warning;
    std::string device, driver;
    std::string detail; // one sentence
    std::vector<std::string> evidence;
    bool allowed = false; // silenced by an allow entry, still shown
};

struct Judgement {
    Verdict verdict = Verdict::inconclusive;
    std::string reason; // one line: why it is not a pass, or what was met
    std::vector<Failure> failures;
    std::vector<RuleCount> rules;
    std::vector<std::string> notes; // legal, but worth a sentence to the user
    types::TypeTally types;
};

// The facts of each device in a quiet run; empty means no baseline is taken.
using Baseline = std::map<std::string, Audit>;

// Failures first: an absolute rule that is broken is a fail whatever the holds
// did. Then honesty: a rule that is not optional and was neither met nor
// blocked, lost events, nmissed, a context that could not sleep make it
// inconclusive. Under --no-holds only failures and harness errors count, and
// an iteration without failures is inconclusive: no window was shown to be hit.
Judgement judge(const job::Plan& plan, const std::vector<job::Allow>& allow,
                const Baseline& baseline, const Observed& observed);

// What a baseline itself shows to be wrong: "a baseline that breaks an
// absolute rule is a finding, not a norm".
std::vector<Failure> judge_baseline(const Baseline& baseline);

} // namespace dmarace::verdict
