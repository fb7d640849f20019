// SPDX-License-Identifier: GPL-2.0-or-later
// What can be driven against each other: acts, what each needs to begin and leaves behind, and the
// state from which two or three of them can begin together. Pure.
#pragma once

#include "base/error.hpp"
#include "job/job.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::search {

// What is so where an act begins, or where it has ended; bits.
namespace state {
enum : std::uint32_t {
    any = 0,
    iommu_in = 1U << 0,    // the IOMMU's driver is there
    iommu_out = 1U << 1,   // it is not
    clients_out = 1U << 2, // and no PCI device that it serves
    there = 1U << 3,       // the act's device
    gone = 1U << 4,
    bound = 1U << 5,
    unbound = 1U << 6,
    driver_out = 1U << 7, // the module of its driver is not inserted
    probes = 1U << 8,     // new devices and drivers find each other by themselves
    fresh = 1U << 9,      // no driver has been tried on it since it was added
    vfio = 1U << 10,      // its user's driver is inserted
};
} // namespace state

struct ActRow {
    std::string_view name;   // the short one
    std::string_view step;   // what it does; {client}, {iommu}, {driver}, WORD
    std::uint32_t needs = 0; // all of these
    std::uint32_t leaves = 0;
    std::string_view help;
    std::string_view before{}; // what its actor does before anybody begins
    std::string_view word{};   // that WORD stands for where nobody says; "" where there is none
};
std::span<const ActRow> act_rows();

// What the acts do not reach, each with the reason.
std::span<const std::string_view> not_covered();

// One act as it was asked for.
struct Act {
    const ActRow* row = nullptr;
    std::string text;   // as written
    std::string step;   // filled in but for parameters
    std::string before; // "" for none
    std::string device; // "{client}", "{sibling}", BUS/NAME; "" for an act of none
    std::string word;   // the type of a type write
    std::uint32_t needs = 0;
    job::Verb verb{};
};

// What has to be known of a board to read acts and to begin them.
struct ActDevice {
    std::string name, module; // of its driver, "" if built in
    bool behind_iommu = false;
};
struct ActBoard {
    std::string iommu_module;
    std::vector<ActDevice> devices;
    std::string client; // --device, "" where the job chooses
};

// "bind", "bind@sibling", "type:DMA-FQ", "reset@pci/0000:00:03.0", or a step: "insmod
// virtio_iommu".
Result<Act> parse_act(const std::string& text, const ActBoard& board);

// Acts that begin together: a job without rules. Of each actor, how many of its steps come before
// anybody begins.
struct ActSet {
    job::Job job;
    std::vector<std::size_t> before;
};

// The reset steps from which all of them can begin. Fault::untestable: they cannot meet, with the
// reason.
Result<ActSet> common_start(const std::vector<Act>& acts, const ActBoard& board);

// A job without its rules, and without the waits for what they raise. Fault::usage when it is none
// of acts.
Result<ActSet> acts_of(const job::Job& job);

// A guard of the kernel's that a return value takes out: a search has to find what it prevents.
struct GuardRow {
    std::string_view name, help;
    std::string_view race;   // that it prevents, of docs/races.md
    std::string_view point;  // whose return value becomes 0
    std::string_view caused; // the kernel's words where that itself goes wrong later
};
std::span<const GuardRow> guard_rows();

// The acts with that guard taken out, and what comes of that alone allowed. Fault::usage where
// there is none of that name.
Status take_out(std::string_view guard, ActSet& set);

} // namespace dmarace::search
