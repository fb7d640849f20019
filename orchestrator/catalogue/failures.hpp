// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of failure: one row each, from which the enum, its text in journals and
// results, and its order are taken; docs/verdicts.md tells when each is found. And the lines
// of a kernel log that mean one of them, or something else: for the verdict of an iteration,
// for the end of a board's boot and for the matrix's view of a console.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace dmarace::catalogue {

// Gravest first: what ends the machine, then what DMA does, then what is left behind,
// then what only tells of it.
// clang-format off
#define DMARACE_FAILURE_KINDS(ROW) \
    ROW(crash,            "crash",            "the machine died") \
    ROW(hang,             "hang",             "a task is stuck for good") \
    ROW(kernel_oops,      "kernel-oops",      "the kernel oopsed") \
    ROW(wrong_data,       "wrong-data",       "checked I/O read other bytes than it wrote") \
    ROW(domain_underfoot, "domain-underfoot", "a domain was attached, or DMA switched, under a driver") \
    ROW(dma_direct,       "dma-direct",       "a device that has an IOMMU was bound with direct DMA") \
    ROW(no_group,         "no-group",         "a device that has an IOMMU is bound without a group") \
    ROW(not_owned,        "not-owned",        "a device is bound, but its group has no DMA owner") \
    ROW(map_error,        "map-error",        "a real mapping went wrong") \
    ROW(type_mismatch,    "type-mismatch",    "the type in sysfs is not that of the domain, or members differ") \
    ROW(fwspec_lost,      "fwspec-lost",      "what the firmware said about the IOMMU was lost") \
    ROW(double_probe,     "double-probe",     "a device was probed twice") \
    ROW(attach_failed,    "attach-failed",    "a device could not be added to its group") \
    ROW(iommu_unbound,    "iommu-unbound",    "the IOMMU's own probe failed, or it is not there any more") \
    ROW(gone,             "gone",             "a device that was there before is not after everything has settled") \
    ROW(not_bound,        "not-bound",        "a device that was bound before is not after everything has settled") \
    ROW(driver_changed,   "driver-changed",   "a device is bound to another driver than before") \
    ROW(group_changed,    "group-changed",    "a device is in another group than before, or with other members") \
    ROW(stale_group,      "stale-group",      "an IOMMU group was left behind without a device") \
    ROW(bound_unasked,    "bound-unasked",    "the kernel bound a device that it was told to leave alone") \
    ROW(blocked,          "blocked",          "a hold ended against a lock, and the job says that it must not") \
    ROW(reference_leak,   "reference-leak",   "references to the IOMMU were not put") \
    ROW(unexpected_errno, "unexpected-errno", "a step answered an errno that nothing explains") \
    ROW(kernel_warning,   "kernel-warning",   "the kernel warned")
// clang-format on

#define DMARACE_ENUMERATOR(name, text, meaning) name,
enum class FailureKind : std::uint8_t { DMARACE_FAILURE_KINDS(DMARACE_ENUMERATOR) };
#undef DMARACE_ENUMERATOR

struct FailureRow {
    FailureKind kind;
    std::string_view text;    // in job files, journals, results and uevents
    std::string_view meaning; // one sentence
};

// In the order of the enum.
std::span<const FailureRow> failure_kinds();
std::string_view to_text(FailureKind kind);
std::optional<FailureKind> failure_kind_from(std::string_view text);

struct LogSign {
    enum class Effect {
        overlooked, // the tool's own, or what loading its module prints
        noted,      // legal, but worth a sentence
        warned,     // a failure after which the machine goes on
        broke,      // a failure that a machine may end with: an oops, a BUG(), a stall
    };
    Effect effect;
    FailureKind kind; // of a failure
    // What the line has to have of it; "" asks for nothing.
    std::string_view begins; // at its beginning
    std::string_view text;   // as a word of its own
    std::string_view also;   // somewhere

    bool is_failure() const { return effect == Effect::warned || effect == Effect::broke; }
    // The message of a WARN() stands beside this line.
    bool has_message_beside() const;
};

// The first row that matches, or null. line is a message without its stamp. What an IOMMU's
// driver says of itself is known by its words, whichever driver it is.
const LogSign* log_sign(std::string_view line);
// Whether an IOMMU's driver says it, of itself or of a client.
bool says_iommu(std::string_view line);
// The same for a line of a console, where the stamp stands before the message.
const LogSign* console_sign(std::string_view line);

// Whose DMA an IOMMU's driver says that a fault was, as the IOMMU knows him.
struct FaultSource {
    enum class Says {
        stream,    // a stream, or endpoint, of that IOMMU
        requester, // a PCI function, by segment << 16 and its requester ID
        follows,   // lines that follow say it, of that IOMMU if it has a name
        unsaid,    // nobody's who could be told from others
    };
    Says says = Says::unsaid;
    std::string_view iommu{}; // the device that tells; "" for a requester
    std::uint64_t id = 0;
    std::uint64_t bits = UINT64_MAX; // those of the id that count
};
// Nothing for a line that is about no client.
std::optional<FaultSource> fault_source(std::string_view line);

// Words that are no failure, and tell something to one reader.
enum class LogHint {
    late_probe,    // the core found that it groups a device in its driver's bind
    probe_timeout, // a client was told to do without its IOMMU
    queue_failed,  // a flush queue could not be made
    type_refused,  // the device, or its driver, does not take the type
    // Why kernels up to 6.3 refuse to change a group's type; later ones do not say.
    type_devices,    // the group has not one device
    type_bound,      // a driver is bound
    type_owned,      // somebody else than the DMA API owns the group
    type_changed,    // the group has another device than a moment ago
    type_suppressed, // more of these were said than the log may take
    panic,
    restart, // the machine boots again because it was told to
};

// The last place in the text that holds such words, from them to the end of their line;
// "" if none does.
std::string_view hinted(LogHint hint, std::string_view text);

// Whether text holds word with no letter, digit or part of a name around it.
bool holds_word(std::string_view text, std::string_view word);
// Where it does so first, from there on; npos if nowhere.
std::size_t word_in(std::string_view text, std::string_view word, std::size_t from = 0);

} // namespace dmarace::catalogue
