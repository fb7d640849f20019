// SPDX-License-Identifier: GPL-2.0-or-later
// domain-underfoot: under one driver, between binding and unbinding, a domain
// was attached or the DMA API switched.
#include "catalogue/log_signs.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

namespace dmarace::verdict {

namespace {

using catalogue::hinted;
using catalogue::LogHint;

std::string way(const Audit& audit) {
    return audit.via_iommu.value() ? "translated" : "direct";
}

std::string group_text(const std::optional<std::int64_t>& group) {
    return group ? "group " + std::to_string(*group) : "no group";
}

// A live DMA to DMA-FQ change keeps the domain; a driver may attach a domain
// of its own, and put the default one back.
bool may_change_domain(const Audit& before, const Audit& after) {
    if (before.domain == DMARACE_DOMAIN_UNMANAGED || after.domain == DMARACE_DOMAIN_UNMANAGED)
        return true;
    return before.domain == DMARACE_DOMAIN_DMA && after.domain == DMARACE_DOMAIN_DMA_FQ &&
           before.domain_id == after.domain_id;
}

bool differ(const std::string& before, const std::string& after) {
    return !before.empty() && !after.empty() && before != after;
}

// What changed, in words; "" if nothing that must not.
std::string change(const Audit& before, const Audit& after) {
    std::string text;
    const auto add = [&text](const std::string& part) {
        text += (text.empty() ? "" : ", ") + part;
    };
    if (before.via_iommu && after.via_iommu && *before.via_iommu != *after.via_iommu)
        add("DMA " + way(before) + " then " + way(after));
    if (before.group != after.group)
        add(group_text(before.group) + " then " + group_text(after.group));
    if (may_change_domain(before, after))
        return text;
    if (differ(before.domain, after.domain))
        add("domain " + before.domain + " then " + after.domain);
    else if (differ(before.domain_id, after.domain_id))
        add("another domain of type " + after.domain);
    return text;
}

std::string when(const Sample& sample) {
    return sample.settled ? "after settle" : "at " + sample.audit.at;
}

// A driver with driver_managed_dma deals with its domain itself.
bool judged(const Sample& sample) {
    return sample.driven() && !sample.audit.managed.value_or(false);
}

void compare(const Sample& before, const Sample& after, Findings& findings) {
    const auto what = change(before.audit, after.audit);
    if (what.empty())
        return;
    const auto& driver = after.audit.driver.empty() ? before.audit.driver : after.audit.driver;
    findings.add(
        {.kind = FailureKind::domain_underfoot,
         .device = after.audit.device,
         .driver = driver,
         .detail = what + " under the same driver (" + when(before) + ", " + when(after) + ")",
         .evidence = {before.text, after.text}});
}

} // namespace

void check_underfoot(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const Sample* last = nullptr;
        for (const auto& sample : samples) {
            if (!judged(sample))
                continue;
            if (last != nullptr && last->binding == sample.binding)
                compare(*last, sample, findings);
            last = &sample;
        }
    }
    for (const auto& line : facts.observed.log)
        if (!hinted(LogHint::late_probe, line.text).empty())
            findings.support(FailureKind::domain_underfoot, facts.device_in(line.text),
                             log_text(line));
}

} // namespace dmarace::verdict
