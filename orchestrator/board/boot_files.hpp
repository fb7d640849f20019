// SPDX-License-Identifier: GPL-2.0-or-later
// What a campaign leaves on the disk for the machine's next boots: a
// modprobe file with the rules, which only the initramfs has where modprobe looks,
// the words of the command that goes on, and the unit that calls it. What loads
// the module first (initramfs/) is installed with dmarace and does nothing without
// that file.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::board {

struct BootRules {
    std::string run_id;             // in the log of every boot, before anything is loaded
    std::vector<std::string> rules; // lines as the control device takes them
    std::vector<std::string> after; // modules that are loaded after dmarace
    std::vector<std::string> async; // modules whose drivers probe asynchronously
};

// The modprobe file. Fault::usage when the rules do not fit into what the kernel
// takes for a module parameter. Pure.
Result<std::string> modprobe_text(const BootRules& rules);

// The run that waits for its boot: the kernel whose initramfs has its rules, and
// the words of the command that goes on.
struct Waiting {
    std::string run_id, release;
    std::vector<std::string> words;
};

class BootFiles {
public:
    using Run = std::function<Result<int>(const std::vector<std::string>&)>;
    // run: what starts update-initramfs or dracut; tests have their own.
    BootFiles(std::filesystem::path root, Run run) : root_(std::move(root)), run_(std::move(run)) {}
    BootFiles();

    // Writes them all and makes the initramfs of the running kernel anew. words
    // are those that go on after a boot. enable: by the unit, else by somebody else.
    // Fault::untestable, with nothing written, where that cannot be.
    Status arm(const BootRules& rules, const std::vector<std::string>& words, bool enable) const;
    // Takes every trace away. Nothing is done when there is none.
    Status disarm() const;
    bool armed() const;
    std::optional<Waiting> waiting() const;

private:
    std::filesystem::path at(const char* path) const;
    Status write(const char* path, const std::string& text) const;
    Status remove(const char* path) const;
    // The words that make the initramfs of that kernel; Fault::untestable without
    // a tool for it, or without dmarace's own part in it.
    Result<std::vector<std::string>> initramfs_command(const std::string& release) const;
    Result<std::filesystem::path> unit() const;
    Status make_initramfs(const std::string& release) const;

    std::filesystem::path root_;
    Run run_;
};

// Boots the machine: by systemd where it runs. Returns before it happens.
Status boot_machine();

} // namespace dmarace::board
