// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "search/acts.hpp"

#include <algorithm>
#include <array>

namespace dmarace::search {

namespace {

// Not here is what a return value cannot take out: a lock, a test inside a function. Nor ownership
// of a group's DMA beside a type write: without it the write fails a bound driver's DMA in turn.
constexpr auto kGuards = std::to_array<GuardRow>({
    {"default-domain",
     "a bind waits where its group has no default domain yet (b46064a18810, 6.15)", "R1a",
     "iommu_device_use_default_domain", "iommu_device_unuse_default_domain"},
});

std::string named(std::string_view guard) { return "control-" + std::string(guard); }

} // namespace

std::span<const GuardRow> guard_rows() { return kGuards; }

Status take_out(std::string_view guard, ActSet& set) {
    const auto* row = std::ranges::find(kGuards, guard, &GuardRow::name);
    if (row == kGuards.end()) {
        std::vector<std::string> names;
        for (const auto& one : kGuards)
            names.emplace_back(one.name);
        return fail(Fault::usage,
                    "no guard is called '" + std::string(guard) + "': " + joined(names, ", "));
    }
    job::Rule rule;
    rule.name = named(guard);
    rule.point = row->point;
    rule.on = DMARACE_ON_EXIT;
    rule.override_return = 0;
    rule.optional = true;
    set.job.rules.push_back(std::move(rule));
    const auto why = "the guard " + std::string(guard) + " is taken out";
    using catalogue::FailureKind;
    set.job.allow.push_back({FailureKind::kernel_warning, "", std::string(row->caused), why});
    set.job.allow.push_back({FailureKind::not_owned, "", "", why});
    return {};
}

} // namespace dmarace::search
