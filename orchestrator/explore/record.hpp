// SPDX-License-Identifier: GPL-2.0-or-later
// What each act of a job touches, with which locks: runs of the campaign in which one act is
// watched, alone and after another one. Nothing is held and nothing raced.
#pragma once

#include "board/watch.hpp"
#include "campaign/campaign.hpp"
#include "search/acts.hpp"
#include "search/search.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::explore {

struct RecordOptions {
    campaign::Wishes wishes;
    std::filesystem::path place; // the runs' directories
    std::filesystem::path kept;  // records of earlier calls; "": none are kept
    bool anew = false;           // those are not looked at
    std::string board;
};

struct ActRecords {
    std::string device;            // whose words were watched
    std::vector<std::string> acts; // as records name them, in the order of the set's actors
    std::vector<search::ActRecord> records;
    std::vector<std::string> notes; // what is not known, and why
};

// Each actor of the set alone, and after each other one. Fault::untestable where nothing can be
// watched.
Result<ActRecords> record_acts(campaign::Machine& machine, campaign::RunProgress& progress,
                               campaign::RunInterrupts& interrupts, const search::ActSet& set,
                               const RecordOptions& options);

// Where they could meet. A place to park knows the argument that is the device, where BTF tells.
std::vector<search::Candidate> candidates_of(const ActRecords& records);

} // namespace dmarace::explore
