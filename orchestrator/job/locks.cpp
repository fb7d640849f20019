// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/locks.hpp"

#include "job/params.hpp"
#include "job/points.hpp"
#include "kmod/dmarace_abi.h"

#include <algorithm>

namespace dmarace::job {

namespace {

using enum Lock::Kind;

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

std::vector<Lock> of_bind(const std::string& dev) {
    return {{device, dev, "device_driver_attach"},
            {probe, "", "of_iommu_configure"},
            {group, dev, "iommu_device_use_default_domain"}};
}

std::vector<Lock> of_unbind(const std::string& dev) {
    return {{device, dev, "device_release_driver"},
            {group, dev, "iommu_device_unuse_default_domain"}};
}

std::vector<Lock> of_walk() {
    return {{probe, "", "__iommu_probe_device"}, {group, "", "bus_iommu_probe"}};
}

std::vector<Lock> of_insmod(const Job& job, const Step& step) {
    if (inserts_iommu(job, step))
        return of_walk();
    const auto dev = driver_of(job, first_arg(step));
    const bool async = std::find(step.args.begin(), step.args.end(), "async") != step.args.end();
    return dev.empty() || async ? std::vector<Lock>{} : of_bind(dev);
}

std::vector<Lock> of_remove(const Step& step) {
    const auto dev = first_arg(step) == "behind" ? "" : first_arg(step);
    return {{rescan, "", "pci_stop_and_remove_bus_device_locked"},
            {device, dev, "device_release_driver"},
            {group, dev, "__iommu_group_remove_device"}};
}

// Does the kernel do work for this step that could reach a point?
bool does_kernel_work(const Step& step) {
    switch (step.verb) {
    case Verb::wait:
    case Verb::signal:
    case Verb::sleep:
    case Verb::settle:
    case Verb::expect:
    case Verb::audit:
    case Verb::io:
    case Verb::autoprobe:
    case Verb::override_driver:
        return false;
    default:
        return true;
    }
}

// Which step a rule meets its actor in is not known: only what all of them own
// is sure.
std::vector<Lock> owned_in_every_step(const Actor& actor) {
    std::optional<std::vector<Lock>> common;
    for (const auto* step : flattened(actor.steps)) {
        if (!does_kernel_work(*step))
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

bool probes_one_device(const Step& step) {
    return step.verb == Verb::bind || step.verb == Verb::probe || step.verb == Verb::rescan ||
           step.verb == Verb::sriov;
}

// Is the point under iommu_probe_device_lock in all that the actor does?
bool under_probe_lock(const Job& job, const Actor& actor, std::string_view point) {
    const auto* row = find_point(point);
    const bool always = row && (row->facts & DMARACE_PROBING);
    const bool of_one = row && (row->facts & DMARACE_PROBING_ONE);
    bool any = false;
    for (const auto* step : flattened(actor.steps)) {
        if (!does_kernel_work(*step))
            continue;
        const bool walks = step->verb == Verb::walk || inserts_iommu(job, *step);
        if (!(probes_one_device(*step) && (always || of_one)) && !(walks && always))
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
    if (step.verb != Verb::insmod)
        return false;
    const std::string module = first_arg(step);
    if (const auto* param = param_of(job, module); param && !param->pick.empty())
        return param->pick == "iommu-driver";
    return module.find("iommu") != std::string::npos || module.find("smmu") != std::string::npos;
}

std::vector<Lock> locks_needed(const Job& job, const Step& step) {
    const std::string word = first_arg(step);
    switch (step.verb) {
    case Verb::bind:
    case Verb::probe:
        return of_bind(word);
    case Verb::unbind:
        return of_unbind(word);
    case Verb::insmod:
        return of_insmod(job, step);
    case Verb::rmmod:
        if (const auto dev = driver_of(job, word); !dev.empty())
            return of_unbind(dev);
        return {};
    case Verb::remove:
        return of_remove(step);
    case Verb::rescan:
        return {{rescan, "", "pci_lock_rescan_remove"},
                {probe, "", "iommu_probe_device"},
                {group, "", "__iommu_probe_device"}};
    case Verb::sriov:
        return {{device, word, "sriov_numvfs_store"}, {probe, "", "iommu_probe_device"}};
    case Verb::reset:
        return {{device, word, "pci_reset_function"}};
    case Verb::walk:
        return of_walk();
    case Verb::type:
        return {{group, word, "iommu_group_store_type"}};
    case Verb::expect:
        if (word == "type" && step.args.size() > 1)
            return {{group, step.args[1], "iommu_group_show_type"}};
        return {};
    case Verb::audit:
    case Verb::io:
        return {{group, word, "iommu_group_dma_owner_claimed"}};
    default:
        return {};
    }
}

std::vector<Lock> locks_owned_inside(const Step& step) {
    switch (step.verb) {
    case Verb::bind:
    case Verb::probe:
    case Verb::unbind:
    case Verb::reset:
    case Verb::sriov:
        return {{device, first_arg(step), ""}};
    case Verb::remove:
    case Verb::rescan:
        return {{rescan, "", ""}};
    default:
        return {};
    }
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
