// SPDX-License-Identifier: GPL-2.0-or-later
// not-owned and type-mismatch: what a group, its members and sysfs say of each
// other after settle.
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <array>

namespace dmarace::verdict {

namespace {

struct TypeWord {
    std::string_view sysfs, domain;
};

constexpr std::array<TypeWord, 6> kTypes{{{"DMA", "dma"},
                                          {"DMA-FQ", "dma-fq"},
                                          {"identity", "identity"},
                                          {"unmanaged", "unmanaged"},
                                          {"blocked", "blocked"},
                                          {"unknown", "none"}}};

std::string_view domain_word(std::string_view sysfs) {
    for (const auto& type : kTypes)
        if (type.sysfs == sysfs)
            return type.domain;
    return {};
}

// An owner (VFIO, a driver of its own) may have put another domain in place of
// the default one, which is what sysfs tells.
bool default_domain_in_use(const Audit& audit) {
    return audit.domain != DMARACE_DOMAIN_UNMANAGED && audit.domain != DMARACE_DOMAIN_BLOCKED &&
           audit.domain != DMARACE_DOMAIN_OTHER;
}

void mismatch(const Facts& facts, Findings& findings, const std::string& device, std::string detail,
              std::vector<std::string> evidence) {
    findings.add({.kind = FailureKind::type_mismatch,
                  .device = device,
                  .driver = facts.driver_of(device),
                  .detail = std::move(detail),
                  .evidence = std::move(evidence)});
}

void against_sysfs(const Facts& facts, const GroupType& group, Findings& findings) {
    const auto wanted = domain_word(group.type);
    for (const auto& device : group.devices) {
        const auto* sample = facts.settled(device);
        if (wanted.empty() || sample == nullptr || sample->audit.domain.empty() ||
            sample->audit.domain == wanted || !default_domain_in_use(sample->audit))
            continue;
        const auto number = std::to_string(group.group);
        mismatch(facts, findings, device,
                 "group " + number + " says type " + group.type + ", the domain is " +
                     sample->audit.domain,
                 {"iommu_groups/" + number + "/type: " + group.type, sample->text});
    }
}

void against_each_other(const Facts& facts, Findings& findings) {
    std::map<std::int64_t, const Sample*> first;
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr || !sample->audit.group || sample->audit.domain_id.empty())
            continue;
        const auto [other, fresh] = first.emplace(*sample->audit.group, sample);
        if (fresh || other->second->audit.domain_id == sample->audit.domain_id)
            continue;
        mismatch(facts, findings, device,
                 "members of group " + std::to_string(*sample->audit.group) +
                     " are attached to different domains",
                 {other->second->text, sample->text});
    }
}

// The DMA API would map into a domain that is no DMA domain.
void against_dma_api(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (sample.driven() && sample.audit.via_iommu.value_or(false) &&
                (sample.audit.domain == DMARACE_DOMAIN_NONE ||
                 sample.audit.domain == DMARACE_DOMAIN_IDENTITY))
                mismatch(facts, findings, device,
                         "the DMA API goes through the IOMMU, the domain is " + sample.audit.domain,
                         {sample.text});
}

} // namespace

void check_not_owned(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr)
            continue;
        const auto& audit = sample->audit;
        if (!audit.bound.value_or(false) || audit.managed != false || !audit.group ||
            audit.owned != false)
            continue;
        findings.add({.kind = FailureKind::not_owned,
                      .device = device,
                      .driver = facts.driver_of(device),
                      .detail = audit.driver + " is bound, and group " +
                                std::to_string(*audit.group) + " has no DMA owner",
                      .evidence = {sample->text}});
    }
}

void check_type_mismatch(const Facts& facts, Findings& findings) {
    for (const auto& group : facts.observed.groups)
        against_sysfs(facts, group, findings);
    against_each_other(facts, findings);
    against_dma_api(facts, findings);
}

} // namespace dmarace::verdict
