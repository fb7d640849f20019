// SPDX-License-Identifier: GPL-2.0-or-later
// The races that have a name: which job shows each, since which commit, who wrote of it. The list
// of docs/races.md says the same, and a test compares them. Pure.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace dmarace::catalogue {

struct NamedRace {
    std::string_view id, what;
    std::string_view thread;  // its letter in docs/races.md, "" for none
    std::string_view commits; // which brought it, which took it away
    std::string_view window;  // kernels
    std::string_view jobs;    // names, a space between
};

std::span<const NamedRace> races();
// Those that the job shows.
std::vector<const NamedRace*> races_of(std::string_view job);
// "2022-11-07 "iommu: ..."", "" for none.
std::string_view thread_of(const NamedRace& race);

} // namespace dmarace::catalogue
