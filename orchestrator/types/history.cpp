// SPDX-License-Identifier: GPL-2.0-or-later
#include "types/judge.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace dmarace::types {

namespace {

using catalogue::does;
using catalogue::Verb;

// Stretches that meet are one.
std::vector<LifeSpan> merged(std::vector<LifeSpan> spans) {
    std::ranges::sort(spans, {}, &LifeSpan::from);
    std::vector<LifeSpan> out;
    for (const auto& span : spans)
        if (!out.empty() && (out.back().to == kForever || span.from <= out.back().to + 1))
            out.back().to = std::max(out.back().to, span.to);
        else
            out.push_back(span);
    return out;
}

std::string stretch(std::uint64_t from, std::uint64_t to, std::uint64_t origin) {
    const auto at = [&](std::uint64_t ts) {
        const auto us = (static_cast<std::int64_t>(ts) - static_cast<std::int64_t>(origin)) / 1000;
        return std::to_string(us) + " us";
    };
    return at(from) + " to " + (to == kForever ? "now" : at(to));
}

// Of what an actor of a [type] table does besides writing, as a step would do it; in the order
// of TypeAct::What.
constexpr std::array<std::optional<Verb>, 8> kVerbs{std::nullopt, std::nullopt, Verb::unbind,
                                                    Verb::bind,   Verb::remove, Verb::rescan,
                                                    Verb::sriov,  std::nullopt};

} // namespace

TypeHistory::TypeHistory(const TypeEvidence& evidence)
    : groups_(evidence.record.groups), managed_first_(evidence.managed_first),
      queue_failed_(evidence.queue_failed) {
    take_acts(evidence.record);
    // An actor that looked itself knows better: it did so later.
    bound_first_.insert(evidence.bound_first.begin(), evidence.bound_first.end());
    take_steps(evidence);
    std::ranges::sort(others_, {}, &TimedStep::began);
    take_lives(evidence);
    take_settings();
    learn();
}

std::size_t TypeHistory::group_of(const TimedStep& step) {
    const auto same = [&](const TypeGroup& group) {
        return step.device.empty()
                   ? group.number == step.type->group
                   : std::ranges::find(group.devices, step.device) != group.devices.end();
    };
    const auto known = std::ranges::find_if(groups_, same);
    if (known != groups_.end())
        return static_cast<std::size_t>(known - groups_.begin());
    TypeGroup group{.number = step.type->group};
    if (!step.device.empty())
        group.devices.push_back(step.device);
    groups_.push_back(std::move(group));
    return groups_.size() - 1;
}

void TypeHistory::take_steps(const TypeEvidence& evidence) {
    for (const auto& group : evidence.settled) {
        const bool known = std::ranges::any_of(groups_, [&](const TypeGroup& other) {
            return !group.devices.empty() &&
                   std::ranges::find(other.devices, group.devices.front()) != other.devices.end();
        });
        if (!known)
            groups_.push_back(group);
    }
    for (const auto& step : evidence.steps) {
        if (step.type == nullptr) {
            // The step that is an actor of a [type] table is told by its acts.
            if (step.verb != Verb::type)
                others_.push_back(step);
            continue;
        }
        HistoryWrite write{.actor = step.actor, .group = group_of(step), .act = step.type->act};
        const auto& act = step.type->act;
        const bool timed = act.ended != 0 && step.ended != kForever;
        write.began = timed ? act.began : step.began;
        write.ended = timed ? act.ended : step.ended;
        write.read_began = timed ? act.ended : step.began;
        write.read_ended = timed && act.read != 0 ? act.read : step.ended;
        write.os_error = step.os_error;
        write.step = step.type;
        writes_.push_back(write);
    }
}

void TypeHistory::take_acts(const TypeRecord& record) {
    tracks_.resize(groups_.size());
    for (const auto& actor : record.actors)
        for (const auto& act : actor.acts)
            if (act.group < record.groups.size())
                take_act(actor, act, record.groups[act.group]);
}

void TypeHistory::take_act(const TypeActor& actor, const TypeAct& act, const TypeGroup& group) {
    const auto ended = act.ended == 0 ? kForever : act.ended;
    if (act.what == TypeAct::What::write) {
        HistoryWrite write{.actor = actor.name, .group = act.group, .act = act};
        write.began = act.began;
        write.ended = write.read_began = ended;
        write.read_ended = act.read == 0 ? ended : act.read;
        write.os_error = act.os_error;
        writes_.push_back(write);
        return;
    }
    const auto device = act.device < group.devices.size() ? group.devices[act.device] : "";
    const auto verb = kVerbs.at(static_cast<std::size_t>(act.what));
    if (act.what == TypeAct::What::look && act.device != TypeAct::kNoDevice)
        bound_first_.emplace(device, act.bound == BoundSeen::yes);
    else if (act.what == TypeAct::What::look)
        looked(tracks_[act.group], act.after);
    else if (verb)
        others_.push_back({actor.name, *verb, act.what == TypeAct::What::rescan ? "" : device,
                           act.began, ended, act.os_error});
}

