// SPDX-License-Identifier: GPL-2.0-or-later
// map-error and fwspec-lost.
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

std::string map_detail(const Audit& audit) {
    if (audit.map == DMARACE_MAP_ERROR)
        return "a page could not be mapped" +
               (audit.map_reason.empty() ? "" : ": " + audit.map_reason);
    std::string text = "a mapped page is not where the IOMMU says";
    if (!audit.phys.empty() && !audit.iova_phys.empty())
        text += ": page " + audit.phys + ", translated " + audit.iova_phys;
    return text;
}

// The IOMMU itself may have gone between two audits: a driver removed, or an
// instance unbound.
bool iommu_may_have_gone(const Facts& facts, const Sample& before, const Sample& after) {
    return std::ranges::any_of(facts.observed.steps, [&](const StepResult& step) {
        if (step.os_error != 0 || step.ended < before.audit.ts || step.began > after.audit.ts)
            return false;
        return does(step.verb, effect::removes_module) ||
               (does(step.verb, effect::leaves_unbound) &&
                !same_device(step.device, after.audit.device));
    });
}

std::string lost(const Facts& facts, const Sample& before, const Sample& after) {
    const auto& now = after.audit;
    const bool same_binding = before.binding != 0 && before.binding == after.binding;
    if (same_binding && before.audit.group && !now.group && has_iommu(now))
        return "its IOMMU group went away while the driver was bound";
    if (before.audit.fwspec != true || now.fwspec != false)
        return {};
    if (!same_binding && iommu_may_have_gone(facts, before, after))
        return {};
    return "its fwspec went away while the device was there";
}

} // namespace

void check_map(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (sample.audit.map == DMARACE_MAP_MISMATCH || sample.audit.map == DMARACE_MAP_ERROR)
                findings.add({.kind = FailureKind::map_error,
                              .device = device,
                              .driver = facts.driver_of(device),
                              .detail = map_detail(sample.audit),
                              .evidence = {sample.text}});
}

void check_fwspec(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (std::size_t i = 1; i < samples.size(); ++i) {
            const auto& before = samples[i - 1];
            const auto& after = samples[i];
            if (before.life != after.life)
                continue;
            if (auto detail = lost(facts, before, after); !detail.empty())
                findings.add({.kind = FailureKind::fwspec_lost,
                              .device = device,
                              .driver = facts.driver_of(device),
                              .detail = std::move(detail),
                              .evidence = {before.text, after.text}});
        }
}

} // namespace dmarace::verdict
