// SPDX-License-Identifier: GPL-2.0-or-later
// What each act of a job touches, with which locks: runs of the campaign in which one act is
// watched, alone and after another one. Nothing is held and nothing raced.
#pragma once

#include "board/symbols.hpp"
#include "campaign/campaign.hpp"
#include "search/acts.hpp"
#include "search/search.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::explore {

struct RecordOptions {
    campaign::Wishes wishes;
    std::filesystem::path place; // the runs' directories
    std::filesystem::path kept;  // records of earlier calls; "": none are kept
    bool anew = false;           // those are not looked at
    bool as_they_are = false;    // incomplete ones are taken too: a search keeps what it began with
    bool brief = false;          // no act after another one, and only words that decide most
    std::string board;
    std::string device; // whose words are watched; "": that of the acts
};

struct ActRecords {
    std::string device;            // whose words were watched
    std::vector<std::string> acts; // as records name them, in the order of the set's actors
    std::vector<search::ActRecord> records;
    std::vector<std::string> notes; // what is not known, and why
    std::optional<board::Layouts> layouts;
    std::string boot_again; // why the machine is to be booted before the rest is watched
};

// The file of one record, for the next call on this kernel and board that asks for the same.
class KeptRecord {
public:
    // words: which of them it has.
    KeptRecord(const RecordOptions& options, const search::ActRecord& wanted,
               const std::string& start, const std::string& device, const std::string& words);
    std::optional<search::ActRecord> read() const;
    // What it is if the machine does not survive: else each life would begin with the same.
    void begin(search::ActRecord record) const;
    void write(const search::ActRecord& record) const;
    void forget() const;

private:
    bool anew_, as_they_are_;
    std::string key_;
    std::filesystem::path file_;
};

// Each actor of the set alone, then after each other one. Fault::untestable where nothing can be
// watched.
Result<ActRecords> record_acts(campaign::Machine& machine, campaign::RunProgress& progress,
                               campaign::RunInterrupts& interrupts, const search::ActSet& set,
                               const RecordOptions& options);

// Where they could meet. A place to park knows the argument that is the device, where BTF tells.
std::vector<search::Candidate> candidates_of(const ActRecords& records);

// Names the source line of each instruction in them, from this vmlinux with debug information, or
// where "" from the places where debug packages put it. Why there are none, or "".
std::string name_lines(std::vector<search::Candidate>& candidates, std::filesystem::path vmlinux);

// What a prediction says: for people ('whole': with every access and every lock), as JSON on one
// line, and to be looked at.
std::string predict_page(const ActRecords& records,
                         const std::vector<search::Candidate>& candidates, bool whole);
std::string predict_json(const ActRecords& records,
                         const std::vector<search::Candidate>& candidates);
std::string predict_html(const ActRecords& records,
                         const std::vector<search::Candidate>& candidates);

} // namespace dmarace::explore
