// SPDX-License-Identifier: GPL-2.0-or-later
// The rules of DMA, group and domain: what the audits of a device must not show.
#include "catalogue/failures.hpp"
#include "kmod/dmarace_abi.h"
#include "verdict/checks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace dmarace::verdict {

namespace {

namespace effect = catalogue::effect;

// dma-direct and no-group: a driver got a device whose IOMMU was left out.

std::string name_of(const Audit& audit) {
    return audit.driver.empty() ? audit.device : audit.device + " (" + audit.driver + ")";
}

// The job is about the devices that it names, or about all.
bool is_about(const Facts& facts, const std::string& device) {
    return facts.about.empty() || facts.about.contains(device);
}

// A device that was direct before, in the baseline or when the run began where the job is
// about others, and was not bound again since is a finding of that time, not of each iteration.
bool known_before(const Facts& facts, const Sample& sample) {
    if (sample.seen_binding)
        return false;
    const auto* found = facts.found(sample.audit.device);
    if (found != nullptr && !is_about(facts, found->device) && !found->driver.empty() &&
        !found->translated && found->domain == sample.audit.domain)
        return true;
    const auto known = facts.baseline.find(sample.audit.device);
    return known != facts.baseline.end() && known->second.bound.value_or(false) &&
           known->second.via_iommu == false && known->second.domain == sample.audit.domain;
}

void note_timeout(const Facts& facts, const Audit& audit, Findings& findings) {
    const auto& line = facts.timeout_lines.at(audit.device);
    const auto text = name_of(audit) + " was bound without its IOMMU after the deferred probe " +
                      (facts.failed_iommus.empty()
                           ? "timeout, which is legal; boot with deferred_probe_timeout=-1: "
                           : "timeout, since that cannot come any more: ") +
                      line;
    if (facts.expect.timeout_is_legal)
        findings.note(text);
    else
        findings.doubt(text);
}

// What a device without group or translation may be excused by.
bool excused(const Facts& facts, const Sample& sample, Findings& findings) {
    const auto& audit = sample.audit;
    if (facts.timed_out.contains(audit.device)) {
        note_timeout(facts, audit, findings);
        return true;
    }
    if (!facts.iommu_seen) {
        findings.doubt("firmware gives " + name_of(audit) +
                       " an IOMMU, but no IOMMU instance was seen");
        return true;
    }
    if (known_before(facts, sample)) {
        findings.note(name_of(audit) + " uses direct DMA since before the run");
        return true;
    }
    return false;
}

bool direct(const Audit& audit) {
    return audit.via_iommu == false &&
           (audit.domain.empty() || audit.domain == DMARACE_DOMAIN_NONE || is_dma_domain(audit));
}

std::string direct_detail(const Sample& sample) {
    const auto& audit = sample.audit;
    const std::string when = sample.settled ? "is bound" : "was bound";
    if (is_dma_domain(audit))
        return when + " with direct DMA behind a translating domain";
    return when + " with direct DMA although it has an IOMMU";
}

// domain-underfoot: under one driver, between binding and unbinding, a domain was attached or
// the DMA API switched.

std::string way(const Audit& audit) { return audit.via_iommu.value() ? "translated" : "direct"; }

std::string group_text(const std::optional<std::int64_t>& group) {
    return group ? "group " + std::to_string(*group) : "no group";
}

// A live DMA to DMA-FQ change keeps the domain; a driver may attach a domain
// of its own, and put the default one back.
bool may_change_domain(const Audit& before, const Audit& after) {
    if (before.domain == DMARACE_DOMAIN_UNMANAGED || after.domain == DMARACE_DOMAIN_UNMANAGED)
        return true;
    return before.domain == DMARACE_DOMAIN_DMA && after.domain == DMARACE_DOMAIN_DMA_FQ &&
           before.domain_id == after.domain_id;
}

bool differ(const std::string& before, const std::string& after) {
    return !before.empty() && !after.empty() && before != after;
}

// What changed, in words; "" if nothing that must not.
std::string change(const Audit& before, const Audit& after) {
    std::string text;
    const auto add = [&text](const std::string& part) {
        text += (text.empty() ? "" : ", ") + part;
    };
    if (before.via_iommu && after.via_iommu && *before.via_iommu != *after.via_iommu)
        add("DMA " + way(before) + " then " + way(after));
    if (before.group != after.group)
        add(group_text(before.group) + " then " + group_text(after.group));
    if (may_change_domain(before, after))
        return text;
    if (differ(before.domain, after.domain))
        add("domain " + before.domain + " then " + after.domain);
    else if (differ(before.domain_id, after.domain_id))
        add("another domain of type " + after.domain);
    return text;
}

std::string when(const Sample& sample) {
    return sample.settled ? "after settle" : "at " + sample.audit.at;
}

// A driver with driver_managed_dma deals with its domain itself.
bool owns_its_domain(const Sample& sample) {
    return sample.driven() && !sample.audit.managed.value_or(false);
}

void compare_under_driver(const Sample& before, const Sample& after, Findings& findings) {
    const auto what = change(before.audit, after.audit);
    if (what.empty())
        return;
    const auto& driver = after.audit.driver.empty() ? before.audit.driver : after.audit.driver;
    findings.add(
        {.kind = FailureKind::domain_underfoot,
         .device = after.audit.device,
         .driver = driver,
         .detail = what + " under the same driver (" + when(before) + ", " + when(after) + ")",
         .evidence = {before.text, after.text}});
}

// map-error and fwspec-lost.

std::string map_detail(const Audit& audit) {
    if (audit.map == DMARACE_MAP_ERROR)
        return "a page could not be mapped" +
               (audit.map_reason.empty() ? "" : ": " + audit.map_reason);
    std::string text = "a mapped page is not where the IOMMU says";
    if (!audit.phys.empty() && !audit.iova_phys.empty())
        text += ": page " + audit.phys + ", translated " + audit.iova_phys;
    return text;
}

// The IOMMU itself may have gone between two audits: a driver removed, or an
// instance unbound.
bool iommu_may_have_gone(const Facts& facts, const Sample& before, const Sample& after) {
    return std::ranges::any_of(facts.observed.steps, [&](const StepResult& step) {
        if (step.os_error != 0 || step.ended < before.audit.ts || step.began > after.audit.ts)
            return false;
        return does(step.verb, effect::removes_module) ||
               (does(step.verb, effect::leaves_unbound) &&
                !same_device(step.device, after.audit.device));
    });
}

std::string lost(const Facts& facts, const Sample& before, const Sample& after) {
    const auto& now = after.audit;
    const bool same_binding = before.binding != 0 && before.binding == after.binding;
    if (same_binding && before.audit.group && !now.group && has_iommu(now))
        return "its IOMMU group went away while the driver was bound";
    if (before.audit.fwspec != true || now.fwspec != false)
        return {};
    if (!same_binding && iommu_may_have_gone(facts, before, after))
        return {};
    return "its fwspec went away while the device was there";
}

// not-owned and type-mismatch: what a group, its members and sysfs say of each other after
// settle.

struct TypeOfDomain {
    types::TypeWord sysfs;
    std::string_view domain;
};

constexpr std::array<TypeOfDomain, 6> kTypes{
    {{types::TypeWord::dma, DMARACE_DOMAIN_DMA},
     {types::TypeWord::dma_fq, DMARACE_DOMAIN_DMA_FQ},
     {types::TypeWord::identity, DMARACE_DOMAIN_IDENTITY},
     {types::TypeWord::unmanaged, DMARACE_DOMAIN_UNMANAGED},
     {types::TypeWord::blocked, DMARACE_DOMAIN_BLOCKED},
     {types::TypeWord::unknown, DMARACE_DOMAIN_NONE}}};

std::string_view domain_word(types::TypeWord sysfs) {
    for (const auto& type : kTypes)
        if (type.sysfs == sysfs)
            return type.domain;
    return {};
}

// An owner (VFIO, a driver of its own) may have put another domain in place of
// the default one, which is what sysfs tells.
bool default_domain_in_use(const Audit& audit) {
    return audit.domain != DMARACE_DOMAIN_UNMANAGED && audit.domain != DMARACE_DOMAIN_BLOCKED &&
           audit.domain != DMARACE_DOMAIN_OTHER;
}

void against_sysfs(const Facts& facts, const types::TypeGroup& group, Findings& findings) {
    const auto wanted = domain_word(types::type_word_from(group.type));
    for (const auto& device : group.devices) {
        const auto* sample = facts.settled(device);
        if (wanted.empty() || sample == nullptr || sample->audit.domain.empty() ||
            sample->audit.domain == wanted || !default_domain_in_use(sample->audit))
            continue;
        const auto number = std::to_string(group.number);
        findings.add(FailureKind::type_mismatch, device,
                     "group " + number + " says type " + group.type + ", the domain is " +
                         sample->audit.domain,
                     {"iommu_groups/" + number + "/type: " + group.type, sample->text});
    }
}

void against_each_other(const Facts& facts, Findings& findings) {
    std::map<std::int64_t, const Sample*> first;
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr || !sample->audit.group || sample->audit.domain_id.empty())
            continue;
        const auto [other, fresh] = first.emplace(*sample->audit.group, sample);
        if (fresh || other->second->audit.domain_id == sample->audit.domain_id)
            continue;
        findings.add(FailureKind::type_mismatch, device,
                     "members of group " + std::to_string(*sample->audit.group) +
                         " are attached to different domains",
                     {other->second->text, sample->text});
    }
}

