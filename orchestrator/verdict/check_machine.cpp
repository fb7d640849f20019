// SPDX-License-Identifier: GPL-2.0-or-later
// hang, and the oops that killed an actor.
#include "verdict/checks.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

// The step that did not return, or null.
const StepResult* open_step(const Observed& observed, const std::string& actor) {
    for (const auto& step : observed.steps)
        if (step.actor == actor && step.began != 0 && step.ended == 0)
            return &step;
    return nullptr;
}

void stuck(const Facts& facts, const ActorEnd& end, Findings& findings) {
    const auto* step = open_step(facts.observed, end.actor);
    Failure failure{.kind = "hang",
                    .device = step != nullptr ? step->device : "",
                    .driver = step != nullptr ? facts.driver_of(step->device) : "",
                    .detail = "actor " + end.actor + " is stuck in the kernel",
                    .evidence = {}};
    if (step != nullptr)
        failure.detail += ", in '" + step->text + "'";
    std::size_t begin = 0;
    while (begin < end.stack.size() && failure.evidence.size() < kEvidenceMax) {
        const auto stop = std::min(end.stack.find('\n', begin), end.stack.size());
        if (stop > begin)
            failure.evidence.push_back(end.stack.substr(begin, stop - begin));
        begin = stop + 1;
    }
    findings.add(std::move(failure));
}

// The log has the oops itself as a rule; then the actor is its evidence.
void killed(const ActorEnd& end, Findings& findings) {
    const auto text = "actor " + end.actor + " was killed by an oops";
    if (findings.has("kernel-oops")) {
        findings.support("kernel-oops", "", text);
        return;
    }
    findings.add(
        {.kind = "kernel-oops", .device = "", .driver = "", .detail = text, .evidence = {text}});
}

} // namespace

void check_machine(const Facts& facts, Findings& findings) {
    const auto& observed = facts.observed;
    for (const auto& end : observed.actors) {
        if (end.how == ActorEnd::How::stuck)
            stuck(facts, end, findings);
        if (end.how == ActorEnd::How::killed_by_oops)
            killed(end, findings);
    }
    if (!observed.settle_failed.empty())
        findings.add({.kind = "hang",
                      .device = "",
                      .driver = "",
                      .detail = "the board did not settle: " + observed.settle_failed,
                      .evidence = {observed.settle_failed}});
}

} // namespace dmarace::verdict
