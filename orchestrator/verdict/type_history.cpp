// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/type_history.hpp"

#include "catalogue/log_signs.hpp"

#include <algorithm>

namespace dmarace::verdict {

namespace {

std::string stretch(std::uint64_t from, std::uint64_t to, std::uint64_t origin) {
    const auto at = [&](std::uint64_t ts) {
        const auto us = (static_cast<std::int64_t>(ts) - static_cast<std::int64_t>(origin)) / 1000;
        return std::to_string(us) + " us";
    };
    return at(from) + " to " + (to == kForever ? "now" : at(to));
}

} // namespace

TypeHistory::TypeHistory(const Facts& facts) {
    groups_ = facts.observed.types.groups;
    take_acts(facts.observed.types);
    take_audits(facts.observed.before);
    take_steps(facts);
    std::ranges::sort(doings_, {}, &Doing::began);
    take_lives(facts);
    queue_failed_ = std::ranges::any_of(facts.observed.log, [](const LogLine& line) {
        return !hinted(catalogue::LogHint::queue_failed, line.text).empty();
    });
    take_settings();
    learn();
}

std::size_t TypeHistory::group_of(const StepResult& step) {
    const auto number = step.group.value_or(-1);
    const auto same = [&](const TypeGroup& group) {
        return step.device.empty()
                   ? group.number == number
                   : std::ranges::find(group.devices, step.device) != group.devices.end();
    };
    const auto known = std::ranges::find_if(groups_, same);
    if (known != groups_.end())
        return static_cast<std::size_t>(known - groups_.begin());
    TypeGroup group{number, {}};
    if (!step.device.empty())
        group.devices.push_back(step.device);
    groups_.push_back(std::move(group));
    return groups_.size() - 1;
}

void TypeHistory::take_steps(const Facts& facts) {
    // The members of a group, as settle found them.
    for (const auto& group : facts.observed.groups) {
        const bool known = std::ranges::any_of(groups_, [&](const TypeGroup& other) {
            return !group.devices.empty() &&
                   std::ranges::find(other.devices, group.devices.front()) != other.devices.end();
        });
        if (!known)
            groups_.push_back({group.group, group.devices});
    }
    for (const auto& step : facts.observed.steps) {
        if (step.type_asked.empty()) {
            doings_.push_back(
                {step.actor, step.verb, step.device, step.began, step.ended, step.os_error});
            continue;
        }
        HistoryWrite write{.actor = step.actor, .group = group_of(step)};
        write.began = write.read_began = step.began;
        write.ended = write.read_ended = step.ended;
        write.os_error = step.os_error;
        write.asked = type_word_from(step.type_asked);
        write.after = type_word_from(step.type_after);
        write.before = type_word_from(step.type_before);
        write.bound = step.group_bound;
        write.step = &step;
        writes_.push_back(write);
    }
}

void TypeHistory::take_acts(const TypeRun& run) {
    lines_.resize(groups_.size());
    for (const auto& actor : run.actors)
        for (const auto& act : actor.acts)
            if (act.group < run.groups.size())
                take_act(actor, act, run.groups[act.group]);
}

namespace {

catalogue::Verb verb_of(TypeAct::What what) {
    switch (what) {
    case TypeAct::What::unbind:
        return catalogue::Verb::unbind;
    case TypeAct::What::bind:
        return catalogue::Verb::bind;
    case TypeAct::What::remove:
        return catalogue::Verb::remove;
    case TypeAct::What::rescan:
        return catalogue::Verb::rescan;
    case TypeAct::What::sriov:
        return catalogue::Verb::sriov;
    default:
        return catalogue::Verb::type;
    }
}

} // namespace

void TypeHistory::take_act(const TypeActor& actor, const TypeAct& act, const TypeGroup& group) {
    const auto ended = act.ended == 0 ? kForever : act.ended;
    if (act.what == TypeAct::What::write) {
        HistoryWrite write{.actor = actor.name, .group = act.group};
        write.began = act.began;
        write.ended = write.read_began = ended;
        write.read_ended = act.read == 0 ? ended : act.read;
        write.os_error = act.os_error;
        write.asked = act.asked;
        write.after = act.after;
        writes_.push_back(write);
        return;
    }
    const auto device = act.device < group.devices.size() ? group.devices[act.device] : "";
    const bool whole = act.device == TypeAct::kNoDevice;
    if (act.what == TypeAct::What::look && !whole)
        first_bound_.emplace(device, act.bound);
    else if (act.what == TypeAct::What::look)
        looked(lines_[act.group], act.after);
    else if (act.what != TypeAct::What::read && act.what != TypeAct::What::look)
        doings_.push_back({actor.name, verb_of(act.what),
                           act.what == TypeAct::What::rescan ? "" : device, act.began, ended,
                           act.os_error});
}

// A group that its first writer did not find may come at any moment, at first
// without a default domain: no event tells when an IOMMU's driver makes it.
void TypeHistory::looked(Line& line, TypeWord found) {
    if (line.first == kAnyType)
        line.first = 0;
    line.first |= found == TypeWord::none ? set_of(found) | kAnyType : set_of(found);
}

// An actor that looked itself knows better: it did so later. A driver that manages
// its DMA owns no group.
void TypeHistory::take_audits(const std::vector<Audit>& audits) {
    for (const auto& audit : audits)
        if (audit.bound == false || (audit.bound && audit.managed))
            first_bound_.emplace(audit.device, *audit.bound && !*audit.managed);
}

void TypeHistory::take_lives(const Facts& facts) {
    for (const auto& group : groups_)
        for (const auto& device : group.devices) {
            const auto looked = first_bound_.find(device);
            lives_.emplace(device,
                           life_of(facts.observed.events, doings_, device,
                                   looked == first_bound_.end() ? std::nullopt
                                                                : std::optional(looked->second)));
        }
}

void TypeHistory::take_settings() {
    lines_.resize(groups_.size());
    for (const auto& write : writes_) {
        auto& line = lines_[write.group];
        if (line.first == kAnyType && write.before != TypeWord::none && line.actors.empty())
            line.first = set_of(write.before);
        if (write.os_error == 0)
            line.actors[write.actor].push_back({write.began, write.ended, 0, &write});
    }
    for (std::size_t index = 0; index < groups_.size(); ++index) {
        auto& line = lines_[index];
        for (const auto& device : groups_[index].devices)
            for (const auto& span : lives_.at(device).away)
                line.actors[""].push_back({span.from, span.to, kThreeTypes, nullptr});
        for (auto& [actor, settings] : line.actors) {
            std::ranges::sort(settings, {}, &Setting::began);
            for (const auto& setting : settings)
                line.newest.emplace_back(setting.ended, setting.began);
        }
        std::ranges::sort(line.newest);
        std::uint64_t newest = 0;
        for (auto& [end, begin] : line.newest)
            begin = newest = std::max(newest, begin);
    }
}

// Another actor's setting between begin of the write and end of its read-back.
bool TypeHistory::contended(const HistoryWrite& write) const {
    const auto& line = lines_[write.group];
    return std::ranges::any_of(line.actors, [&](const auto& entry) {
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
    return std::ranges::any_of(lines_[write.group].actors, [&](const auto& entry) {
        return entry.first != write.actor && !entry.second.empty() &&
               entry.second.front().began <= write.read_ended;
    });
}

// What 'auto' makes and whether DMA-FQ holds is the driver's and the kernel's
// choice: it is learned from writes that nobody disturbed.
void TypeHistory::learn() {
    std::vector<bool> asked(groups_.size()), held(groups_.size());
    for (const auto& write : writes_) {
        if (write.after == TypeWord::dma_fq)
            held[write.group] = true;
        if (write.os_error != 0)
            continue;
        if (write.asked == TypeWord::dma_fq)
            asked[write.group] = true;
        if (write.asked == TypeWord::automatic && !contended(write))
            lines_[write.group].automatic |= set_of(write.after) & kThreeTypes;
    }
    for (std::size_t index = 0; index < groups_.size(); ++index)
        lines_[index].falls_back = asked[index] && !held[index];
    for (auto& line : lines_)
        for (auto& [actor, settings] : line.actors)
            for (auto& setting : settings)
                if (setting.write != nullptr)
                    setting.types = effect(*setting.write);
}

TypeSet TypeHistory::effect(const HistoryWrite& write) const {
    const auto& line = lines_[write.group];
    if (write.asked == TypeWord::automatic)
        return line.automatic != 0 ? line.automatic : kThreeTypes;
    if (write.asked == TypeWord::other)
        return kAnyType;
    // The live path has no silent fallback, and says when it fails.
    if (write.asked == TypeWord::dma_fq && write.before != TypeWord::dma &&
        (line.falls_back || queue_failed_))
        return set_of(TypeWord::dma_fq) | set_of(TypeWord::dma);
    return set_of(write.asked);
}

// Any setting that may have been the last one before some moment of the
// stretch. One that ended before another began that ended before the stretch
// is not; 'superseded' is the begin of one more that came before.
TypeSet TypeHistory::types_between(const Line& line, std::uint64_t from, std::uint64_t to,
                                   std::uint64_t superseded, const HistoryWrite* without) const {
    const auto ended = std::ranges::lower_bound(line.newest, from, {},
                                                &std::pair<std::uint64_t, std::uint64_t>::first);
    const bool set = superseded > 0 || ended != line.newest.begin();
    if (ended != line.newest.begin())
        superseded = std::max(superseded, std::prev(ended)->second);
    TypeSet types = set ? 0 : line.first;
    for (const auto& [actor, settings] : line.actors) {
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
    if (write.before != TypeWord::none && !disturbed(write))
        return set_of(write.before);
    return types_between(lines_[write.group], write.began, write.ended, 0, &write);
}

TypeSet TypeHistory::after(const HistoryWrite& write) const {
    if (write.os_error == 0) {
        const auto own = write.asked == TypeWord::dma_fq && before(write) == set_of(TypeWord::dma)
                             ? set_of(TypeWord::dma_fq)
                             : effect(write);
        return own | types_between(lines_[write.group], write.read_began, write.read_ended,
                                   write.began, &write);
    }
    if (write.step != nullptr && !disturbed(write))
        return write.before == TypeWord::none ? kAnyType : set_of(write.before);
    return types_between(lines_[write.group], write.read_began, write.read_ended, 0, &write);
}

TypeHistory::Bound TypeHistory::bound(const HistoryWrite& write) const {
    Bound out;
    std::vector<Span> sure;
    bool all_known = !groups_[write.group].devices.empty(), any_known = false;
    for (const auto& device : groups_[write.group].devices) {
        const auto& life = lives_.at(device);
        all_known = all_known && life.known;
        any_known = any_known || life.known;
        for (const auto& span : life.bound) {
            if (!span.overlaps(write.began, write.ended))
                continue;
            out.maybe = true;
            if (span.sure)
                sure.push_back(span);
        }
    }
    // A member of which nothing is known is as the writer itself saw it.
    if (!all_known && !(any_known && out.maybe)) {
        if (!write.bound)
            return {true, true};
        if (*write.bound)
            return {true, false};
    }
    std::ranges::sort(sure, {}, &Span::from);
    auto covered = write.began;
    for (const auto& span : sure)
        if (span.from <= covered)
            covered = std::max(covered, span.to);
    out.maybe_not = sure.empty() || sure.front().from > write.began || covered < write.ended;
    return out;
}

bool TypeHistory::removing(const HistoryWrite& write) const {
    return std::ranges::any_of(groups_[write.group].devices, [&](const auto& device) {
        return std::ranges::any_of(lives_.at(device).away, [&](const Span& span) {
            return span.overlaps(write.began, write.read_ended);
        });
    });
}

bool TypeHistory::removed(const HistoryWrite& write) const {
    return std::ranges::any_of(groups_[write.group].devices, [&](const auto& device) {
        return std::ranges::any_of(lives_.at(device).away,
                                   [&](const Span& span) { return span.from <= write.read_ended; });
    });
}

bool TypeHistory::resetting(const HistoryWrite& write) const {
    return std::ranges::any_of(doings_, [&](const Doing& doing) {
        return does(doing.verb, catalogue::effect::resets) &&
               doing.overlaps(write.began, write.ended);
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
    for (const auto& doing : doings_)
        if (doing.actor != write.actor && doing.overlaps(write.began, write.read_ended))
            add(doing.actor, std::string(to_text(doing.verb)) + " " + doing.device, doing.began,
                doing.ended);
    for (const auto& other : writes_)
        if (other.actor != write.actor && other.group == write.group &&
            other.began <= write.read_ended && other.read_ended >= write.began)
            add(other.actor, "write '" + std::string(to_text(other.asked)) + "'", other.began,
                other.ended);
    return out;
}

} // namespace dmarace::verdict
