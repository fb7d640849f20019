// SPDX-License-Identifier: GPL-2.0-or-later
// This file performs steps. It runs in actors' processes: a step may wait for
// any lock of the kernel under test.
#pragma once

#include "board/child.hpp"
#include "board/devices.hpp"
#include "board/modules.hpp"
#include "job/job.hpp"
#include "verdict/observed.hpp"

#include <map>
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
    std::size_t player = 0;            // which of the actors this is
};

// Performs one step and says what came of it. A step that the kernel refused is
// a result with its errno, not an error: the verdict decides what it means.
verdict::StepResult perform(StepContext& context, const job::Step& step);

// CLOCK_MONOTONIC in ns, the clock of the module's events.
std::uint64_t monotonic_now();

} // namespace dmarace::campaign
