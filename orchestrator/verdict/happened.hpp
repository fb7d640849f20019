// SPDX-License-Identifier: GPL-2.0-or-later
// What happened in one iteration, in the order it did, for people to look at. Pure.
#pragma once

#include "verdict/verdict.hpp"

#include <set>
#include <string>
#include <vector>

namespace dmarace::verdict {

enum class HappenedKind { step, wait, done, failed, parked, released, bus, audit, log };

struct Happened {
    HappenedKind what = HappenedKind::step;
    std::uint64_t ts = 0; // CLOCK_MONOTONIC, ns
    std::string actor;    // who did it, or was parked; "" where none of them did
    std::string by;       // of a release: the actor whose doing it was, "" for none
    std::string text;
    std::string line; // as it stands in the run's files; "" of a step
};

// Steps of actors, holds, what the buses told, audits, and lines of the kernel log that the table
// of signs knows, or that are evidence (as Failure has it).
std::vector<Happened> happened(const Observed& observed,
                               const std::set<std::string>& evidence = {});

} // namespace dmarace::verdict
