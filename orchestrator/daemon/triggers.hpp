// SPDX-License-Identifier: GPL-2.0-or-later
// Makes udev events into entries of the queue: an entry whose job has a
// [trigger] waits in trigger/, and each event that fits it puts a copy into new/.
#pragma once

#include "board/files.hpp"
#include "board/kernel.hpp"
#include "job/job.hpp"
#include "queue/spool.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

namespace dmarace::daemon {

using queue::Entry;
using queue::Shelf;
using queue::Spool;

// The [trigger] of a job, by name or path; nothing when it has none, or does not
// load (its run will say why).
using TriggerOf = std::function<std::optional<job::Trigger>(const std::string& job)>;

class Triggers {
public:
    Triggers(const Spool& spool, TriggerOf trigger_of, board::Files files = board::Files())
        : spool_(spool), trigger_of_(std::move(trigger_of)), files_(std::move(files)) {}

    // Whether a new entry is to wait for an event instead of being run.
    bool waits(const Entry& entry, const std::string& path) const;

    // What a run does to devices makes events too: those fire nothing.
    // Runs without a word between them are one: udev may be behind.
    void run_begins() {
        if (seen_ >= own_to_)
            own_from_ = newest();
        own_to_ = std::numeric_limits<std::uint64_t>::max();
    }
    void run_ends() { own_to_ = newest(); }

    // Adds an entry for each that is fired; one that still waits or runs is not
    // added again. Returns a line for the log each.
    std::vector<std::string> take(std::vector<board::Uevent> events);

private:
    std::uint64_t newest() const; // number of the last event the kernel sent
    bool is_own(const board::Uevent& event) const;
    bool is_queued(const std::string& trigger) const;
    std::string fire(const std::string& name, const Entry& entry, const board::Uevent& event) const;

    const Spool& spool_;
    TriggerOf trigger_of_;
    board::Files files_;
    std::uint64_t own_from_ = 0, own_to_ = 0, seen_ = 0; // numbers of events
};

} // namespace dmarace::daemon
