// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes the device of 'dmarace run --device sim'.
#pragma once

#include "board/modules.hpp"
#include "board/simulated.hpp"

#include <cerrno>

namespace dmarace::commands {

inline constexpr const char* kSimulatedWord = "sim";

// The simulated IOMMU with two clients, each in a group of its own: there as
// long as this lives, unless it was there before. Keeps a reference to modules.
class SimulatedBoard {
public:
    explicit SimulatedBoard(const board::Modules& modules) : modules_(modules) {}
    ~SimulatedBoard() {
        if (!ours_)
            return;
        const board::Files files;
        (void)board::Simulated(files).remove("all");
        (void)modules_.remove(board::kSimulatedModule);
    }
    SimulatedBoard(const SimulatedBoard&) = delete;
    SimulatedBoard& operator=(const SimulatedBoard&) = delete;

    Status insert() {
        const auto inserted = modules_.insert(board::kSimulatedModule, "devices=2");
        ours_ = inserted.has_value();
        if (inserted || inserted.error().os_error == EEXIST)
            return {};
        return std::unexpected(Error(inserted.error()).within("--device sim"));
    }

private:
    const board::Modules& modules_;
    bool ours_ = false;
};

} // namespace dmarace::commands
