// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/boot_reach.hpp"

namespace dmarace::campaign {

std::string BootReach::text() const {
    if (modules.empty())
        return "its driver and that of its IOMMU are built in: it is bound before anything can be "
               "loaded";
    std::string text;
    for (const auto& module : modules)
        text += (text.empty() ? "" : " and ") + module;
    return text + " load" + (modules.size() > 1 ? "" : "s") + " after dmarace";
}

std::vector<BootReach> boot_reach(const Survey& survey) {
    std::vector<BootReach> out;
    for (const auto& item : survey.devices) {
        if (!item.behind_iommu || !item.endpoint || item.driver.empty())
            continue;
        BootReach reach{item.device.full_name(), {}};
        if (!survey.iommu_module.empty())
            reach.modules.push_back(survey.iommu_module);
        if (!item.driver_module.empty())
            reach.modules.push_back(item.driver_module);
        out.push_back(std::move(reach));
    }
    return out;
}

std::string boot_remedy() {
    return "a kernel that has the IOMMU's driver or the device's as a module (CONFIG_..=m), or a "
           "job that races after the boot";
}

} // namespace dmarace::campaign
