// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/protected.hpp"

#include <set>
#include <sstream>

namespace dmarace::board {

namespace {

// A block device and, through dm, md and loop, those that it lies on.
void add_block(const Files& files, const std::string& path, const std::string& reason,
               std::set<std::string>& seen, std::vector<Protected>& out) {
    if (path.empty() || !seen.insert(path).second)
        return;
    out.push_back({path, reason});
    for (const auto& slave : files.list(path + "/slaves"))
        add_block(files, files.real_path(path + "/slaves/" + slave), reason, seen, out);
    const auto backing = files.read(path + "/loop/backing_file");
    if (backing)
        out.push_back({path, reason + " (loop over " + *backing + ")"});
}

void add_mounts(const Files& files, std::set<std::string>& seen, std::vector<Protected>& out) {
    std::istringstream mounts(files.read("/proc/self/mountinfo").value_or(""));
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id, parent, numbers, root, where;
        words >> id >> parent >> numbers >> root >> where;
        if (!numbers.starts_with("0:"))
            add_block(files, files.real_path("/sys/dev/block/" + numbers), "mounted on " + where,
                      seen, out);
    }
    std::istringstream swaps(files.read("/proc/swaps").value_or(""));
    std::string line;
    std::getline(swaps, line);
    while (std::getline(swaps, line))
        if (line.starts_with("/dev/"))
            add_block(files,
                      files.real_path("/sys/class/block/" + line.substr(5, line.find(' ') - 5)),
                      "swap", seen, out);
}

void add_class(const Files& files, const std::string& name, const std::string& reason,
               std::vector<Protected>& out) {
    const auto path = files.real_path(name);
    if (!path.empty())
        out.push_back({path, reason});
}

void add_routes(const Files& files, std::vector<Protected>& out) {
    std::istringstream routes(files.read("/proc/net/route").value_or(""));
    for (std::string line; std::getline(routes, line);) {
        std::istringstream words(line);
        std::string interface, destination;
        words >> interface >> destination;
        if (destination == "00000000")
            add_class(files, "/sys/class/net/" + interface, "default route (" + interface + ")",
                      out);
    }
}

bool inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

} // namespace

std::vector<Protected> protected_paths(const Files& files) {
    std::vector<Protected> out;
    std::set<std::string> seen;
    add_mounts(files, seen, out);
    add_routes(files, out);
    std::istringstream consoles(files.read("/sys/class/tty/console/active").value_or(""));
    for (std::string tty; consoles >> tty;)
        add_class(files, "/sys/class/tty/" + tty, "console " + tty, out);
    for (const auto& watchdog : files.list("/sys/class/watchdog"))
        add_class(files, "/sys/class/watchdog/" + watchdog, "watchdog " + watchdog, out);
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
