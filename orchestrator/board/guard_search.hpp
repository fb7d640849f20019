// SPDX-License-Identifier: GPL-2.0-or-later
// Collects what the machine stands on, as paths under /sys/devices with a reason each.
#pragma once

#include "board/guard.hpp"

#include <set>
#include <string>
#include <vector>

namespace dmarace::board {

struct Protected {
    std::string path;   // under /sys/devices
    std::string reason; // "mounted on /", "default route (eth0)", "console ttyAMA0"
};

class GuardSearch {
public:
    GuardSearch(const Files& files, const KernelAnswers& kernel)
        : files_(files), kernel_(kernel), routes_(kernel.routes()) {}
    std::vector<Protected> all() &&;

private:
    // False for what is known or nowhere.
    bool add(const std::string& path, const std::string& reason);
    void in_class(const std::string& directory, const std::string& reason);
    void iommus();

    // Storage.
    void block(const std::string& path, const std::string& reason);
    void named_block(const std::string& source, const std::string& reason);
    void mounts();
    void swaps();
    void of_mount(const std::string& type, const std::string& source, const std::string& server,
                  const std::string& reason);
    void btrfs(const std::string& reason);
    void ubi(const std::string& source, const std::string& reason);
    void held_blocks();

    // Network.
    void interface(const std::string& name, const std::string& reason);
    void tunnel(const std::string& reason);
    void every_interface(const std::string& reason);
    void peer(const std::string& address, const std::string& reason);
    void routes();
    void connections();
    void network_consoles();

    // What people look at and programs hold.
    void consoles();
    void displays();
    void virtio(unsigned kind, const std::string& reason);
    void opened();
    void opened_node(const std::string& node, const std::string& reason);

    const Files& files_;
    const KernelAnswers& kernel_;
    Result<std::vector<NetRoute>> routes_;
    std::set<std::string> seen_;
    std::vector<Protected> out_;
};

} // namespace dmarace::board
