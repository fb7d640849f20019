// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/observed.hpp"

#include "kmod/dmarace_abi.h"

namespace dmarace::verdict {

namespace {

std::optional<bool> flag(const Line& line, std::string_view key) {
    const auto number = line.number(key);
    if (!number)
        return std::nullopt;
    return *number != 0;
}

std::uint64_t count(const Line& line, std::string_view key) {
    const auto number = line.number(key);
    return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

void add_text(Line& line, const char* key, const std::string& value) {
    if (!value.empty())
        line.add(key, value);
}

void add_flag(Line& line, const char* key, const std::optional<bool>& value) {
    if (value)
        line.add(key, *value ? "1" : "0");
}

void add_number(Line& line, const char* key, const std::optional<std::int64_t>& value) {
    if (value)
        line.add(key, std::to_string(*value));
}

} // namespace

std::optional<Audit> to_audit(const Line& line) {
    if (line.verb != DMARACE_E_AUDIT || line.get(DMARACE_K_DEV).empty())
        return std::nullopt;
    Audit audit;
    audit.seq = count(line, DMARACE_K_SEQ);
    audit.ts = count(line, DMARACE_K_TS);
    audit.at = line.find(DMARACE_K_AT).value_or(DMARACE_AT_DEMAND);
    audit.device = line.get(DMARACE_K_DEV);
    audit.driver = line.get(DMARACE_K_DRIVER);
    audit.bound = flag(line, DMARACE_K_BOUND);
    audit.managed = flag(line, DMARACE_K_MANAGED);
    audit.owned = flag(line, DMARACE_K_OWNED);
    audit.fw = flag(line, DMARACE_K_FW);
    audit.fwspec = flag(line, DMARACE_K_FWSPEC);
    audit.via_iommu = flag(line, DMARACE_K_VIA_IOMMU);
    audit.iommu = line.get(DMARACE_K_IOMMU);
    audit.iommu_refs = line.number(DMARACE_K_IOMMU_REFS);
    audit.group = line.number(DMARACE_K_GROUP);
    audit.domain = line.get(DMARACE_K_DOMAIN);
    audit.domain_id = line.get(DMARACE_K_DOMAIN_ID);
    audit.map = line.get(DMARACE_K_MAP);
    audit.map_reason = line.get(DMARACE_K_REASON);
    audit.addr = line.get(DMARACE_K_ADDR);
    audit.phys = line.get(DMARACE_K_PHYS);
    audit.iova_phys = line.get(DMARACE_K_IOVA_PHYS);
    return audit;
}

Line to_line(const Audit& audit) {
    Line line;
    line.verb = DMARACE_E_AUDIT;
    if (audit.seq != 0)
        line.add(DMARACE_K_SEQ, std::to_string(audit.seq));
    if (audit.ts != 0)
        line.add(DMARACE_K_TS, std::to_string(audit.ts));
    add_text(line, DMARACE_K_AT, audit.at);
    add_text(line, DMARACE_K_DEV, audit.device);
    add_text(line, DMARACE_K_DRIVER, audit.driver);
    add_flag(line, DMARACE_K_BOUND, audit.bound);
    add_flag(line, DMARACE_K_MANAGED, audit.managed);
    add_flag(line, DMARACE_K_OWNED, audit.owned);
    add_flag(line, DMARACE_K_FW, audit.fw);
    add_flag(line, DMARACE_K_FWSPEC, audit.fwspec);
    add_text(line, DMARACE_K_IOMMU, audit.iommu);
    add_number(line, DMARACE_K_IOMMU_REFS, audit.iommu_refs);
    add_number(line, DMARACE_K_GROUP, audit.group);
    add_text(line, DMARACE_K_DOMAIN, audit.domain);
    add_text(line, DMARACE_K_DOMAIN_ID, audit.domain_id);
    add_flag(line, DMARACE_K_VIA_IOMMU, audit.via_iommu);
    add_text(line, DMARACE_K_MAP, audit.map);
    add_text(line, DMARACE_K_REASON, audit.map_reason);
    add_text(line, DMARACE_K_ADDR, audit.addr);
    add_text(line, DMARACE_K_PHYS, audit.phys);
    add_text(line, DMARACE_K_IOVA_PHYS, audit.iova_phys);
    return line;
}

} // namespace dmarace::verdict
