// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/happened.hpp"

#include "catalogue/failures.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <algorithm>
#include <cstring>

namespace dmarace::verdict {

namespace {

std::string milliseconds(std::int64_t us) { return std::to_string(us / 1000) + " ms"; }

void add_step(std::vector<Happened>& out, const StepResult& step) {
    using Kind = HappenedKind;
    const bool waits = step.verb == catalogue::Verb::wait;
    out.push_back({waits ? Kind::wait : Kind::step, step.began, step.actor, "", step.text, ""});
    if (step.ended == 0)
        return;
    const bool done = step.os_error == 0;
    out.push_back({done ? Kind::done : Kind::failed, step.ended, step.actor, "",
                   done ? "  .. done" : "  .. " + std::string(std::strerror(step.os_error)), ""});
}

void add_event(std::vector<Happened>& out, const Line& line) {
    using enum HappenedKind;
    const auto get = [&](const char* key) { return line.get(key); };
    Happened one;
    one.ts = static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
    one.actor = get(DMARACE_K_ACTOR);
    if (line.verb == DMARACE_E_HELD) {
        one.what = parked;
        one.text = "PARKED at " + get(DMARACE_K_ON) + " of " + get(DMARACE_K_POINT);
    } else if (line.verb == DMARACE_E_END) {
        one.what = released;
        const auto by = get(DMARACE_K_BY);
        one.by = by.substr(by.find(':') + 1);
        one.text = "GOES ON (" + get(DMARACE_K_HOW) + (by.empty() ? "" : ": " + by) + ", after " +
                   milliseconds(line.number(DMARACE_K_HELD_US).value_or(0)) + ")";
    } else if (line.verb == DMARACE_E_BUS) {
        one.what = bus;
        one.text = get(DMARACE_K_DEV) + " " + get(DMARACE_K_WHAT) +
                   (get(DMARACE_K_DRIVER).empty() ? "" : " (" + get(DMARACE_K_DRIVER) + ")");
    } else if (line.verb == DMARACE_E_AUDIT) {
        one.what = audit;
        one.actor.clear();
        one.text = "audit of " + get(DMARACE_K_DEV) + " at " + get(DMARACE_K_AT) + ":";
        for (const char* key : {DMARACE_K_IOMMU, DMARACE_K_GROUP, DMARACE_K_DOMAIN,
                                DMARACE_K_VIA_IOMMU, DMARACE_K_MAP})
            if (!get(key).empty())
                one.text += " " + std::string(key) + "=" + get(key);
    } else {
        return;
    }
    one.line = to_text(line);
    out.push_back(std::move(one));
}

} // namespace

std::vector<Happened> happened(const Observed& observed, const std::set<std::string>& evidence) {
    std::vector<Happened> out;
    for (const auto& step : observed.steps)
        add_step(out, step);
    for (const auto& line : observed.events)
        add_event(out, line);
    for (const auto& line : observed.log) {
        const auto* sign = line.user ? nullptr : catalogue::log_sign(line.text);
        const auto text = log_text(line);
        if (evidence.contains(text) ||
            (sign != nullptr && sign->effect > catalogue::LogSign::Effect::noted))
            out.push_back({HappenedKind::log, line.ts * 1000, "", "", line.text, text});
    }
    std::ranges::stable_sort(out, {}, &Happened::ts);
    return out;
}

} // namespace dmarace::verdict
