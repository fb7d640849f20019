// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/guard.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace dmarace::board {

namespace {

class Search {
public:
    explicit Search(const Files& files) : files_(files) {}

    std::vector<Protected> all() && {
        mounts();
        swaps();
        routes();
        consoles();
        in_class("/sys/class/watchdog", "watchdog");
        iommus();
        return std::move(out_);
    }

private:
    bool add(const std::string& path, const std::string& reason) {
        if (path.empty() || !seen_.insert(path + "\n" + reason).second)
            return false;
        out_.push_back({path, reason});
        return true;
    }

    // A block device and those that it lies on.
    void block(const std::string& path, const std::string& reason) {
        if (!add(path, reason))
            return;
        for (const auto& slave : files_.list(path + "/slaves"))
            block(files_.real_path(path + "/slaves/" + slave), reason);
        if (const auto backing = files_.read(path + "/loop/backing_file"))
            add(path, reason + " (loop over " + *backing + ")");
        // The disk of a multipath namespace hangs under no controller.
        const auto subsystem = path.find("/nvme-subsystem/");
        if (subsystem == std::string::npos)
            return;
        const auto above = path.substr(0, path.find('/', subsystem + 16));
        for (const auto& entry : files_.list(above))
            if (const auto controller = files_.real_path(above + "/" + entry);
                controller.find("/nvme/") != std::string::npos)
                add(controller, reason);
    }

    // "/dev/mapper/root" or "/dev/sda1", as a mount or a swap names it.
    void named_block(const std::string& source, const std::string& reason) {
        const auto node = files_.real_path(source);
        const auto name = (node.empty() ? source : node);
        if (name.starts_with("/dev/"))
            block(files_.real_path("/sys/class/block/" + name.substr(name.rfind('/') + 1)), reason);
    }

    // ID PARENT MAJOR:MINOR ROOT WHERE OPTIONS [TAGS] - TYPE SOURCE ..
    void mounts() {
        std::istringstream mounts(files_.read("/proc/self/mountinfo").value_or(""));
        for (std::string line; std::getline(mounts, line);) {
            std::istringstream words(line);
            std::string id, parent, numbers, root, where, type, source;
            words >> id >> parent >> numbers >> root >> where;
            if (const auto dash = line.find(" - "); dash != std::string::npos)
                std::istringstream(line.substr(dash + 3)) >> type >> source;
            const auto reason = "mounted on " + where;
            if (!numbers.starts_with("0:"))
                block(files_.real_path("/sys/dev/block/" + numbers), reason);
            else if (source.starts_with("/dev/"))
                named_block(source, reason);
            if (type == "btrfs")
                btrfs(reason);
        }
    }

    // Which of them a mount lies on cannot be told: all count.
    void btrfs(const std::string& reason) {
        for (const auto& system : files_.list("/sys/fs/btrfs")) {
            const auto devices = "/sys/fs/btrfs/" + system + "/devices";
            for (const auto& device : files_.list(devices))
                block(files_.real_path(devices + "/" + device), reason);
        }
    }

    void swaps() {
        std::istringstream swaps(files_.read("/proc/swaps").value_or(""));
        std::string line;
        std::getline(swaps, line);
        while (std::getline(swaps, line))
            if (line.starts_with("/dev/"))
                named_block(line.substr(0, line.find_first_of(" \t")), "swap");
    }

    void interface(const std::string& name, const std::string& reason) {
        const auto path = files_.real_path("/sys/class/net/" + name);
        if (!add(path, reason))
            return;
        for (const auto& entry : files_.list(path))
            if (entry.starts_with("lower_"))
                interface(entry.substr(6), reason);
    }

    void routes() {
        std::istringstream routes(files_.read("/proc/net/route").value_or(""));
        for (std::string line; std::getline(routes, line);) {
            std::istringstream words(line);
            std::string name, destination;
            words >> name >> destination;
            if (destination == "00000000")
                interface(name, "default route (" + name + ")");
        }
        // DESTINATION LENGTH SOURCE LENGTH HOP METRIC REFS USE FLAGS INTERFACE
        std::istringstream six(files_.read("/proc/net/ipv6_route").value_or(""));
        for (std::string line; std::getline(six, line);) {
            std::istringstream words(line);
            std::string destination, length, word, name;
            words >> destination >> length;
            for (int i = 0; i < 8 && words >> word; ++i)
                name = word;
            if (length == "00" && destination.find_first_not_of('0') == std::string::npos &&
                name != "lo")
                interface(name, "default route (" + name + ")");
        }
    }

    void consoles() {
        std::istringstream names(files_.read("/sys/class/tty/console/active").value_or(""));
        for (std::string tty; names >> tty;)
            add(files_.real_path("/sys/class/tty/" + tty), "console " + tty);
    }

    void in_class(const std::string& directory, const std::string& what) {
        for (const auto& name : files_.list(directory))
            add(files_.real_path(directory + "/" + name), what + " " + name);
    }

    // The instance may hang under no device: then its driver's device does.
    void iommus() {
        for (const auto& name : files_.list("/sys/class/iommu")) {
            add(files_.real_path("/sys/class/iommu/" + name), "IOMMU " + name);
            add(files_.real_path("/sys/class/iommu/" + name + "/device"), "IOMMU " + name);
        }
    }

    const Files& files_;
    std::set<std::string> seen_;
    std::vector<Protected> out_;
};

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

std::vector<Protected> stands_on(const Files& files) {
    return Search(files).all();
}

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
