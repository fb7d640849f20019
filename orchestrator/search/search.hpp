// SPDX-License-Identifier: GPL-2.0-or-later
// What is known of two kernel paths before they have met: who touched which word with which
// locks (ActRecord), and where they could meet (Candidate). Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::search {

struct Frame {
    std::string function;
    std::uint64_t offset = 0;
    std::string line{}; // "drivers/base/dd.c:658", where somebody looked it up; for people
    auto operator<=>(const Frame&) const = default;
};

enum class Access { read, write, both }; // both: could not be told apart

// What was watched: "device.iommu_group" of "pci/0000:00:02.0", "group.default_domain" of
// "group 3".
struct WatchedWord {
    std::string name, of;
    auto operator<=>(const WatchedWord&) const = default;
};

// One access of one act. Of the chain the innermost is first: the instruction.
struct Touch {
    WatchedWord word;
    Access kind = Access::both;
    std::vector<Frame> chain;
    std::vector<std::string> locks; // "device pci/0000:00:02.0", "iommu_probe_device_lock", ..
    std::uint64_t time = 0;         // CLOCK_MONOTONIC, ns
    int task = 0;
    std::string comm;
    bool operator==(const Touch&) const = default;
};

struct LockStep {
    bool taken = false;
    std::string lock;
    std::vector<Frame> chain;
    std::uint64_t time = 0;
    int task = 0;
    bool operator==(const LockStep&) const = default;
};

// What one act did on one kernel and board, after others or alone.
struct ActRecord {
    std::string act, after, kernel, board; // after: what was done before it, "" for alone
    std::vector<Touch> touches;
    std::vector<LockStep> locks;
    // In whose extent a lock that sleeps was taken, or memory that may be waited for: there a
    // task may be parked, at entry and exit.
    std::set<std::string> sleepers;
    std::vector<std::string> lost; // why it is incomplete
    bool operator==(const ActRecord&) const = default;
};

// A lock that is only an address may be another object in the next run.
bool is_known_lock(std::string_view lock);
// As it is named where it is owned together with others who read.
std::string owned_for_reading(const std::string& lock);
// Who owns the one and who owns the other are not inside together.
bool exclude(std::string_view a, std::string_view b);

// The spinlock that guards that list, which nobody can see being taken; "" for what none is known
// of.
std::string_view guard_of(const WatchedWord& word);

// With the DMA of a group among the locks of who owns it, or has seen that nobody does.
ActRecord with_ownership(ActRecord record);

// Lines of text, as they are kept; and back.
std::string to_text(const ActRecord& record);
Result<ActRecord> record_from(std::string_view text);

// "function+0x10 (its line) < caller < its caller"
std::string shown(const std::vector<Frame>& chain, std::size_t most = 4);

// Where a task can be parked: becomes one rule of a job. A function with an offset is a place
// inside it: a call of what sleeps.
struct Park {
    std::string function;
    bool exit = false;
    std::optional<unsigned> device_argument;
    bool pci = false;
    std::string device; // the filter, "" for none
    unsigned nth = 1;
    std::uint64_t returns = 0; // of a call: where it returns to, until its own offset is known
    auto operator<=>(const Park&) const = default;
};

// unlocked: one word, one writes, no lock in common. left_open: A leaves a lock and takes it
// again around accesses of an object that B touches. half_way: A writes two words that B both
// reads or writes.
enum class CandidateKind { unlocked, left_open, half_way };

struct Candidate {
    CandidateKind kind = CandidateKind::unlocked;
    WatchedWord word;
    Touch a, b;
    std::string act_a, act_b;
    std::vector<Park> parks_a, parks_b;
    std::string known; // which race of docs/races.md, "" if none
    int rank = 0;      // 0 leads
};

std::string_view to_text(CandidateKind kind);
// One of the two leading ranks: no lock around what decides how DMA is set up, or one left open.
inline bool leads(const Candidate& candidate) { return candidate.rank <= 1; }
// "entry of f", "exit of f", "f+0x10"
std::string shown(const Park& park);

// Where the acts of the records could meet, the likeliest first; of several that differ only in
// who was before, one.
std::vector<Candidate> candidates(const std::vector<ActRecord>& records);

} // namespace dmarace::search