// The DMA API would map into a domain that is no DMA domain.
void against_dma_api(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (sample.driven() && sample.audit.via_iommu.value_or(false) &&
                (sample.audit.domain == DMARACE_DOMAIN_NONE ||
                 sample.audit.domain == DMARACE_DOMAIN_IDENTITY))
                findings.add(FailureKind::type_mismatch, device,
                             "the DMA API goes through the IOMMU, the domain is " +
                                 sample.audit.domain,
                             {sample.text});
}

// What the job expects of DMA, and differences from the baseline.

bool listed(const job::Expect& expect, const std::string& device) {
    return std::ranges::any_of(expect.devices,
                               [&](const auto& name) { return same_device(name, device); });
}

bool expected_here(const Facts& facts, const Sample& sample) {
    if (!facts.expect.devices.empty())
        return listed(facts.expect, sample.audit.device);
    return has_iommu(sample.audit);
}

// What a device's DMA was before anything was armed, as far as it is known.
struct DmaBefore {
    std::string domain;
    bool translated = false;
};

DmaBefore before_arming(const Facts& facts, const std::string& device) {
    DmaBefore out;
    if (const auto* found = facts.found(device)) {
        out = {found->domain, found->translated};
    } else if (!facts.observed.found) {
        const auto& before = facts.observed.before;
        const auto known = std::ranges::find(before, device, &Audit::device);
        if (known != before.end())
            out = {known->domain, known->via_iommu.value_or(false)};
    }
    if (out.domain == DMARACE_DOMAIN_NONE)
        out.domain.clear();
    return out;
}

