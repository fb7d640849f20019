// SPDX-License-Identifier: GPL-2.0-or-later
// The DMA of a group as a lock: who has counted himself as its user keeps out who first asks, under
// the group's mutex, whether there is one.
#include "search/search.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

namespace dmarace::search {

namespace {

constexpr std::string_view kCount = "group.owner_cnt";
// Those who count: together with others, and alone.
constexpr std::string_view kShares = "iommu_device_use_default_domain";
constexpr std::array<std::string_view, 3> kClaims{
    "iommu_group_claim_dma_owner", "iommu_device_claim_dma_owner", "__iommu_take_dma_ownership"};

bool passes(const Touch& touch, std::string_view function) {
    return std::ranges::count(touch.chain, function, &Frame::function) > 0;
}

// What is known of one task.
struct Owner {
    std::string owned;                  // since it counted
    std::optional<std::uint64_t> asked; // when, in the section of the mutex that goes on
};

void counted(Owner& owner, const Touch& touch, const std::string& lock) {
    const bool shares = passes(touch, kShares);
    if (touch.kind != Access::write && !shares)
        owner.asked = touch.time;
    if (touch.kind != Access::read)
        owner.owned = shares ? owned_for_reading(lock)
                      : std::ranges::any_of(kClaims, [&](auto one) { return passes(touch, one); })
                          ? lock
                          : "";
}

} // namespace

ActRecord with_ownership(ActRecord record) {
    std::map<int, Owner> owners;
    for (auto& touch : record.touches) {
        const auto& mutex = touch.word.of;
        const auto lock = "DMA of " + mutex;
        auto& owner = owners[touch.task];
        const bool inside = std::ranges::count(touch.locks, mutex) > 0;
        const auto left = [&](const LockStep& step) {
            return !step.taken && step.task == touch.task && step.lock == mutex &&
                   step.time > owner.asked && step.time < touch.time;
        };
        if (owner.asked && (!inside || std::ranges::any_of(record.locks, left)))
            owner.asked.reset();
        if (inside && touch.word.name == kCount)
            counted(owner, touch, lock);
        if (!touch.word.name.starts_with("group."))
            continue;
        const auto own = owner.owned.empty() && owner.asked ? lock : owner.owned;
        if (!own.empty() && std::ranges::count(touch.locks, own) == 0)
            touch.locks.push_back(own);
    }
    return record;
}

} // namespace dmarace::search