// A group that its first writer did not find may come at any moment, at first
// without a default domain: no event tells when an IOMMU's driver makes it.
void TypeHistory::looked(GroupTrack& track, TypeWord found) {
    if (track.first == kAnyType)
        track.first = 0;
    track.first |= found == TypeWord::none ? set_of(found) | kAnyType : set_of(found);
}

void TypeHistory::take_lives(const TypeEvidence& evidence) {
    for (const auto& group : groups_)
        for (const auto& device : group.devices) {
            const auto first = bound_first_.find(device);
            FirstSeen seen{.owned = {}, .managed = managed_first_.contains(device)};
            if (first != bound_first_.end())
                seen.owned = first->second;
            lives_.emplace(device, life_of(evidence.events, others_, device, seen));
        }
}

// Steps of what is known of each member: gone for sure, away perhaps.
void TypeHistory::count_members(const TypeGroup& group, GroupTrack& track) const {
    struct CountChange {
        std::size_t least = 0, most = 0; // taken away, modulo 2^64 for what comes back
    };
    std::map<std::uint64_t, CountChange> changes;
    for (const auto& device : group.devices) {
        const auto& life = lives_.at(device);
        for (const auto& span : merged(life.away)) {
            ++changes[span.from].least;
            if (span.to != kForever)
                --changes[span.to + 1].least;
        }
        for (const auto& span : merged(life.out)) {
            ++changes[span.from].most;
            if (span.to != kForever)
                --changes[span.to + 1].most;
        }
    }
    const auto all = std::max<std::size_t>(group.devices.size(), 1);
    MemberCount count{all, all};
    track.crowds = {{0, count}};
    for (const auto& [ts, change] : changes) {
        count.least -= change.least;
        count.most -= change.most;
        track.crowds.push_back({ts, count});
    }
}

// A group that lost its last member comes back with a default type. It did for sure if it
// was empty for sure.
void TypeHistory::take_births(GroupTrack& track) {
    const auto& crowds = track.crowds;
    for (auto from = crowds.begin(); from != crowds.end();) {
        const auto to = std::find_if(from, crowds.end(),
                                     [](const Crowd& crowd) { return crowd.count.least > 0; });
        if (to == from) {
            ++from;
            continue;
        }
        const bool sure =
            std::any_of(from, to, [](const Crowd& crowd) { return crowd.count.most == 0; });
        track.actors[""].push_back({.began = from->from,
                                    .ended = to == crowds.end() ? kForever : to->from - 1,
                                    .types = kThreeTypes,
                                    .sure = sure});
        from = to;
    }
}

TypeHistory::MemberCount TypeHistory::members(const HistoryWrite& write) const {
    const auto& crowds = tracks_[write.group].crowds;
    auto crowd = std::prev(std::ranges::upper_bound(crowds, write.began, {}, &Crowd::from));
    auto out = crowd->count;
    for (; crowd != crowds.end() && crowd->from <= write.ended; ++crowd) {
        out.least = std::min(out.least, crowd->count.least);
        out.most = std::max(out.most, crowd->count.most);
    }
    // Members that only the step itself saw, some time before it wrote.
    const auto& devices = groups_[write.group].devices;
    const auto known = std::max<std::size_t>(devices.size(), 1);
    const bool told =
        std::ranges::any_of(devices, [&](const auto& device) { return lives_.at(device).known; });
    if (!told && write.step != nullptr && write.step->devices > known) {
        out.least += write.step->devices - known;
        out.most += write.step->devices - known;
    }
    return out;
}

bool TypeHistory::emptied(const HistoryWrite& write, std::uint64_t since) const {
    const auto& crowds = tracks_[write.group].crowds;
    auto crowd = std::prev(std::ranges::upper_bound(crowds, since, {}, &Crowd::from));
    for (; crowd != crowds.end() && crowd->from <= write.read_ended; ++crowd)
        if (crowd->count.least == 0)
            return true;
    return false;
}

