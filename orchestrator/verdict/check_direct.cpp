// SPDX-License-Identifier: GPL-2.0-or-later
// dma-direct and no-group: a driver got a device whose IOMMU was left out.
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

namespace dmarace::verdict {

namespace {

std::string name_of(const Audit& audit) {
    return audit.driver.empty() ? audit.device : audit.device + " (" + audit.driver + ")";
}

// A device that was direct in the baseline and was not bound again since is a
// finding of the baseline, not of each iteration.
bool known_before(const Facts& facts, const Sample& sample) {
    if (sample.seen_binding)
        return false;
    const auto known = facts.baseline.find(sample.audit.device);
    return known != facts.baseline.end() && known->second.bound.value_or(false) &&
           known->second.via_iommu == false && known->second.domain == sample.audit.domain;
}

void note_timeout(const Facts& facts, const Audit& audit, Findings& findings) {
    const auto text = name_of(audit) +
                      " was bound without its IOMMU after the deferred probe timeout, which is "
                      "legal; boot with deferred_probe_timeout=-1: " +
                      facts.timeout_lines.at(audit.device);
    if (facts.expect.timeout_is_legal)
        findings.note(text);
    else
        findings.doubt(text);
}

// What a device without group or translation may be excused by.
bool excused(const Facts& facts, const Sample& sample, Findings& findings) {
    const auto& audit = sample.audit;
    if (facts.timed_out.contains(audit.device)) {
        note_timeout(facts, audit, findings);
        return true;
    }
    if (!facts.iommu_seen) {
        findings.doubt("firmware gives " + name_of(audit) +
                       " an IOMMU, but no IOMMU instance was seen");
        return true;
    }
    if (known_before(facts, sample)) {
        findings.note(name_of(audit) + " uses direct DMA since before the run");
        return true;
    }
    return false;
}

bool direct(const Audit& audit) {
    return audit.via_iommu == false &&
           (audit.domain.empty() || audit.domain == DMARACE_DOMAIN_NONE || is_dma_domain(audit));
}

std::string direct_detail(const Sample& sample) {
    const auto& audit = sample.audit;
    const std::string when = sample.settled ? "is bound" : "was bound";
    if (is_dma_domain(audit))
        return when + " with direct DMA behind a translating domain";
    return when + " with direct DMA although it has an IOMMU";
}

} // namespace

void check_direct(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples) {
            if (!sample.driven() || !has_iommu(sample.audit) || !direct(sample.audit))
                continue;
            if (!is_dma_domain(sample.audit) && excused(facts, sample, findings))
                continue;
            findings.add({.kind = FailureKind::dma_direct,
                          .device = device,
                          .driver = facts.driver_of(device),
                          .detail = direct_detail(sample),
                          .evidence = {sample.text}});
        }
}

void check_no_group(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr || !sample->driven() || sample->audit.group ||
            !has_iommu(sample->audit) || excused(facts, *sample, findings))
            continue;
        findings.add({.kind = FailureKind::no_group,
                      .device = device,
                      .driver = facts.driver_of(device),
                      .detail = "is bound and in no IOMMU group",
                      .evidence = {sample->text}});
    }
}

} // namespace dmarace::verdict
