// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/facts.hpp"

#include "kmod/dmarace_abi.h"

namespace dmarace::campaign {

Result<std::vector<Line>> ask_audit(board::Control& control, const std::string& device, bool map,
                                    std::vector<Line>* others) {
    Line request{DMARACE_V_AUDIT, {}};
    if (!device.empty())
        request.add("dev", device);
    if (!map)
        request.add("map", "0");
    const auto reply = control.request(request);
    if (!reply)
        return std::unexpected(reply.error());
    auto lines = control.take();
    if (!lines)
        return std::unexpected(lines.error());
    std::vector<Line> audits;
    for (auto& line : *lines) {
        if (line.verb == DMARACE_E_AUDIT && line.get(DMARACE_K_AT) == DMARACE_AT_DEMAND)
            audits.push_back(std::move(line));
        else if (others)
            others->push_back(std::move(line));
    }
    return audits;
}

std::vector<std::string> behind_iommu(const std::vector<Line>& audits) {
    std::vector<std::string> names;
    for (const auto& audit : audits)
        if (audit.get(DMARACE_K_DEV).starts_with("pci/") &&
            (audit.get(DMARACE_K_FW) == "1" || audit.find(DMARACE_K_GROUP)))
            names.push_back(audit.get(DMARACE_K_DEV));
    return names;
}

} // namespace dmarace::campaign
