// SPDX-License-Identifier: GPL-2.0-or-later
// What the job expects of DMA, and differences from the baseline.
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <algorithm>
#include <cerrno>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

bool listed(const job::Expect& expect, const std::string& device) {
    return std::ranges::any_of(expect.devices,
                               [&](const auto& name) { return same_device(name, device); });
}

bool expected_here(const Facts& facts, const Sample& sample) {
    if (!facts.expect.devices.empty())
        return listed(facts.expect, sample.audit.device);
    return has_iommu(sample.audit);
}

void must_translate(const Facts& facts, const Sample& sample, Findings& findings) {
    const auto& audit = sample.audit;
    if (!audit.bound.value_or(false) || audit.via_iommu != false ||
        facts.timed_out.contains(audit.device))
        return;
    const auto domain = audit.domain.empty() ? "none" : audit.domain;
    findings.add({.kind = FailureKind::dma_direct,
                  .device = audit.device,
                  .driver = facts.driver_of(audit.device),
                  .detail = "is bound with direct DMA, domain " + domain +
                            ", and the job expects translated DMA",
                  .evidence = {sample.text}});
}

// Bound at once, or put off until settle.
bool went_through(const StepResult& step) {
    return step.os_error == 0 || step.os_error == EAGAIN;
}

// The last thing the actors did to the device was to bind it.
bool was_bound_by_job(const Facts& facts, const std::string& device) {
    bool bound = false;
    for (const auto& step : facts.observed.steps) {
        if (step.device.empty() || !same_device(step.device, device))
            continue;
        if (does(step.verb, effect::binds_own))
            bound = bound || went_through(step);
        else if (does(step.verb, effect::leaves_unbound | effect::removes_own))
            bound = false;
    }
    return bound;
}

Failure difference(const Facts& facts, const Sample& now, const Audit& before, FailureKind kind,
                   std::string detail) {
    return {.kind = kind,
            .device = now.audit.device,
            .driver = facts.driver_of(now.audit.device),
            .detail = std::move(detail),
            .evidence = {now.text, "baseline: " + dmarace::to_text(to_line(before))}};
}

void compare(const Facts& facts, const Sample& now, const Audit& before, Findings& findings) {
    const auto& audit = now.audit;
    if (audit.bound == false &&
        (was_bound_by_job(facts, audit.device) || listed(facts.expect, audit.device)))
        findings.add(
            difference(facts, now, before, FailureKind::not_bound,
                       "was bound to " + before.driver + " in the baseline and is not now"));
    if (!audit.bound.value_or(false))
        return;
    const bool as_type = facts.expect.dma == job::Dma::as_type;
    if (before.via_iommu == true && audit.via_iommu == false &&
        !(as_type && audit.domain == DMARACE_DOMAIN_IDENTITY))
        findings.add(difference(facts, now, before, FailureKind::dma_direct,
                                "was translated in the baseline and is not now"));
    if (before.group && !audit.group)
        findings.add(difference(facts, now, before, FailureKind::no_group,
                                "was in group " + std::to_string(*before.group) +
                                    " in the baseline and is in none now"));
}

} // namespace

void check_expect(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample != nullptr && facts.expect.dma == job::Dma::translated &&
            expected_here(facts, *sample))
            must_translate(facts, *sample, findings);
        if (sample != nullptr && sample->audit.bound == false && was_bound_by_job(facts, device))
            findings.doubt(device + " is not bound after settle, so its DMA was not judged");
    }
    for (const auto& name : facts.expect.devices) {
        const bool there = std::ranges::any_of(facts.devices, [&](const auto& entry) {
            return same_device(name, entry.first) && facts.settled(entry.first) != nullptr;
        });
        if (!there && facts.observed.error.empty())
            findings.doubt("expected device " + name + " has no audit after settle");
    }
}

void check_baseline(const Facts& facts, Findings& findings) {
    if (!facts.observed.error.empty())
        return; // settle did not run: the state is not the iteration's last word
    for (const auto& [device, before] : facts.baseline) {
        const auto* now = facts.settled(device);
        if (now != nullptr && before.bound.value_or(false) && before.device == now->audit.device)
            compare(facts, *now, before, findings);
    }
}

} // namespace dmarace::verdict
