// SPDX-License-Identifier: GPL-2.0-or-later
// This file performs the step of an actor of a [type] table: writing types, or
// what goes on beside that, until it is done.
#pragma once

#include "campaign/steps.hpp"
#include "campaign/type_hands.hpp"

namespace dmarace::campaign {

// Waits for the table's other actors, works, and lets the last actor out put
// every group back to the type and the drivers it had.
void do_type_work(StepContext& context, const job::TypeWork& work, verdict::StepResult& result);

// The writer's part: changes until all are done, the count is reached or the
// time is over.
void write_types(StepContext& context, const job::TypeWork& work, TypeHands& hands);
// The parts of those beside it: until no writer is left.
void work_beside(StepContext& context, const job::TypeWork& work, TypeHands& hands);

// Numbers that are the same again with the same seed (splitmix64).
class Draw {
public:
    explicit Draw(std::uint64_t seed) : state_(seed) {}
    std::uint64_t below(std::uint64_t limit);

private:
    std::uint64_t state_;
};

} // namespace dmarace::campaign
