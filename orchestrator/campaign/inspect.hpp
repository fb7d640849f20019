// SPDX-License-Identifier: GPL-2.0-or-later
// This file looks at the machine once nothing is held: settle, bind again what
// was put off, read group types, audit every device. A child does it, since
// each of these may wait for a lock that a stuck task still owns.
#pragma once

#include "campaign/machine.hpp"
#include "campaign/settle.hpp"
#include "verdict/observed.hpp"

#include <vector>

namespace dmarace::campaign {

// Fills settled, groups, settle_failed and the steps of actor "settle".
Status inspect(Machine& machine, const std::vector<PutOff>& put_off, bool holds,
               verdict::Observed& observed);

// Fills before: what is there when nothing has begun, without mappings and
// without settling.
Status inspect_before(Machine& machine, verdict::Observed& observed);

// The binds among the steps that ended in EAGAIN.
std::vector<PutOff> put_off_binds(const Machine& machine, const verdict::Observed& observed);

} // namespace dmarace::campaign
