// SPDX-License-Identifier: GPL-2.0-or-later
// The board before the run against the board after settle: what is gone, bound no more, or in
// another group; and what the job said of binds and locks.
#include "catalogue/failures.hpp"
#include "job/words.hpp"
#include "verdict/checks.hpp"

#include <algorithm>
#include <cerrno>

namespace dmarace::verdict {

namespace {

using std::ranges::any_of;

std::string found_text(const FoundDevice& device) {
    return "before the run: " + device.device +
           (device.driver.empty() ? " unbound" : " bound to " + device.driver) +
           (device.group < 0 ? ", in no group" : ", in group " + std::to_string(device.group));
}

// As it is after settle.
const FoundDevice& now(const Facts& facts, const FoundDevice& found) {
    const auto& changed = facts.observed.changed;
    const auto known = std::ranges::find(changed, found.device, &FoundDevice::device);
    return known == changed.end() ? found : *known;
}

// The IOMMU's own probe.

std::string fate(const Facts& facts, const FoundDevice& client) {
    const auto& is = now(facts, client);
    if (!is.there)
        return client.device + " is gone";
    const auto* sample = facts.settled(client.device);
    if (is.driver.empty())
        return client.device + " is not bound";
    auto text = client.device + " is bound to " + is.driver;
    if (sample != nullptr && sample->audit.via_iommu)
        text += *sample->audit.via_iommu ? ", and its DMA is translated" : " with direct DMA";
    return text;
}

// Nothing became of it: it had no driver before either.
bool is_without_driver(const Facts& facts, const FoundDevice& device) {
    return device.driver.empty() && now(facts, device).there && now(facts, device).driver.empty();
}

// Of an instance that the run did not find, whoever is in no group.
bool is_client(const FailedIommu& iommu, const FoundDevice& device) {
    return !iommu.instance.empty() && device.iommu == iommu.instance;
}

void check_iommus(const Facts& facts, Findings& findings) {
    for (const auto& iommu : facts.failed_iommus) {
        std::vector<std::string> fates;
        if (facts.observed.found)
            for (const auto& [name, device] : facts.observed.found->devices)
                if (is_client(iommu, device) && !is_without_driver(facts, device))
                    fates.push_back(fate(facts, device));
        if (fates.empty())
            for (const auto& [name, samples] : facts.devices)
                if (const auto* sample = facts.settled(name);
                    sample != nullptr && has_iommu(sample->audit) && !sample->audit.group)
                    fates.push_back(sample->audit.bound.value_or(false)
                                        ? name + " is bound without an IOMMU"
                                        : name + " is not bound");
        std::vector<std::string> evidence{iommu.line};
        std::ranges::copy(fates, std::back_inserter(evidence));
        const auto clients =
            fates.empty() ? std::string("no client of it is known") : joined(fates, "; ");
        findings.add({FailureKind::iommu_unbound, iommu.device, iommu.driver,
                      iommu.why + ": " + clients, std::move(evidence)});
    }
}

// It waits in vain, which is told with its IOMMU.
bool waits_in_vain(const Facts& facts, const FoundDevice& device) {
    return any_of(facts.failed_iommus, [&](const auto& iommu) {
        return is_client(iommu, device) || (iommu.instance.empty() && device.iommu.empty());
    });
}

// gone and not-bound.

void check_gone(const Facts& facts, Findings& findings) {
    for (const auto& is : facts.observed.changed) {
        const auto* found = facts.found(is.device);
        // One of a number drawn anew has another name when its parent is bound again.
        if (found == nullptr || is.there || is.device.ends_with(".auto") ||
            meant(facts, *found).away)
            continue;
        findings.add({FailureKind::gone,
                      is.device,
                      found->driver,
                      "was there before the run, and is not there any more",
                      {found_text(*found)}});
    }
}

// No bind of it was refused: its driver gave it up for want of DMA.
bool gave_up(const FoundDevice& device, Findings& findings) {
    const auto end = device.driver + " gave it up: it is not bound after settle";
    const bool attached = findings.support(FailureKind::attach_failed, device.device, end);
    return findings.support(FailureKind::dma_direct, device.device, end) || attached;
}

void check_not_bound(const Facts& facts, Findings& findings) {
    for (const auto& is : facts.observed.changed) {
        const auto* found = facts.found(is.device);
        if (found == nullptr || !is.there || found->driver.empty() || !is.driver.empty() ||
            waits_in_vain(facts, *found))
            continue;
        const auto said = meant(facts, *found);
        if (said.unbound || said.away || (said.bind.empty() && gave_up(*found, findings)))
            continue;
        std::vector<std::string> evidence{found_text(*found)};
        if (!said.bind.empty())
            evidence.push_back(said.bind);
        if (const auto* sample = facts.settled(is.device))
            evidence.push_back(sample->text);
        findings.add({FailureKind::not_bound, is.device, found->driver,
                      found->driver + " does not bind any more" +
                          (said.bind.empty() ? "" : ": " + said.bind),
                      std::move(evidence)});
    }
}

void check_driver(const Facts& facts, Findings& findings) {
    for (const auto& is : facts.observed.changed) {
        const auto* found = facts.found(is.device);
        if (found == nullptr || !is.there || found->driver.empty() || is.driver.empty() ||
            is.driver == found->driver || meant(facts, *found).driven)
            continue;
        findings.add({FailureKind::driver_changed,
                      is.device,
                      is.driver,
                      "was bound to " + found->driver + " before the run, and is bound to " +
                          is.driver + " now",
                      {found_text(*found)}});
    }
}

// Groups.

using Members = std::map<std::int64_t, std::vector<std::string>>; // by group

// Of the devices that are in groups on both sides: what is missing in one of them says
// nothing of its neighbours.
struct BoardGroups {
    Members before, after;

