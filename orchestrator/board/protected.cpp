// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/protected.hpp"

#include <algorithm>

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

std::string why_protected(const Device& device, const std::vector<Device>& all,
                          const std::vector<Protected>& protecteds) {
    for (const auto& item : protecteds)
        if (!device.path.empty() && inside(item.path, device.path))
            return item.reason;
    if (!device.group)
        return "";
    for (const auto& other : all) {
        if (other.group != device.group || other.full_name() == device.full_name())
            continue;
        for (const auto& item : protecteds)
            if (!other.path.empty() && inside(item.path, other.path))
                return "in one group with " + other.full_name() + ": " + item.reason;
    }
    return "";
}

} // namespace dmarace::board