// Whoever had a domain before the run had an identity domain: the boot is one of passthrough.
bool was_passthrough(const Facts& facts) {
    bool any = false;
    for (const auto& [name, found] : facts.observed.found->devices) {
        if (found.domain == DMARACE_DOMAIN_DMA || found.domain == DMARACE_DOMAIN_DMA_FQ)
            return false;
        any = any || found.domain == DMARACE_DOMAIN_IDENTITY;
    }
    return any;
}

// Identity that was there before is legal, whoever chose it; and of a device that the job does
// not name, all that was so before.
bool legally_direct(const Facts& facts, const Audit& audit, Findings& findings) {
    const auto before = before_arming(facts, audit.device);
    if (before.translated)
        return false;
    if (!before.domain.empty())
        return before.domain == audit.domain;
    if (!facts.observed.found)
        return false;
    if (!is_about(facts, audit.device))
        return true;
    if (audit.domain != DMARACE_DOMAIN_IDENTITY)
        return false;
    if (was_passthrough(facts))
        findings.note(name_of(audit) + " has an identity domain, as every device had before the "
                                       "run: a guess says that it is this boot's default");
    else
        findings.doubt(name_of(audit) + " has an identity domain and had none before the run: it "
                                        "may be its driver's word, or a fault");
    return true;
}

void must_translate(const Facts& facts, const Sample& sample, Findings& findings) {
    const auto& audit = sample.audit;
    if (!audit.bound.value_or(false) || audit.via_iommu != false ||
        facts.timed_out.contains(audit.device) || legally_direct(facts, audit, findings))
        return;
    const auto domain = audit.domain.empty() ? "none" : audit.domain;
    findings.add(FailureKind::dma_direct, audit.device,
                 "is bound with direct DMA, domain " + domain +
                     ", and the job expects translated DMA",
                 {sample.text});
}

// Bound at once, or deferred until settle.
bool went_through(const StepResult& step) { return step.os_error == 0 || step.os_error == EAGAIN; }

// The last thing the actors did to the device was to bind it.
bool was_bound_by_job(const Facts& facts, const std::string& device) {
    bool bound = false;
    for (const auto& step : facts.observed.steps) {
        if (step.device.empty() || !same_device(step.device, device))
            continue;
        if (does(step.verb, effect::binds_own))
            bound = bound || went_through(step);
        else if (does(step.verb, effect::leaves_unbound | effect::removes_own))
            bound = false;
    }
    return bound;
}

void compare_with_baseline(const Facts& facts, const Sample& now, const Audit& before,
                           Findings& findings) {
    const auto& audit = now.audit;
    const auto differs = [&](FailureKind kind, const std::string& detail) {
        findings.add(kind, audit.device, detail,
                     {now.text, "baseline: " + dmarace::to_text(to_line(before))});
    };
    if (audit.bound == false &&
        (was_bound_by_job(facts, audit.device) || listed(facts.expect, audit.device)))
        differs(FailureKind::not_bound,
                "was bound to " + before.driver + " in the baseline and is not now");
    if (!audit.bound.value_or(false))
        return;
    const bool as_type = facts.expect.dma == job::Dma::as_type;
    if (before.via_iommu == true && audit.via_iommu == false &&
        !(as_type && audit.domain == DMARACE_DOMAIN_IDENTITY))
        differs(FailureKind::dma_direct, "was translated in the baseline and is not now");
    if (before.group && !audit.group)
        differs(FailureKind::no_group, "was in group " + std::to_string(*before.group) +
                                           " in the baseline and is in none now");
}

