// SPDX-License-Identifier: GPL-2.0-or-later
// What dmarace knows of each verb of a step; the rows are in verbs.def. Pure data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::catalogue {

enum class Verb {
#define DMARACE_VERB(id, ...) id,
#include "catalogue/verbs.def"
#undef DMARACE_VERB
};

inline constexpr std::size_t kVerbs = 0
#define DMARACE_VERB(...) +1
#include "catalogue/verbs.def"
#undef DMARACE_VERB
    ;

// What a step does to the machine; any number of these.
namespace effect {
enum : std::uint32_t {
    none = 0,
    works = 1U << 0,           // the kernel works for it, and may come by a point
    looks = 1U << 1,           // changes nothing
    binds = 1U << 2,           // drivers may be bound to devices in it
    binds_own = 1U << 3,       // asks for a driver for the device it names
    leaves_bound = 1U << 4,    // that has one afterwards
    leaves_unbound = 1U << 5,  // or has none
    adds = 1U << 6,            // devices may come in it, or into their groups
    removes = 1U << 7,         // devices may go in it
    removes_own = 1U << 8,     // the device it names does
    walks = 1U << 9,           // the IOMMU core walks the buses
    probes_one = 1U << 10,     // the IOMMU core probes devices one by one
    inserts_module = 1U << 11, // the one it names
    removes_module = 1U << 12,
    changes_type = 1U << 13, // of a group's default domain
    resets = 1U << 14,       // a function, its driver bound
    churns = 1U << 15,       // drivers or devices come or go: a test by itself
    everything = 1U << 16,   // may concern devices that it does not name
    checks_data = 1U << 17,  // tells whether I/O read what it had written
    unsafe = 1U << 18,       // the guard cannot oversee it: --unsafe only
};
} // namespace effect
using Effects = std::uint32_t;

// What a run has to know of the time before it, to undo what a step did.
namespace kept {
enum : std::uint32_t {
    nothing = 0,
    modules = 1U << 0, // which were loaded, the one it names among them
    drivers = 1U << 1, // which device was there, and bound to which
    overrides = 1U << 2,
    autoprobes = 1U << 3, // of a bus
    functions = 1U << 4,  // how many virtual ones
    types = 1U << 5,      // of the groups
};
} // namespace kept

enum class LockKind {
    device, // device_lock() of one device
    probe,  // iommu_probe_device_lock
    group,  // iommu_group.mutex of the device's group, or of a group by number
    rescan, // pci_rescan_remove_lock
};

// A lock that a step has to take before it returns.
struct LockUse {
    enum class Of {
        any,    // of nobody in particular, or there is but one
        word1,  // of what its first word after the verb names
        word2,  // the second
        driven, // of the device that the named module drives
    };
    enum class When {
        always,
        of_iommu,  // the module serves an IOMMU
        of_client, // the module drives a device that the job names, and binds at once
    };
    LockKind kind = LockKind::probe;
    Of of = Of::any;
    std::string_view function{}; // that takes it
    When when = When::always;
    bool held = false; // owned wherever the step is held
};

// One way to write a verb. In 'usage', small letters are literal words (a|b a
// choice), capitals stand for a word of that kind, [X] may be left out, X...
// may come any number of times.
struct VerbForm {
    std::string_view usage{};
    std::string_view help{};
    LockUse lock_uses[6]{};
    Effects effects = effect::none; // besides those of its verb

    std::span<const LockUse> locks() const;
};

struct VerbRow {
    Verb verb{};
    std::string_view name;
    Effects effects = effect::none;
    std::uint32_t keeps = kept::nothing;
    VerbForm all_forms[6]{};

    std::span<const VerbForm> forms() const;
    bool does(Effects any) const { return (effects & any) != 0; }
};

// One row for each Verb, in its order.
std::span<const VerbRow> verb_rows();
const VerbRow& row_of(Verb verb);

std::string_view to_text(Verb verb);
std::optional<Verb> verb_from(std::string_view text);
std::vector<std::string> verb_names();

// Has a step of this verb, in any form, one of these effects?
bool does(Verb verb, Effects any);

} // namespace dmarace::catalogue
