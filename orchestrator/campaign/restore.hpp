// SPDX-License-Identifier: GPL-2.0-or-later
// What a board was like before a run, how the journal tells it, and the way back.
#pragma once

#include "base/error.hpp"
#include "campaign/survey.hpp"
#include "job/plan.hpp"
#include "run/record.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace dmarace::campaign {

struct Snapshot {
    struct Module {
        std::string name;
        bool loaded = false;
        bool operator==(const Module&) const = default;
    };

    std::vector<Module> modules; // the IOMMU's first; those that must come back first
    std::map<std::string, std::string> overrides;  // BUS/NAME to driver_override, "" for none
    std::map<std::string, bool> autoprobe;         // bus to drivers_autoprobe
    std::map<std::string, std::string> drivers;    // BUS/NAME to its driver, "" while unbound
    std::map<std::string, std::string> group_type; // BUS/NAME to its group's type
    std::map<std::string, unsigned> functions;     // BUS/NAME to its number of virtual functions

    bool operator==(const Snapshot&) const = default;
};

// What the plan may change, and what comes and goes with it. Reads group types:
// only before holds are armed.
Snapshot take_snapshot(const board::Devices& devices, const board::Modules& modules,
                       const Survey& survey, const job::Plan& plan);

// One line each: "type pci/0000:00:02.0 DMA". The journal keeps them.
std::vector<std::string> to_words(const Snapshot& snapshot);
// Whether one of them is about one of the devices, by either name, or about a whole bus.
bool concerns(const std::string& line, const std::set<std::string>& devices);
// The way back. A line of a kind that is not known is Fault::environment: a
// newer dmarace wrote it, and half of a restore would look like a whole one.
Result<Snapshot> from_words(std::span<const std::string> words);

// The board as it was before the run: what an earlier part of the run wrote down
// on this boot and has not restored, else 'now'.
Snapshot as_before(const run::Run& run, const std::string& boot, Snapshot now);

// Restores it, in children, and reads back; what is as it was is not touched, so
// doing it again does nothing. What could not be restored comes as the commands
// that would.
std::vector<std::string> restore(Machine& machine, RunProgress& progress, RunInterrupts& interrupts,
                                 const Snapshot& snapshot);

// The commands that would restore it, from a look at the board alone. Waits for
// the groups' mutexes.
std::vector<std::string> differences(const board::Devices& devices, const board::Modules& modules,
                                     const Snapshot& snapshot);

// Which runs have not restored the board yet: one link to the run's directory each, in a
// place that a boot empties, since a boot restores the board better than anybody.
class Pending {
public:
    explicit Pending(std::filesystem::path place = "/run/dmarace/pending")
        : place_(std::move(place)) {}

    // The same directory twice is one entry.
    Status add(const std::filesystem::path& run) const;
    void remove(const std::filesystem::path& run) const;
    // Directories of runs, oldest first.
    std::vector<std::filesystem::path> all() const;

private:
    std::filesystem::path link_of(const std::filesystem::path& run) const;
    std::filesystem::path place_;
};

// Of this boot; "" where the kernel does not say.
std::string boot_id();
bool is_this_boot(const std::string& boot);

} // namespace dmarace::campaign
