// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of failure: one row each, from which the enum, its text in journals and
// results, and its order are taken. docs/verdicts.md tells when each is found.
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
    ROW(not_bound,        "not-bound",        "a device that was bound before is not after everything has settled") \
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

} // namespace dmarace::catalogue
