// SPDX-License-Identifier: GPL-2.0-or-later
// Performs steps. Runs in actors' processes: a step may wait for
// any lock of the kernel under test.
#pragma once

#include "board/checked_io.hpp"
#include "board/devices.hpp"
#include "board/modules.hpp"
#include "board/task.hpp"
#include "job/job.hpp"
#include "types/hands.hpp"
#include "verdict/observed.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace dmarace::campaign {

// What steps work with. 'drivers' is the driver that each device belongs to
// (BUS/NAME to driver), known before anything was unbound.
struct StepContext {
    board::Devices devices;
    board::Modules modules;
    std::map<std::string, std::string> drivers;
    bool holds = true;
    board::Channel* channel = nullptr;  // to the owner; signals come over it
    std::set<std::string> signals;      // those that came already
    types::TypeMemory* types = nullptr; // shared by the actors of a [type] table
    std::size_t actor_index = 0;        // which of the actors this is
    types::KnownGroups known{};         // of type steps
    // Checked I/O that goes on, by its first device.
    std::map<std::string, std::unique_ptr<board::CheckedIo>> io{};
};

// Performs one step and says what came of it. A step that the kernel refused is
// a result with its errno, not an error: the verdict decides what it means.
verdict::StepResult perform(StepContext& context, const job::Step& step);

} // namespace dmarace::campaign
