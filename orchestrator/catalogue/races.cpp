// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/races.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace dmarace::catalogue {

namespace {

constexpr std::array kRaces{
    NamedRace{"R1a", "a client binds between group and default domain", "D",
              "f188056352bc (6.5), fixed b46064a18810 (6.15, 6.12.26, 6.6.90)", "6.5 to 6.14",
              "late-domain late-domain-on-demand late-domain-replay"},
    NamedRace{"R1b", "an IOMMU instance is looked up among bound devices before it is one", "D",
              "fixed 7d835134d4e1 and three more (6.14)",
              "to 6.13; 6.12 has it in virtio-iommu and arm-smmu-v3", "instance-lookup"},
    NamedRace{"R1e", "`dev->dma_iommu` is lost in a read-modify-write of its byte", "",
              "b5c58b2fdc42 (6.12), fixed in 7.2", "6.12 to 7.1, arm64", "lost-dma-flag"},
    NamedRace{"R1f", "a client binds while the walk asks the firmware about it without the lock",
              "", "bcb81ac6ae3c (6.15), open", "6.15 to 7.3", "late-probe"},
    NamedRace{
        "R1g",
        "a device added to a group gives its first member a domain that the member's DMA API does "
        "not use",
        "", "da33e87bd2bf names it; open", "all", "sibling-domain sibling-domain-on-demand"},
    NamedRace{"R2a", "two probes of one device without a lock", "A",
              "fixed 01657bc14a39 (6.2, 6.1.y)", "to 6.1.1", "double-probe"},
    NamedRace{"R2b", "the test for a group is made outside the lock", "A",
              "fixed 6eb4da8cf545 (6.5)", "to 6.4, 6.1 included", "double-probe"},
    NamedRace{"R2c", "two walks are in the unlocked window on one device", "",
              "bcb81ac6ae3c, fixed 0c8e9c148e29 (6.16, 6.15.1)", "6.15", "two-walks"},
    NamedRace{"R4a", "a failed probe frees the fwspec that a bind is writing", "C",
              "fixed a2e7e59a9426 (6.7, 6.6.5, 6.1.68)", "to 6.6",
              "fwspec-free fwspec-free-on-demand"},
    NamedRace{"R4b", "a device's removal frees `dev->iommu` under the walk's probe", "C", "open",
              "all", "release-vs-walk release-vs-walk-on-demand"},
    NamedRace{"R4c", "the second IOMMU of a device need not be ready", "", "da33e87bd2bf, open",
              "6.15.1 to 7.3", "two-iommus"},
    NamedRace{"R4d", "a bind that has set `dev->driver` makes the walk skip its device", "",
              "bcb81ac6ae3c, open", "6.15 to 7.3", "acpi-skip"},
    NamedRace{"R4e", "`amba_dma_configure()` reads `dev->driver` twice", "", "bcb81ac6ae3c, open",
              "6.15 to 7.3", "amba-read-twice"},
    NamedRace{
        "R3a",
        "a group's type is changed when its device has been released and is still in the group",
        "B", "dba9ca9d41f5 (6.4)", "5.11 to 6.3", "type-vs-release"},
    NamedRace{"R3b", "a driver binds while its group's type is changed", "B", "49a22aae7d9c (6.4)",
              "none since 5.11: a guard", "type-vs-bind"},
    NamedRace{"R3c", "a group of two devices stands half changed while one binds", "B",
              "4c8444f19ed0 (6.4)", "none: a guard; before 6.4 such groups are refused",
              "type-group"},
    NamedRace{"R3d", "DMA becomes DMA-FQ under a driver at work", "", "26225bea1d84 (5.15)",
              "none: a guard", "type-live"},
    NamedRace{"R3e", "a group's last device is removed while DMA-FQ is written to its type", "",
              "cfb6ee65f760 (6.5), open", "6.5 to 7.3", "type-vs-remove"},
    NamedRace{"R3f", "DMA-FQ on an IOMMU whose driver has no `flush_iotlb_all`; no race is needed",
              "", "5.15, open", "5.15 to 7.3", "type-fq-unsupported"},
    NamedRace{"R5", "an IOMMU's driver forgets to put the device that it looked up", "E",
              "fixed in 6.19, 6.12.64, 6.1.160", "to 6.18, in other drivers than the boards'",
              "reference-leak"},
};

struct Thread {
    std::string_view letter, what;
};
constexpr std::array kThreads{
    Thread{"A", "2022-11-07 \"iommu: Avoid races around device probe\""},
    Thread{"B", "2023-02-13 \"iommu: Extend changing default domain to normal group\""},
    Thread{"C", "2023-11-16 \"IOMMU related FW parsing cleanup\""},
    Thread{"D", "2025-01-10 \"iommu: fix wrong DMA ops for iommu device\""},
    Thread{"E", "2025-10 reference leaks of `of_find_device_by_node()`"},
};

bool shows(const NamedRace& race, std::string_view job) {
    return std::ranges::count(words_in(race.jobs), std::string(job)) > 0;
}

} // namespace

std::span<const NamedRace> races() { return kRaces; }

std::vector<const NamedRace*> races_of(std::string_view job) {
    std::vector<const NamedRace*> out;
    for (const auto& race : kRaces)
        if (shows(race, job))
            out.push_back(&race);
    return out;
}

std::string_view thread_of(const NamedRace& race) {
    const auto* const found = std::ranges::find(kThreads, race.thread, &Thread::letter);
    return found == kThreads.end() ? "" : found->what;
}

} // namespace dmarace::catalogue
