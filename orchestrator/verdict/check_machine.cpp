// SPDX-License-Identifier: GPL-2.0-or-later
// hang, and the oops that killed an actor.
#include "verdict/checks.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

// The first line of a stack says which step it was.
std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto stop = std::min(text.find('\n', begin), text.size());
        if (stop > begin)
            lines.push_back(text.substr(begin, stop - begin));
        begin = stop + 1;
    }
    return lines;
}

// Who, and where in the kernel, on one line.
std::string stack_text(const std::string& who, const std::string& stack) {
    constexpr std::size_t kFrames = 14;
    auto text = who + ":";
    std::size_t frames = 0;
    for (const auto& line : lines_of(stack))
        if (frames++ < kFrames)
            text += (frames == 1 ? " " : " < ") + line;
    return text;
}

void stuck(const Facts& facts, const ActorEnd& end, Findings& findings) {
    const auto lines = lines_of(end.stack);
    auto detail = "actor " + end.actor + " is stuck in the kernel";
    if (!lines.empty())
        detail += ", in '" + lines.front() + "'";
    const auto device = lines.empty() ? "" : facts.device_in(lines.front());
    findings.add({.kind = FailureKind::hang,
                  .device = device,
                  .driver = facts.driver_of(device),
                  .detail = detail,
                  .evidence = {stack_text(end.actor, end.stack)}});
    for (const auto& task : facts.observed.blocked)
        findings.support(FailureKind::hang, device, stack_text(task.name, task.stack));
}

// The log has the oops itself as a rule; then the actor is its evidence.
void killed(const ActorEnd& end, Findings& findings) {
    auto text = "actor " + end.actor + " was killed in a step, as an oops does";
    if (findings.has(FailureKind::kernel_oops)) {
        findings.support(FailureKind::kernel_oops, "", text);
        return;
    }
    findings.add({.kind = FailureKind::kernel_oops,
                  .device = "",
                  .driver = "",
                  .detail = text,
                  .evidence = {text}});
}

// Where an actor slept in the kernel: when the fix is a lock, that is the fix.
void note_blocked(const Facts& facts, Findings& findings) {
    for (const auto& line : facts.observed.events) {
        if (line.verb != "stack")
            continue;
        auto stack = line.get("stack");
        stack = stack.substr(0, stack.find(';', stack.find(';', stack.find(';') + 1) + 1));
        findings.note("actor " + line.get("actor") + " was blocked in '" + line.get("step") +
                      "': " + stack);
    }
}

} // namespace

void check_machine(const Facts& facts, Findings& findings) {
    const auto& observed = facts.observed;
    note_blocked(facts, findings);
    for (const auto& end : observed.actors) {
        if (end.how == ActorEnd::How::stuck)
            stuck(facts, end, findings);
        if (end.how == ActorEnd::How::killed_by_oops)
            killed(end, findings);
    }
    if (!observed.settle_failed.empty())
        findings.add({.kind = FailureKind::hang,
                      .device = "",
                      .driver = "",
                      .detail = "the board did not settle: " + observed.settle_failed,
                      .evidence = {observed.settle_failed}});
}

} // namespace dmarace::verdict