void check_direct(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples) {
            if (!sample.driven() || !has_iommu(sample.audit) || !direct(sample.audit))
                continue;
            if (!is_dma_domain(sample.audit) && excused(facts, sample, findings))
                continue;
            findings.add(FailureKind::dma_direct, device, direct_detail(sample), {sample.text});
        }
}

void check_no_group(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr || !sample->driven() || sample->audit.group ||
            !has_iommu(sample->audit) || excused(facts, *sample, findings))
            continue;
        findings.add(FailureKind::no_group, device, "is bound and in no IOMMU group",
                     {sample->text});
    }
}

void check_underfoot(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const Sample* last = nullptr;
        for (const auto& sample : samples) {
            if (!owns_its_domain(sample))
                continue;
            if (last != nullptr && last->binding == sample.binding)
                compare_under_driver(*last, sample, findings);
            last = &sample;
        }
    }
    for (const auto& line : facts.log)
        if (!hinted(catalogue::LogHint::late_probe, line.text).empty())
            findings.support(FailureKind::domain_underfoot, facts.device_in(line.text),
                             log_text(line));
}

void check_map(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (const auto& sample : samples)
            if (sample.audit.map == DMARACE_MAP_MISMATCH || sample.audit.map == DMARACE_MAP_ERROR)
                findings.add(FailureKind::map_error, device, map_detail(sample.audit),
                             {sample.text});
}

void check_fwspec(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices)
        for (std::size_t i = 1; i < samples.size(); ++i) {
            const auto& before = samples[i - 1];
            const auto& after = samples[i];
            if (before.life != after.life)
                continue;
            if (auto detail = lost(facts, before, after); !detail.empty())
                findings.add(FailureKind::fwspec_lost, device, std::move(detail),
                             {before.text, after.text});
        }
}

void check_not_owned(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample == nullptr)
            continue;
        const auto& audit = sample->audit;
        if (!audit.bound.value_or(false) || audit.managed != false || !audit.group ||
            audit.owned != false)
            continue;
        findings.add(FailureKind::not_owned, device,
                     audit.driver + " is bound, and group " + std::to_string(*audit.group) +
                         " has no DMA owner",
                     {sample->text});
    }
}

void check_type_mismatch(const Facts& facts, Findings& findings) {
    for (const auto& group : facts.observed.groups)
        against_sysfs(facts, group, findings);
    against_each_other(facts, findings);
    against_dma_api(facts, findings);
}

void check_expect(const Facts& facts, Findings& findings) {
    for (const auto& [device, samples] : facts.devices) {
        const auto* sample = facts.settled(device);
        if (sample != nullptr && facts.expect.dma == job::Dma::translated &&
            expected_here(facts, *sample))
            must_translate(facts, *sample, findings);
        if (sample != nullptr && sample->audit.bound == false &&
            !findings.has(FailureKind::not_bound, device) && was_bound_by_job(facts, device))
            findings.doubt(device + " is not bound after settle, so its DMA was not judged");
    }
    for (const auto& name : facts.expect.devices) {
        const bool there = std::ranges::any_of(facts.devices, [&](const auto& entry) {
            return same_device(name, entry.first) && facts.settled(entry.first) != nullptr;
        });
        if (!there && facts.observed.error.empty())
            findings.doubt("expected device " + name + " has no audit after settle");
    }
}

void check_baseline(const Facts& facts, Findings& findings) {
    if (!facts.observed.error.empty())
        return; // settle did not run: the state is not the iteration's last word
    for (const auto& [device, before] : facts.baseline) {
        const auto* now = facts.settled(device);
        if (now != nullptr && before.bound.value_or(false) && before.device == now->audit.device)
            compare_with_baseline(facts, *now, before, findings);
    }
}

} // namespace

std::span<const VerdictCheck> dma_checks() {
    static constexpr VerdictCheck kChecks[] = {
        {check_underfoot, false}, {check_direct, true}, {check_no_group, true},
        {check_not_owned, true},  {check_map, true},    {check_type_mismatch, true},
        {check_fwspec, false}};
    return kChecks;
}

std::span<const VerdictCheck> expectation_checks() {
    static constexpr VerdictCheck kChecks[] = {{check_expect, false}, {check_baseline, false}};
    return kChecks;
}

} // namespace dmarace::verdict
