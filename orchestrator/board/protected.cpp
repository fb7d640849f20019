// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/protected.hpp"

#include <algorithm>
#include <map>

namespace dmarace::board {

namespace {

bool inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

// The IOMMU is the supplier of all its clients: that much is said shorter.
bool is_iommu(const std::vector<Protected>& known, const std::string& path) {
    return std::ranges::any_of(known, [&](const auto& item) {
        return item.reason.starts_with("IOMMU ") && inside(item.path, path);
    });
}

void add_suppliers(const Files& files, const Protected& item, std::vector<Protected>& out) {
    for (auto path = item.path; path.size() > 1 && path != "/sys/devices";
         path = path.substr(0, path.rfind('/'))) {
        for (const auto& entry : files.list(path)) {
            if (!entry.starts_with("supplier:"))
                continue;
            const auto supplier = files.real_path(path + "/" + entry + "/supplier");
            const bool known =
                std::ranges::any_of(out, [&](const auto& other) { return other.path == supplier; });
            if (!supplier.empty() && !known && !is_iommu(out, supplier))
                out.push_back({supplier, "supplier of " + path.substr(path.rfind('/') + 1) + ": " +
                                             item.reason});
        }
    }
}

// Of its own path and what is above it, "" if there is none.
std::string own_reason(const Device& device, const std::vector<Protected>& protecteds) {
    for (const auto& item : protecteds)
        if (!device.path.empty() && inside(item.path, device.path))
            return item.reason;
    return "";
}

} // namespace

std::vector<Protected> protected_paths(const Files& files) {
    auto out = stands_on(files);
    // Suppliers of suppliers follow, since the list grows under the loop.
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto item = out[i];
        add_suppliers(files, item, out);
    }
    return out;
}

std::vector<std::string> why_protected(const std::vector<Device>& all,
                                       const std::vector<Protected>& protecteds) {
    std::vector<std::string> reasons;
    std::map<int, std::size_t> guarded; // the first of each group
    for (const auto& device : all) {
        reasons.push_back(own_reason(device, protecteds));
        if (device.group && !reasons.back().empty())
            guarded.emplace(*device.group, reasons.size() - 1);
    }
    const auto own = reasons;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!own[i].empty() || !all[i].group)
            continue;
        if (const auto other = guarded.find(*all[i].group); other != guarded.end())
            reasons[i] =
                "in one group with " + all[other->second].full_name() + ": " + own[other->second];
    }
    return reasons;
}

} // namespace dmarace::board
