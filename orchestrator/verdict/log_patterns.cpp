// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/log_patterns.hpp"

#include "verdict/facts.hpp"

#include <array>

namespace dmarace::verdict {

namespace {

constexpr bool kStart = true;
constexpr bool kAnywhere = false;

// The first row wins: what to overlook comes first, oopses before warnings.
constexpr auto kPatterns = std::to_array<LogPattern>({
    // the tool's own lines and what loading its module prints
    {"", "dmarace", "", kStart},
    {"", "loading out-of-tree module taints kernel", "", kAnywhere},
    {"", "module verification failed", "", kAnywhere},
    {"", "module license", "taints kernel", kAnywhere},

    {"kernel-oops", "Kernel panic", "not syncing", kAnywhere},
    {"kernel-oops", "Unable to handle kernel", "", kAnywhere},
    {"kernel-oops", "Internal error:", "", kAnywhere},
    {"kernel-oops", "kernel BUG at", "", kAnywhere},
    {"kernel-oops", "BUG: kernel NULL pointer dereference", "", kAnywhere},
    {"kernel-oops", "BUG: unable to handle", "", kAnywhere},
    {"kernel-oops", "general protection fault", "", kAnywhere},
    {"kernel-oops", "Oops:", "", kAnywhere},

    {"double-probe", "cannot create duplicate filename", "iommu_group", kAnywhere},
    {"double-probe", "Failed to add to iommu group", "", kAnywhere},
    {"dma-direct", "Failed to set up IOMMU for device", "", kAnywhere},

    {"kernel-warning", "WARNING:", "", kStart},
    {"kernel-warning", "BUG:", "", kAnywhere},
    {"kernel-warning", "KASAN:", "", kAnywhere},
    {"kernel-warning", "KCSAN:", "", kAnywhere},
    {"kernel-warning", "UBSAN:", "", kStart},
    {"kernel-warning", "refcount_t:", "", kAnywhere},
    {"kernel-warning", "cannot create duplicate filename", "", kAnywhere},
    {"kernel-warning", "list_add corruption", "", kAnywhere},
    {"kernel-warning", "list_del corruption", "", kAnywhere},
    {"kernel-warning", "possible circular locking", "", kAnywhere},
    {"kernel-warning", "possible recursive locking", "", kAnywhere},
    {"kernel-warning", "suspicious RCU", "", kAnywhere},
    {"kernel-warning", "blocked for more than", "seconds", kAnywhere},
    {"kernel-warning", "self-detected stall", "", kAnywhere},
    {"kernel-warning", "detected stalls on", "", kAnywhere},
    {"kernel-warning", "detected expedited stalls", "", kAnywhere},
    {"kernel-warning", "soft lockup", "stuck for", kAnywhere},

    // faults of DMA: SMMUv3, SMMUv2, virtio-iommu, Intel, AMD
    {"kernel-warning", "event", "received: ", kAnywhere},
    {"kernel-warning", "event:", " client:", kAnywhere},
    {"kernel-warning", "Unhandled context fault", "", kAnywhere},
    {"kernel-warning", "Unexpected global fault", "", kAnywhere},
    {"kernel-warning", "fault from EP", "", kAnywhere},
    {"kernel-warning", "DMAR:", "[DMA", kAnywhere},
    {"kernel-warning", "IO_PAGE_FAULT", "", kAnywhere},

    {"note", "iova flush queue initialization failed", "", kAnywhere},
    {"note", "Failed to register iommu", "", kAnywhere},
    {"note", "Failed to allocate default IOMMU domain", "", kAnywhere},
    {"note", "Device is not trusted, but driver is overriding group", "", kAnywhere},
});

bool matches(const LogPattern& pattern, std::string_view line) {
    if (pattern.at_start ? !line.starts_with(pattern.text) : !holds_word(line, pattern.text))
        return false;
    return line.find(pattern.also) != std::string_view::npos;
}

} // namespace

const LogPattern* match_log(std::string_view line) {
    for (const auto& pattern : kPatterns)
        if (matches(pattern, line))
            return &pattern;
    return nullptr;
}

} // namespace dmarace::verdict
