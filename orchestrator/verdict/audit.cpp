// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod/dmarace_abi.h"
#include "verdict/observed.hpp"

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
    if (line.verb != DMARACE_E_AUDIT || line.get("dev").empty())
        return std::nullopt;
    Audit audit;
    audit.seq = count(line, "seq");
    audit.ts = count(line, "ts");
    audit.at = line.find("at").value_or("demand");
    audit.device = line.get("dev");
    audit.driver = line.get("driver");
    audit.bound = flag(line, "bound");
    audit.managed = flag(line, "managed");
    audit.owned = flag(line, "owned");
    audit.fw = flag(line, "fw");
    audit.fwspec = flag(line, "fwspec");
    audit.via_iommu = flag(line, "via_iommu");
    audit.iommu = line.get("iommu");
    audit.iommu_refs = line.number("iommu_refs");
    audit.group = line.number("group");
    audit.domain = line.get("domain");
    audit.domain_id = line.get("domain_id");
    audit.map = line.get("map");
    audit.map_reason = line.get("reason");
    audit.addr = line.get("addr");
    audit.phys = line.get("phys");
    audit.iova_phys = line.get("iova_phys");
    return audit;
}

Line to_line(const Audit& audit) {
    Line line;
    line.verb = DMARACE_E_AUDIT;
    if (audit.seq != 0)
        line.add("seq", std::to_string(audit.seq));
    if (audit.ts != 0)
        line.add("ts", std::to_string(audit.ts));
    add_text(line, "at", audit.at);
    add_text(line, "dev", audit.device);
    add_text(line, "driver", audit.driver);
    add_flag(line, "bound", audit.bound);
    add_flag(line, "managed", audit.managed);
    add_flag(line, "owned", audit.owned);
    add_flag(line, "fw", audit.fw);
    add_flag(line, "fwspec", audit.fwspec);
    add_text(line, "iommu", audit.iommu);
    add_number(line, "iommu_refs", audit.iommu_refs);
    add_number(line, "group", audit.group);
    add_text(line, "domain", audit.domain);
    add_text(line, "domain_id", audit.domain_id);
    add_flag(line, "via_iommu", audit.via_iommu);
    add_text(line, "map", audit.map);
    add_text(line, "reason", audit.map_reason);
    add_text(line, "addr", audit.addr);
    add_text(line, "phys", audit.phys);
    add_text(line, "iova_phys", audit.iova_phys);
    return line;
}

} // namespace dmarace::verdict
