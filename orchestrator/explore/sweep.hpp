// SPDX-License-Identifier: GPL-2.0-or-later
// All pairs of acts that a board allows: each act is watched once, the pairs that promise most are
// searched first, and what was not covered is said. One pair is one search in a directory of its
// own. It goes on as a search does, by what its files say.
#pragma once

#include "explore/explore.hpp"
#include "explore/record.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::explore {

// Acts that are to meet, on one device.
struct SweepPair {
    std::string id;     // of its directory: "iommu-vs-bind"
    std::string device; // --device
    std::vector<std::string> acts;
    bool operator==(const SweepPair&) const = default;
};

// What pairs are made of, as the board is before anything is changed.
struct SweepBoard {
    search::ActBoard board;
    std::string client;              // behind the IOMMU
    std::string shared;              // .. with another one in its group, "" where there is none
    std::vector<std::string> others; // without an IOMMU, where the walk comes by
};

// Of the acts that were asked for, or all.
std::vector<SweepPair> sweep_pairs(const SweepBoard& board, const std::vector<std::string>& acts,
                                   bool triples);

// Of letters, digits and dashes.
std::string file_name(std::string text);

// A group has another number from another start: its records name none.
void forget_numbers(search::ActRecord& record);

enum class PairEnd { not_reached, cannot_meet, predicted, tried, failed };
std::string_view to_text(PairEnd end);

// A finding as its search wrote it down.
struct PairFinding {
    std::vector<std::string> failures; // kind, or kind and device
    std::string kind, word;            // of the candidate that it comes of, "" for a passed point
    std::vector<std::string> functions;
    std::string known, schedule, proof;
    std::string job, story; // files, below the directory of the sweep
};

struct PairState {
    SweepPair pair;
    std::string why;                    // cannot meet, or could not be searched
    bool apart = false;                 // they cannot meet
    bool over = false;                  // nothing is left to try, as far as was asked
    std::optional<unsigned> candidates; // nothing: not predicted
    unsigned leading = 0;               // of them, of the two leading ranks
    int rank = 0;                       // of the best
    unsigned tried = 0, left = 0, pruned = 0;
    double seconds = 0;
    unsigned rounds = 0; // shares of the time that it has had
    double until = 0;    // the end of its share, by its own seconds
    std::vector<PairFinding> findings;

    PairEnd end() const;
};

// One and the same race, over pairs.
struct Race {
    std::vector<std::string> kinds; // of failures, without devices
    std::string kind, word;
    std::vector<std::string> functions;
    std::string known;
    std::vector<std::string> pairs;
    std::vector<PairFinding> findings; // as many, in their order
};
std::vector<Race> grouped(const std::vector<PairState>& pairs);

// Schedules and findings are of each pair.
struct SweepOptions : SearchOptions {
    unsigned shard = 1, shards = 1;
    bool triples = false;
};

struct Swept {
    std::vector<PairState> pairs; // in the order in which they are searched
    std::vector<std::string> notes;
    std::string board, kernel, command;
    std::string asked; // what else decides which schedules there are, "" of an old one
    unsigned shard = 1, shards = 1;
    std::vector<std::string> missing_shards; // of a sweep that was put together
    std::string at;                          // the pair at work
    bool ordered = false;                    // all acts are watched, and all pairs predicted
    double seconds = 0, written = 0;
    std::string boot_again, stopped;
    bool interrupted = false;
};

// What is told while it goes on.
class SweepProgress {
public:
    virtual ~SweepProgress() = default;
    virtual ExploreProgress& of_pair() = 0;
    virtual void now(const Swept& so_far, const std::string& what) = 0;
    virtual void ended(const PairState& pair) = 0;
};

// Who does it: record_acts() and explore(), but for tests.
struct SweepHands {
    std::function<Result<ActRecords>(const search::ActSet&, const RecordOptions&)> watch;
    std::function<Result<Explored>(ExploreProgress&, const search::ActSet&, const ExploreOptions&)>
        explore;
};

Result<Swept> sweep(const SweepBoard& board, std::vector<SweepPair> pairs, SweepProgress& progress,
                    campaign::RunInterrupts& interrupts, const SweepOptions& options,
                    const SweepHands& hands);

// A fail with a finding; inconclusive where no schedule was run, or a part is not there or not at
// its end.
verdict::Verdict verdict_of(const Swept& swept);
// The page, the same as JSON, and back.
std::string sweep_page(const Swept& swept);
std::string sweep_json(const Swept& swept);
Result<Swept> read_sweep(const std::filesystem::path& directory);
// Several parts, or machines, as one.
Result<Swept> merged_sweeps(const std::vector<std::filesystem::path>& directories);

} // namespace dmarace::explore
