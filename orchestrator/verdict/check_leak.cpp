// SPDX-License-Identifier: GPL-2.0-or-later
// reference-leak: an IOMMU's struct device has more references after the
// iteration than before it, with the same clients in the same state.
#include "verdict/checks.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

// What may hold references of an instance by right: every client that is
// there, grouped and bound. Anyone may hold one more for a moment while the
// clients are audited, so that the least count is the one that stays.
struct Instance {
    std::int64_t refs = 0;
    std::string device; // the one whose audit said so
    std::string text;
    std::set<std::string> clients; // name, driver and group of each
};

using Instances = std::map<std::string, Instance>;

std::string client_of(const Audit& audit) {
    return audit.device + (audit.bound.value_or(false) ? " bound to " + audit.driver : " unbound");
}

Instances read_instances(const std::vector<Audit>& audits) {
    Instances out;
    for (const auto& audit : audits) {
        if (audit.iommu.empty() || !audit.iommu_refs)
            continue;
        const auto [place, fresh] = out.try_emplace(audit.iommu);
        auto& instance = place->second;
        instance.clients.insert(client_of(audit));
        if (!fresh && instance.refs <= *audit.iommu_refs)
            continue;
        instance.refs = *audit.iommu_refs;
        instance.device = audit.device;
        instance.text = dmarace::to_text(to_line(audit));
    }
    return out;
}

} // namespace

void check_leak(const Facts& facts, Findings& findings) {
    const auto before = read_instances(facts.observed.before);
    for (const auto& [name, after] : read_instances(facts.observed.settled)) {
        const auto earlier = before.find(name);
        if (earlier == before.end() || earlier->second.clients != after.clients ||
            after.refs <= earlier->second.refs)
            continue;
        findings.add({.kind = FailureKind::reference_leak,
                      .device = after.device,
                      .driver = facts.driver_of(after.device),
                      .detail = "its IOMMU " + name + " has " + std::to_string(after.refs) +
                                " references, " +
                                std::to_string(after.refs - earlier->second.refs) +
                                " more than before, and its clients are the same",
                      .evidence = {"before: " + earlier->second.text, after.text}});
    }
}

} // namespace dmarace::verdict
