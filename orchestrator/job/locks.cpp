// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/locks.hpp"

#include "job/params.hpp"
#include "job/points.hpp"
#include "job/steps.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>

namespace dmarace::job {

namespace {

using catalogue::LockUse;
using enum catalogue::LockKind;
namespace effect = catalogue::effect;

std::string first_arg(const Step& step) {
    return step.args.empty() ? "" : step.args.front();
}

// "pci/0000:00:02.0" and "0000:00:02.0" are one device.
std::string bare(std::string_view device) {
    return std::string(device.substr(device.find('/') + 1));
}

const Param* param_of(const Job& job, std::string_view word) {
    if (!is_one_param(word))
        return nullptr;
    for (const auto& param : job.params)
        if (param.name == word.substr(1, word.size() - 2))
            return &param;
    return nullptr;
}

// The device whose driver the word stands for, as in pick = "driver-of {client}".
std::string driver_of(const Job& job, std::string_view module) {
    const auto* param = param_of(job, module);
    if (!param || !param->pick.starts_with("driver-of "))
        return "";
    return param->pick.substr(param->pick.find('{'));
}

// Of what the step takes this lock.
std::string taken_of(const LockUse& use, const Job& job, const Step& step) {
    switch (use.of) {
    case LockUse::Of::any:
        return "";
    case LockUse::Of::word1:
        return step.args.empty() ? "" : step.args[0];
    case LockUse::Of::word2:
        return step.args.size() < 2 ? "" : step.args[1];
    case LockUse::Of::driven:
        return driver_of(job, first_arg(step));
    }
    return "";
}

bool binds_at_once(const Step& step) {
    return std::ranges::find(step.args, "async") == step.args.end();
}

bool takes(const LockUse& use, const Job& job, const Step& step) {
    switch (use.when) {
    case LockUse::When::always:
        return true;
    case LockUse::When::of_iommu:
        return inserts_iommu(job, step);
    case LockUse::When::of_client:
        return !driver_of(job, first_arg(step)).empty() && binds_at_once(step);
    }
    return false;
}

bool reaches_points(const Step& step) {
    return does(step, effect::works);
}

bool walks(const Job& job, const Step& step) {
    return does(step, effect::walks) || inserts_iommu(job, step);
}

// Which step a rule meets its actor in is not known: only what all of them own
// is sure.
std::vector<Lock> owned_in_every_step(const Actor& actor) {
    std::optional<std::vector<Lock>> common;
    for (const auto* step : flattened(actor.steps)) {
        if (!reaches_points(*step))
            continue;
        const auto owned = locks_owned_inside(*step);
        if (!common)
            common = owned;
        std::erase_if(*common, [&](const Lock& lock) {
            return std::find(owned.begin(), owned.end(), lock) == owned.end();
        });
    }
    return common.value_or(std::vector<Lock>{});
}

// Is the point under iommu_probe_device_lock in all that the actor does?
bool under_probe_lock(const Job& job, const Actor& actor, std::string_view point) {
    const auto* row = find_point(point);
    const bool always = row && (row->facts & DMARACE_PROBING);
    const bool of_one = row && (row->facts & DMARACE_PROBING_ONE);
    bool any = false;
    for (const auto* step : flattened(actor.steps)) {
        if (!reaches_points(*step))
            continue;
        const bool probes_one = does(*step, effect::probes_one) && (always || of_one);
        if (!probes_one && !(walks(job, *step) && always))
            return false;
        any = true;
    }
    return any;
}

} // namespace

std::string to_text(const Lock& lock) {
    const std::string of = lock.of.empty() ? "" : " of " + lock.of;
    switch (lock.kind) {
    case device:
        return "the device lock" + of;
    case probe:
        return "iommu_probe_device_lock";
    case group:
        return "the group mutex" + of;
    case rescan:
        return "pci_rescan_remove_lock";
    }
    return "";
}

bool inserts_iommu(const Job& job, const Step& step) {
    if (!does(step, effect::inserts_module))
        return false;
    const std::string module = first_arg(step);
    if (const auto* param = param_of(job, module); param && !param->pick.empty())
        return param->pick == "iommu-driver";
    return module.find("iommu") != std::string::npos || module.find("smmu") != std::string::npos;
}

std::vector<Lock> locks_needed(const Job& job, const Step& step) {
    std::vector<Lock> out;
    if (const auto* form = form_of(step))
        for (const auto& use : form->locks())
            if (takes(use, job, step))
                out.push_back({use.kind, taken_of(use, job, step), std::string(use.function)});
    return out;
}

std::vector<Lock> locks_owned_inside(const Step& step) {
    std::vector<Lock> out;
    if (const auto* form = form_of(step))
        for (const auto& use : form->locks())
            if (use.held)
                out.push_back({use.kind, taken_of(use, {}, step), ""});
    return out;
}

std::vector<Lock> locks_owned(const Job& job, const Rule& rule) {
    std::vector<Lock> out;
    if (const auto* point = find_point(rule.point)) {
        const std::string of = rule.dev.empty() ? rule.group : rule.dev;
        if (point->locks & DMARACE_LOCK_DEVICE)
            out.push_back({device, rule.dev, ""});
        if (point->locks & DMARACE_LOCK_PROBE)
            out.push_back({probe, "", ""});
        if (point->locks & DMARACE_LOCK_GROUP)
            out.push_back({group, of, ""});
    }
    for (const auto& actor : job.actors) {
        if (actor.name != rule.actor)
            continue;
        for (auto& lock : owned_in_every_step(actor))
            out.push_back(std::move(lock));
        if (under_probe_lock(job, actor, rule.point))
            out.push_back({probe, "", ""});
    }
    return out;
}

Same same_lock(const Lock& owned, const Lock& needed) {
    if (owned.kind != needed.kind)
        return Same::no;
    if (owned.kind == probe || owned.kind == rescan)
        return Same::yes;
    if (owned.of.empty() || needed.of.empty())
        return owned.kind == group ? Same::yes : Same::maybe;
    if (bare(owned.of) == bare(needed.of))
        return Same::yes;
    return owned.kind == group ? Same::maybe : Same::no;
}

std::vector<const Step*> flattened(const std::vector<Step>& steps) {
    std::vector<const Step*> out;
    for (const auto& step : steps) {
        if (step.verb != Verb::repeat) {
            out.push_back(&step);
            continue;
        }
        for (const auto* inner : flattened(step.body))
            out.push_back(inner);
    }
    return out;
}

} // namespace dmarace::job