    explicit BoardGroups(const Facts& facts) {
        for (const auto& [name, found] : facts.observed.found->devices) {
            const auto& is = now(facts, found);
            if (found.group < 0 || !is.there || is.group < 0)
                continue;
            before[found.group].push_back(name);
            after[is.group].push_back(name);
        }
    }
};

// Who else is there.
std::string company(std::vector<std::string> members, const std::string& device) {
    std::erase(members, device);
    return members.empty() ? "alone" : "with " + joined(members, ", ");
}

void check_members(const Facts& facts, const BoardGroups& groups, const FoundDevice& found,
                   const FoundDevice& is, Findings& findings) {
    const auto& before = groups.before.at(found.group);
    const auto& after = groups.after.at(is.group);
    const auto number = std::to_string(is.group);
    if (before != after)
        findings.add({FailureKind::group_changed,
                      found.device,
                      is.driver,
                      "was " + company(before, found.device) +
                          " in its group before the run, and is " + company(after, found.device) +
                          " in group " + number + " now",
                      {found_text(found)}});
    else if (found.group != is.group && !facts.observed.found->other_boot &&
             !meant(facts, found).regrouped)
        findings.add({FailureKind::group_changed,
                      found.device,
                      is.driver,
                      "was in group " + std::to_string(found.group) +
                          " before the run, is in group " + number +
                          " now, and nobody took it away",
                      {found_text(found)}});
}

// Up to 6.14 a device of a device tree that is found again is in no group until it is bound.
bool may_be_ungrouped(const Facts& facts, const FoundDevice& found, const FoundDevice& is) {
    const auto* sample = facts.settled(found.device);
    const bool bound = !is.driver.empty() && !(sample && sample->audit.bound == false);
    return (!bound && meant(facts, found).regrouped) || !facts.failed_iommus.empty() ||
           any_of(facts.observed.found->iommus,
                  [&](const auto& iommu) {
                      return iommu.instance == found.iommu && meant_gone(facts, iommu);
                  }) ||
           facts.timed_out.contains(found.device);
}

void check_groups(const Facts& facts, Findings& findings) {
    if (facts.observed.changed.empty())
        return;
    const BoardGroups groups(facts);
    for (const auto& [name, found] : facts.observed.found->devices) {
        const auto& is = now(facts, found);
        if (found.group < 0 || !is.there)
            continue;
        if (is.group >= 0) {
            check_members(facts, groups, found, is, findings);
        } else if (!findings.has(FailureKind::no_group, name) &&
                   !findings.has(FailureKind::fwspec_lost, name) &&
                   !may_be_ungrouped(facts, found, is)) {
            findings.add({FailureKind::group_changed,
                          name,
                          is.driver,
                          "was in group " + std::to_string(found.group) +
                              " before the run, and is in none now",
                          {found_text(found)}});
        }
    }
}

// Nobody brought it, and up to 6.14 one without a driver may be in no group yet.
bool may_join(const Facts& facts, const std::string& device) {
    const auto* found = facts.found(device);
    const auto brings = [&](const DoneStep& done) {
        const bool all = job::does(done.step, catalogue::effect::adds);
        return (done.in_reset || done.os_error == 0) && all;
    };
    return (found != nullptr && (found->group >= 0 || found->driver.empty())) ||
           any_of(facts.done, brings);
}

// Who was in no group before is in one that others were in.
void check_strangers(const Facts& facts, Findings& findings) {
    if (facts.observed.found->other_boot)
        return;
    std::map<std::int64_t, std::vector<std::string>> members;
    for (const auto& [name, found] : facts.observed.found->devices)
        if (const auto& is = now(facts, found); found.group >= 0 && is.there && is.group >= 0)
            members[is.group].push_back(name);
    for (const auto& group : facts.observed.groups) {
        const auto known = members.find(group.number);
        if (known == members.end())
            continue;
        for (const auto& device : group.devices)
            if (std::ranges::count(known->second, device) == 0 && !may_join(facts, device))
                findings.add({FailureKind::group_changed,
                              device,
                              facts.driver_of(device),
                              "is in group " + std::to_string(group.number) + " with " +
                                  joined(known->second, ", ") +
                                  ", was in no group before the run, and nobody brought it",
                              {"iommu_groups/" + std::to_string(group.number) +
                               "/devices: " + joined(group.devices, ", ")}});
    }
}

void check_stale(const Facts& facts, Findings& findings) {
    for (const auto& group : facts.observed.groups) {
        const auto number = std::to_string(group.number);
        if (!group.devices.empty() ||
            std::ranges::count(facts.observed.found->empty_groups, number) != 0)
            continue;
        std::vector<std::string> evidence{"iommu_groups/" + number + "/devices is empty"};
        for (const auto& [name, found] : facts.observed.found->devices)
            if (found.group == group.number)
                evidence.push_back(found_text(found));
        findings.add({FailureKind::stale_group, "", "",
                      "group " + number + " was left behind without a device",
                      std::move(evidence)});
    }
}

void check_board(const Facts& facts, Findings& findings) {
    if (!facts.comparable())
        return;
    if (!facts.observed.found)
        return;
    check_gone(facts, findings);
    check_not_bound(facts, findings);
    check_driver(facts, findings);
    check_groups(facts, findings);
    check_strangers(facts, findings);
    check_stale(facts, findings);
}

// What the job said.

// Somebody was binding it while it was looked at.
bool binds_meanwhile(const Facts& facts, const DoneStep& look, const std::string& device) {
    return any_of(facts.done, [&](const DoneStep& other) {
        return &other != &look && !other.in_reset && other.began <= look.ended &&
               other.ended >= look.began &&
               (job::does(other.step, catalogue::effect::binds_own) &&
                any_of(other.step.args,
                       [&](const auto& word) { return same_device(word, device); }));
    });
}

void check_unasked(const Facts& facts, Findings& findings) {
    for (const auto& look : facts.done) {
        if (!expects_unbound(look.step) || look.os_error != EPROTO || look.step.may_fail ||
            look.step.args.size() < 2)
            continue;
        const auto& device = look.step.args.back();
        const FoundDevice unknown{.device = device};
        const auto* found = facts.found(device);
        if (!meant(facts, found != nullptr ? *found : unknown, look.began).left ||
            binds_meanwhile(facts, look, device))
            continue;
        findings.add(FailureKind::bound_unasked, device,
                     "drivers_autoprobe of its bus was off when it was found, and the kernel bound "
                     "it: '" +
                         look.step.text + "' failed",
                     {"'" + look.step.text + "' of " + look.actor + " failed"});
    }
}

void check_blocked(const Facts& facts, Findings& findings) {
    for (const auto& count : facts.observed.counts) {
        const auto* rule = named(facts.plan.rules, count.rule);
        if (rule == nullptr || !rule->blocked_fails || count.blocked == 0)
            continue;
        std::vector<std::string> evidence{"rule " + count.rule + " at " + count.point +
                                          ": blocked=" + std::to_string(count.blocked)};
        for (const auto& line : facts.observed.events)
            if (line.verb == kStackEvent || is_blocked_by_lock(line))
                evidence.push_back(dmarace::to_text(line));
        findings.add({FailureKind::blocked, "", "",
                      "rule " + count.rule + " (" + count.point +
                          ") ended against a lock, which the job calls a failure",
                      std::move(evidence)});
    }
}

} // namespace

std::span<const VerdictCheck> board_checks() {
    static constexpr VerdictCheck kChecks[] = {
        {check_iommus, true}, {check_board, false}, {check_unasked, false}, {check_blocked, false}};
    return kChecks;
}

} // namespace dmarace::verdict
