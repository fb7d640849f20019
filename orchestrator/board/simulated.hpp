// SPDX-License-Identifier: GPL-2.0-or-later
// This file knows the module dmarace_sim: a simulated IOMMU whose clients can
// be taken away and found again, and the walk on demand. Everything here may
// wait for locks of the kernel under test: for actors only.
#pragma once

#include "board/files.hpp"

#include <string>

namespace dmarace::board {

inline constexpr const char* kSimulatedModule = "dmarace_sim";
inline constexpr const char* kSimulatedDriver = "dmarace-sim-client";
// The first client of the simulated IOMMU, BUS/NAME.
inline constexpr const char* kSimulatedClient = "platform/dmarace-sim-client.0";

// A device BUS/NAME is a client of the simulated IOMMU.
bool is_simulated(const std::string& device);

class Simulated {
public:
    explicit Simulated(const Files& files) : files_(files) {}

    // Makes the core walk all buses: every device without a group is probed
    // again, and from 6.15 on every unbound one is configured by its bus
    // first (bcb81ac6ae3c). os_error ENODEV: there is no IOMMU to walk for.
    Status walk() const;
    // How a walk is done here, in words; an error when the module is not loaded.
    Result<std::string> means() const;
    // Loaded with clients it cannot be taken out of this kernel again: its operations
    // stay on the buses (up to 6.6).
    bool stays() const;
    // A client NAME, without its bus, or "all" of them: a client in a group
    // keeps the module in use.
    Status remove(const std::string& client) const;
    Status rescan() const;

private:
    const Files& files_;
};

} // namespace dmarace::board