void TypeHistory::take_settings() {
    tracks_.resize(groups_.size());
    for (const auto& write : writes_) {
        auto& track = tracks_[write.group];
        if (track.first == kAnyType && write.act.before != TypeWord::none && track.actors.empty())
            track.first = set_of(write.act.before);
        if (write.os_error == 0)
            track.actors[write.actor].push_back({write.began, write.ended, 0, &write});
    }
    for (std::size_t index = 0; index < groups_.size(); ++index) {
        auto& track = tracks_[index];
        count_members(groups_[index], track);
        take_births(track);
        for (auto& [actor, settings] : track.actors) {
            std::ranges::sort(settings, {}, &Setting::began);
            for (const auto& setting : settings)
                if (setting.sure)
                    track.newest.emplace_back(setting.ended, setting.began);
        }
        std::ranges::sort(track.newest);
        std::uint64_t newest = 0;
        for (auto& [end, begin] : track.newest)
            begin = newest = std::max(newest, begin);
    }
}

// Another actor's setting between begin of the write and end of its read-back.
bool TypeHistory::contended(const HistoryWrite& write) const {
    const auto& track = tracks_[write.group];
    return std::ranges::any_of(track.actors, [&](const auto& entry) {
        if (entry.first == write.actor)
            return false;
        const auto& all = entry.second;
        const auto after = std::ranges::upper_bound(all, write.read_ended, {}, &Setting::began);
        return after != all.begin() && std::prev(after)->ended >= write.began;
    });
}

// Anybody else set the type, before the end of the write's read-back: what its
// own actor knew of the type may be old.
bool TypeHistory::disturbed(const HistoryWrite& write) const {
    return std::ranges::any_of(tracks_[write.group].actors, [&](const auto& entry) {
        return entry.first != write.actor && !entry.second.empty() &&
               entry.second.front().began <= write.read_ended;
    });
}

// What 'auto' makes and whether DMA-FQ holds is the driver's and the kernel's
// choice: it is learned from writes that nobody disturbed.
void TypeHistory::learn() {
    std::vector<bool> asked(groups_.size()), held(groups_.size());
    for (const auto& write : writes_) {
        if (write.act.after == TypeWord::dma_fq)
            held[write.group] = true;
        if (write.os_error != 0)
            continue;
        if (write.act.asked == TypeWord::dma_fq)
            asked[write.group] = true;
        if (write.act.asked == TypeWord::automatic && !contended(write))
            tracks_[write.group].automatic |= set_of(write.act.after) & kThreeTypes;
    }
    for (std::size_t index = 0; index < groups_.size(); ++index)
        tracks_[index].falls_back = asked[index] && !held[index];
    for (auto& track : tracks_)
        for (auto& [actor, settings] : track.actors)
            for (auto& setting : settings)
                if (setting.write != nullptr)
                    setting.types = effect(*setting.write);
                else if (track.automatic != 0)
                    setting.types = track.automatic; // a new group gets the same
}

TypeSet TypeHistory::effect(const HistoryWrite& write) const {
    const auto& track = tracks_[write.group];
    if (write.act.asked == TypeWord::automatic)
        return track.automatic != 0 ? track.automatic : kThreeTypes;
    if (!may_be_written(write.act.asked))
        return kAnyType;
    // The live path has no silent fallback, and says when it fails.
    if (write.act.asked == TypeWord::dma_fq && write.act.before != TypeWord::dma &&
        (track.falls_back || queue_failed_))
        return set_of(TypeWord::dma_fq) | set_of(TypeWord::dma);
    return set_of(write.act.asked);
}

// Any setting that may have been the last one before some moment of the
// stretch. One that ended before another began that ended before the stretch
// is not; 'superseded' is the begin of one more that came before.
TypeSet TypeHistory::types_between(const GroupTrack& track, std::uint64_t from, std::uint64_t to,
                                   std::uint64_t superseded, const HistoryWrite* without) const {
    const auto ended = std::ranges::lower_bound(track.newest, from, {},
                                                &std::pair<std::uint64_t, std::uint64_t>::first);
    const bool set = superseded > 0 || ended != track.newest.begin();
    if (ended != track.newest.begin())
        superseded = std::max(superseded, std::prev(ended)->second);
    TypeSet types = set ? 0 : track.first;
    for (const auto& [actor, settings] : track.actors) {
        auto next = std::ranges::upper_bound(settings, to, {}, &Setting::began);
        while (next != settings.begin() && std::prev(next)->ended >= superseded) {
            --next;
            if (without == nullptr || next->write != without)
                types |= next->types;
        }
    }
    return types;
}

