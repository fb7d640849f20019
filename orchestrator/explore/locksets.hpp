// SPDX-License-Identifier: GPL-2.0-or-later
// Samples of a watch to what an act did: names for addresses, and for each access the locks that
// its task owned then.
#pragma once

#include "board/symbols.hpp"
#include "board/watch.hpp"
#include "search/search.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace dmarace::explore {

// What is probed beside the watchpoints: takings and releases of locks that sleep.
const std::vector<board::FunctionProbe>& lock_probes();
// Of functions that could not be probed: those of which no kernel's other name could be either.
std::vector<std::string> unseen_locks(const std::vector<std::string>& absent);

struct SampleNames {
    std::shared_ptr<const board::Symbols> symbols; // as they were when it was seen
    std::vector<search::WatchedWord> words;        // of the watchpoints
    std::map<std::uint64_t, std::string> locks;    // known by their addresses
    const board::KernelMemory* memory = nullptr;   // instructions are read there
};

// Adds the samples of one run, without what lies below the DMA API and what dmarace's own module
// does.
void interpret(const board::WatchResult& watched, const SampleNames& names,
               search::ActRecord& record);

} // namespace dmarace::explore
