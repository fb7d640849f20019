// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the inside of an actor: a child process that performs its steps
// when the owner says go.
#pragma once

#include "board/task.hpp"
#include "campaign/steps.hpp"
#include "job/job.hpp"

namespace dmarace::campaign {

// Waits for go, performs each step, tells of each (campaign/wire.hpp). A step
// that failed does not stop the actor: the next ones may be what the job is for.
int act(board::Channel& channel, const job::Actor& actor, StepContext context);

} // namespace dmarace::campaign
