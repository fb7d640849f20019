// SPDX-License-Identifier: GPL-2.0-or-later
// Follows the kernel's uevents (add, remove, bind, unbind) through a
// libudev monitor, so that nothing has to sleep for a guessed time.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct udev;
struct udev_monitor;

namespace dmarace::board {

struct Uevent {
    std::string action, subsystem, name, driver;
    std::string path{};       // of its device, below /sys
    std::uint64_t number = 0; // as the kernel counts events
};

class Monitor {
public:
    // kernel: as the kernel sends them. udev: after udev has done its rules, and
    // only where it runs.
    enum class Source { kernel, udev };
    static Result<Monitor> open(Source source = Source::kernel);

    // Events that have come so far. Events the kernel had to drop (ENOBUFS) are
    // counted in lost().
    std::vector<Uevent> take();
    // Waits until no event has come for 'quiet', at most 'limit'. False when
    // events were still coming at the limit.
    bool wait_quiet(std::chrono::milliseconds quiet, std::chrono::milliseconds limit);
    int descriptor() const;
    unsigned lost() const { return lost_; }

private:
    struct UdevUnref {
        void operator()(udev* context) const;
        void operator()(udev_monitor* monitor) const;
    };
    Monitor() = default;
    std::unique_ptr<udev, UdevUnref> udev_;
    std::unique_ptr<udev_monitor, UdevUnref> monitor_;
    unsigned lost_ = 0;
};

} // namespace dmarace::board
