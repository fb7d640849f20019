// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/guard.hpp"

#include "board/firmware.hpp"
#include "board/guard_search.hpp"
#include "board/task.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace dmarace::board {

std::vector<Protected> GuardSearch::all() && {
    mounts();
    swaps();
    routes();
    connections();
    consoles();
    displays();
    network_consoles();
    in_class("/sys/class/watchdog", "watchdog");
    iommus();
    held_blocks();
    opened();
    return std::move(out_);
}

bool GuardSearch::add(const std::string& path, const std::string& reason) {
    if (path.empty() || !seen_.insert(path + "\n" + reason).second)
        return false;
    out_.push_back({path, reason});
    return true;
}

void GuardSearch::in_class(const std::string& directory, const std::string& reason) {
    for (const auto& name : files_.list(directory))
        add(files_.real_path(directory + "/" + name), reason + " " + name);
}

// The instance may hang under no device: then its driver's device does.
void GuardSearch::iommus() {
    in_class("/sys/class/iommu", "IOMMU");
    for (const auto& name : files_.list("/sys/class/iommu"))
        add(files_.real_path("/sys/class/iommu/" + name + "/device"), "IOMMU " + name);
}

namespace {

bool inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

// Suppliers of suppliers follow, since the list grows under the loop.
class SupplierSearch {
public:
    SupplierSearch(const Files& files, const std::vector<Device>& all, const TreeNodes& tree,
                   std::vector<Protected> known)
        : files_(files), tree_(files, all, tree), out_(std::move(known)) {}

    std::vector<Protected> all() && {
        for (std::size_t i = 0; i < out_.size(); ++i) {
            const auto item = out_[i];
            for (auto path = item.path; path.size() > 1 && path != "/sys/devices";
                 path = path.substr(0, path.rfind('/')))
                if (seen_.insert(path).second)
                    look_at(path, item.reason);
        }
        return std::move(out_);
    }

private:
    void look_at(const std::string& path, const std::string& reason) {
        for (const auto& entry : files_.list(path))
            if (entry.starts_with("supplier:"))
                add(files_.real_path(path + "/" + entry + "/supplier"), path, reason);
        for (const auto& supplier : tree_.of(path))
            add(supplier, path, reason);
    }

    void add(const std::string& supplier, const std::string& of, const std::string& reason) {
        const bool known =
            std::ranges::any_of(out_, [&](const auto& other) { return other.path == supplier; });
        if (!supplier.empty() && !known && !is_iommu(supplier))
            out_.push_back(
                {supplier, "supplier of " + of.substr(of.rfind('/') + 1) + ": " + reason});
    }

    // The IOMMU is the supplier of all its clients: that much is said shorter.
    bool is_iommu(const std::string& path) const {
        return std::ranges::any_of(out_, [&](const auto& item) {
            return item.reason.starts_with("IOMMU ") && inside(item.path, path);
        });
    }

    const Files& files_;
    TreeSuppliers tree_;
    std::vector<Protected> out_;
    std::set<std::string> seen_; // a second look would find no other suppliers
};

// Of its own path and what is above it, "" if there is none.
std::string own_reason(const Device& device, const std::vector<Protected>& protecteds) {
    for (const auto& item : protecteds)
        if (!device.path.empty() && inside(item.path, device.path))
            return item.reason;
    return "";
}

} // namespace

std::vector<std::string> why_protected(const Files& files, const std::vector<Device>& all,
                                       const KernelAnswers& kernel, const TreeNodes& tree) {
    const auto protecteds =
        SupplierSearch(files, all, tree, GuardSearch(files, kernel).all()).all();
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

std::vector<std::string> why_protected_in_time(const Files& files, const std::vector<Device>& all,
                                               const TreeNodes& tree) {
    const auto told = told_in_time("looking at what people stand on", [&](ChildTelling& tell) {
        for (const auto& reason : why_protected(files, all, *kernel_answers(files), tree))
            tell.line(Line{"why", {{"reason", reason}}});
    });
    if (!told)
        return std::vector<std::string>(all.size(), "nobody knows: " + told.error().message);
    std::vector<std::string> reasons;
    for (const auto& line : *told)
        reasons.push_back(line.get("reason"));
    return reasons;
}

} // namespace dmarace::board