TypeSet TypeHistory::before(const HistoryWrite& write) const {
    if (write.act.before != TypeWord::none && !disturbed(write))
        return set_of(write.act.before);
    return types_between(tracks_[write.group], write.began, write.ended, 0, &write);
}

TypeSet TypeHistory::own(const HistoryWrite& write, int os_error) const {
    const bool known = write.step != nullptr && write.act.before == TypeWord::none;
    if (os_error != 0)
        return known && !disturbed(write) ? kAnyType : before(write);
    return write.act.asked == TypeWord::dma_fq && before(write) == set_of(TypeWord::dma)
               ? set_of(TypeWord::dma_fq)
               : effect(write);
}

TypeSet TypeHistory::after(const HistoryWrite& write, int os_error) const {
    const auto& track = tracks_[write.group];
    if (os_error == 0 || write.os_error == 0)
        return own(write, os_error) |
               types_between(track, write.read_began, write.read_ended, write.began, &write);
    if (write.step != nullptr && !disturbed(write))
        return own(write, os_error);
    return types_between(track, write.read_began, write.read_ended, 0, &write);
}

TypeHistory::BoundState TypeHistory::bound(const HistoryWrite& write, TypeKernel kernel) const {
    if (kernel == TypeKernel::unknown) {
        const auto early = bound(write, TypeKernel::early), late = bound(write, TypeKernel::late);
        return {early.maybe || late.maybe, early.maybe_not || late.maybe_not};
    }
    BoundState out;
    std::vector<LifeSpan> sure;
    bool all_known = !groups_[write.group].devices.empty(), any_known = false;
    for (const auto& device : groups_[write.group].devices) {
        const auto& life = lives_.at(device);
        all_known = all_known && life.known;
        any_known = any_known || life.known;
        const bool early = kernel == TypeKernel::early;
        for (const auto& span : early ? life.bound : life.owned) {
            if (!span.overlaps(write.began, write.ended))
                continue;
            out.maybe = true;
            if (span.sure)
                sure.push_back(span);
        }
        // No write is decided there.
        if (early)
            std::ranges::copy_if(life.locked, std::back_inserter(sure), [&](const LifeSpan& span) {
                return span.overlaps(write.began, write.ended);
            });
    }
    // A member of which nothing is known is as the writer itself saw it.
    if (!all_known && !(any_known && out.maybe)) {
        if (write.act.bound == BoundSeen::unknown)
            return {true, true};
        if (write.act.bound == BoundSeen::yes)
            return {true, false};
    }
    std::ranges::sort(sure, {}, &LifeSpan::from);
    auto covered = write.began;
    for (const auto& span : sure)
        if (span.from <= covered)
            covered = std::max(covered, span.to);
    out.maybe_not = sure.empty() || sure.front().from > write.began || covered < write.ended;
    // Wholly inside a bind or an unbind: whoever took no lock may have seen either.
    return out.maybe || out.maybe_not ? out : BoundState{true, true};
}

bool TypeHistory::removed(const HistoryWrite& write) const {
    return std::ranges::any_of(groups_[write.group].devices, [&](const auto& device) {
        return std::ranges::any_of(lives_.at(device).away, [&](const LifeSpan& span) {
            return span.from <= write.read_ended;
        });
    });
}

bool TypeHistory::resetting(const HistoryWrite& write) const {
    return std::ranges::any_of(others_, [&](const TimedStep& step) {
        return does(step.verb, catalogue::effect::resets) &&
               step.overlaps(write.began, write.ended);
    });
}

std::vector<std::string> TypeHistory::meanwhile(const HistoryWrite& write, std::size_t most) const {
    std::vector<std::string> out;
    const auto add = [&](std::string_view actor, const std::string& what, std::uint64_t from,
                         std::uint64_t to) {
        if (out.size() < most)
            out.push_back("meanwhile " + std::string(actor) + ": " + what + ", " +
                          stretch(from, to, write.began) + " after its begin");
    };
    for (const auto& step : others_)
        if (step.actor != write.actor && step.overlaps(write.began, write.read_ended))
            add(step.actor, std::string(to_text(step.verb)) + " " + step.device, step.began,
                step.ended);
    for (const auto& other : writes_)
        if (other.actor != write.actor && other.group == write.group &&
            other.began <= write.read_ended && other.read_ended >= write.began)
            add(other.actor, "write '" + std::string(to_text(other.act.asked)) + "'", other.began,
                other.ended);
    return out;
}

} // namespace dmarace::types
