// SPDX-License-Identifier: GPL-2.0-or-later
// Performs steps. Runs in actors' processes: a step may wait for
// any lock of the kernel under test.
#pragma once

#include "board/checked_io.hpp"
#include "board/devices.hpp"
#include "board/modules.hpp"
#include "board/task.hpp"
#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace dmarace::campaign {

class TypeMemory;

// What steps work with. 'drivers' is the driver that each device belongs to
// (BUS/NAME to driver), known before anything was unbound.
struct StepContext {
    board::Devices devices;
    board::Modules modules;
    std::map<std::string, std::string> drivers;
    bool holds = true;
    board::Channel* channel = nullptr; // to the owner; signals come over it
    std::set<std::string> signals;     // those that came already
    TypeMemory* types = nullptr;       // shared by the actors of a [type] table
    std::size_t actor_index = 0;       // which of the actors this is
    // Groups of devices before anything was armed: a device that is being removed
    // is not found any more while its group is still there.
    std::map<std::string, int> groups{};
    // Types of groups that steps write to, read then and after each write. To
    // read one before a write could wait where the write itself should.
    std::map<int, std::string> group_types{};
    // Checked I/O that goes on, by its first device.
    std::map<std::string, std::unique_ptr<board::CheckedIo>> io{};
};

// Performs one step and says what came of it. A step that the kernel refused is
// a result with its errno, not an error: the verdict decides what it means.
verdict::StepResult perform(StepContext& context, const job::Step& step);

// CLOCK_MONOTONIC in ns, the clock of the module's events.
std::uint64_t monotonic_now();

} // namespace dmarace::campaign
