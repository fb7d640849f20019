// SPDX-License-Identifier: GPL-2.0-or-later
// This file lists the parts of lint(). Inside this room only.
#pragma once

#include "job/diagnostic.hpp"

namespace dmarace::job {

// Signals that nothing raises, or nobody waits for; actors that wait for
// themselves or in a circle.
void lint_signals(const Job& job, Diagnostics& diagnostics);

// Rules that wait for somebody who needs what the held task owns.
void lint_locks(const Job& job, Diagnostics& diagnostics);

// The actor of that name, or nullptr.
const Actor* find_actor(const Job& job, std::string_view name);

} // namespace dmarace::job
