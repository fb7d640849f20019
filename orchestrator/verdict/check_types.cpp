// SPDX-License-Identifier: GPL-2.0-or-later
// unexpected-errno: writes to iommu_groups/N/type against type_table.cpp.
#include "verdict/checks.hpp"
#include "verdict/type_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace dmarace::verdict {

namespace {

bool overlap(const StepResult& a, const StepResult& b) {
    return a.began <= b.ended && b.began <= a.ended;
}

// Steps that change who is bound to, or member of, a group.
bool moves_devices(const StepResult& step) {
    constexpr std::array<std::string_view, 10> kVerbs{
        "bind", "unbind", "probe", "remove", "rescan", "sriov", "reset", "walk", "insmod", "rmmod"};
    return std::ranges::find(kVerbs, step.verb) != kVerbs.end();
}

bool contended(const Facts& facts, const StepResult& step) {
    return std::ranges::any_of(facts.observed.steps, [&](const StepResult& other) {
        if (other.actor == step.actor || !overlap(step, other))
            return false;
        return moves_devices(other) || (!other.type_asked.empty() && other.group == step.group);
    });
}

bool member_managed(const Facts& facts, const StepResult& step) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (step.group && sample.audit.group == step.group && sample.driven() &&
                sample.audit.managed.value_or(false))
                return true;
    return false;
}

bool removed_something(const Facts& facts) {
    return std::ranges::any_of(facts.observed.events,
                               [](const Line& line) {
                                   return line.verb == "bus" && line.get("what") == "removed";
                               }) ||
           std::ranges::any_of(facts.observed.steps,
                               [](const StepResult& step) { return step.verb == "remove"; });
}

// Whether another write like this one went through; and how many did not.
struct Likes {
    bool succeeded = false;
    unsigned refused = 0;
};

template <class Like>
Likes likes(const Facts& facts, Like like) {
    Likes found;
    for (const auto& other : facts.observed.steps) {
        if (!is_type_word(other.type_asked) || !like(other))
            continue;
        if (other.os_error == 0)
            found.succeeded = true;
        else if (other.os_error == EINVAL)
            ++found.refused;
    }
    return found;
}

bool log_refuses(const Facts& facts) {
    return std::ranges::any_of(facts.observed.log, [](const LogLine& line) {
        return line.text.find("Device cannot be in") != std::string::npos ||
               line.text.find("is not trusted, but driver") != std::string::npos;
    });
}

TypeWrite surroundings(const Facts& facts, const StepResult& step) {
    const auto several = likes(facts, [](const auto& other) { return other.group_devices > 1; });
    const auto same = likes(facts, [&](const auto& other) {
        return other.group == step.group && other.type_asked == step.type_asked &&
               other.type_before != other.type_asked;
    });
    return {.step = step,
            .bound = step.group_bound.value_or(false),
            .managed = member_managed(facts, step) || !step.group_bound,
            .contended = contended(facts, step),
            .removing = removed_something(facts),
            .group_refuses = step.group_devices != 1 && !several.succeeded,
            .word_refused = log_refuses(facts) || (!same.succeeded && same.refused > 1)};
}

std::string result_text(int os_error) {
    return os_error == 0 ? "success" : std::strerror(os_error);
}

std::string describe(const StepResult& step) {
    const auto group = step.group ? std::to_string(*step.group) : std::string("?");
    std::string text = "write '" + step.type_asked + "' to group " + group;
    if (!step.type_before.empty())
        text += " of type " + step.type_before;
    if (step.group_bound)
        text += *step.group_bound ? ", driver bound" : ", no driver bound";
    text += ": " + result_text(step.os_error);
    if (!step.type_after.empty())
        text += ", reads back " + step.type_after;
    return text;
}

std::string group_device(const Facts& facts, const StepResult& step) {
    if (!step.device.empty() || !step.group)
        return step.device;
    for (const auto& group : facts.observed.groups)
        if (group.group == *step.group && !group.devices.empty())
            return group.devices.front();
    return {};
}

} // namespace

void check_types(const Facts& facts, Findings& findings) {
    for (const auto& step : facts.observed.steps) {
        if (step.type_asked.empty())
            continue;
        const auto write = surroundings(facts, step);
        const auto* row = allowed_result(write);
        if (row != nullptr) {
            if (!row->note.empty())
                findings.note("group " + (step.group ? std::to_string(*step.group) : "?") + ": " +
                              std::string(row->note));
            continue;
        }
        const auto device = group_device(facts, step);
        findings.add({.kind = "unexpected-errno",
                      .device = device,
                      .driver = facts.driver_of(device),
                      .detail = describe(step),
                      .evidence = {describe(step)}});
    }
}

} // namespace dmarace::verdict
