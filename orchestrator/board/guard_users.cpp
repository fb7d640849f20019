// SPDX-License-Identifier: GPL-2.0-or-later
// What people look at, and what programs hold.
#include "base/text.hpp"
#include "board/guard_search.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace dmarace::board {

namespace {

constexpr unsigned kVirtioConsole = 3; // virtio_ids.h
// They open each new device for a moment.
constexpr std::array<std::string_view, 4> kPassersBy{"systemd-udevd", "(udev-worker)", "udevd",
                                                     "udevadm"};

bool is_numbered(const std::string& name, std::string_view stem) {
    return name.starts_with(stem) && to_number<unsigned>(name.substr(stem.size()));
}

} // namespace

void GuardSearch::consoles() {
    for (const auto& tty : words_in(files_.read("/sys/class/tty/console/active").value_or(""))) {
        const auto reason = "console " + tty;
        add(files_.real_path("/sys/class/tty/" + tty), reason);
        if (is_numbered(tty, "hvc"))
            virtio(kVirtioConsole, reason);
        if (is_numbered(tty, "ttyGS"))
            in_class("/sys/class/udc", reason + " on");
        if (!is_numbered(tty, "tty"))
            continue;
        // A virtual terminal is on what there is to look at.
        for (const auto& name : files_.list("/sys/class/graphics"))
            if (is_numbered(name, "fb"))
                add(files_.real_path("/sys/class/graphics/" + name), reason + " on " + name);
        for (const auto& name : files_.list("/sys/bus/pci/devices"))
            if (files_.read("/sys/bus/pci/devices/" + name + "/boot_vga").value_or("") == "1")
                add(files_.real_path("/sys/bus/pci/devices/" + name), reason + " on VGA");
    }
}

void GuardSearch::displays() {
    for (const auto& name : files_.list("/sys/class/drm"))
        if (files_.read("/sys/class/drm/" + name + "/enabled").value_or("") == "enabled")
            add(files_.real_path("/sys/class/drm/" + name), "display " + name);
}

void GuardSearch::virtio(unsigned kind, const std::string& reason) {
    const std::string devices = "/sys/bus/virtio/devices/";
    for (const auto& name : files_.list(devices)) {
        const auto id = files_.read(devices + name + "/device").value_or("0x0");
        if (id.starts_with("0x") && leading_number<unsigned>(id.substr(2), 16) == kind)
            add(files_.real_path(devices + name), reason);
    }
}

void GuardSearch::opened() {
    std::set<std::string> known;
    const bool is_parent = files_.read("/proc/2/comm").value_or("") == "kthreadd"; // no container
    const auto threads =
        words_in(is_parent ? files_.read("/proc/2/task/2/children").value_or("") : "");
    const std::set<std::string> of_kernel(threads.begin(), threads.end());
    for (const auto& process : files_.list("/proc")) {
        if (!to_number<unsigned>(process) || of_kernel.contains(process))
            continue;
        const auto directory = "/proc/" + process + "/fd";
        const auto numbers = files_.list(directory);
        if (numbers.empty())
            continue;
        const auto name = files_.read("/proc/" + process + "/comm").value_or("?");
        if (std::ranges::find(kPassersBy, name) != kPassersBy.end())
            continue;
        for (const auto& number : numbers) {
            const auto node = files_.real_path(directory + "/" + number);
            if (node.starts_with("/dev/") && known.insert(node).second)
                opened_node(node, node + " is open in " + name + " (" + process + ")");
        }
    }
}

void GuardSearch::opened_node(const std::string& node, const std::string& reason) {
    // A group's file: what a guest, or another program in user space, was given.
    if (const auto group = node.substr(node.rfind('/') + 1); node.starts_with("/dev/vfio/")) {
        const auto members = "/sys/kernel/iommu_groups/" + group + "/devices";
        for (const auto& device : files_.list(members))
            add(files_.real_path(members + "/" + device), reason);
    }
    const auto entry = kernel_.entry_of(node);
    if (entry.starts_with("block/"))
        block(files_.real_path("/sys/dev/" + entry), reason);
    else if (!entry.empty())
        add(files_.real_path("/sys/dev/" + entry), reason);
}

} // namespace dmarace::board
