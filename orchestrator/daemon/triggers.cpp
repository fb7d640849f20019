// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/triggers.hpp"

#include <algorithm>
#include <cstdlib>

namespace dmarace::daemon {

namespace {

// What the entry's run is given: a job's name, or the file that is one itself.
std::string job_of(const Entry& entry, const std::string& path) {
    return entry.job.empty() ? path : entry.job;
}

} // namespace

bool Triggers::waits(const Entry& entry, const std::string& path) const {
    return entry.trigger.empty() && trigger_of_ && trigger_of_(job_of(entry, path)).has_value();
}

std::uint64_t Triggers::newest() const {
    const auto text = files_.read("/sys/kernel/uevent_seqnum").value_or("0");
    return std::strtoull(text.c_str(), nullptr, 10);
}

bool Triggers::is_own(const board::Uevent& event) const {
    return event.number > own_from_ && event.number <= own_to_;
}

bool Triggers::is_queued(const std::string& trigger) const {
    for (const auto shelf : {Shelf::fresh, Shelf::running})
        for (const auto& name : spool_.list(shelf))
            if (const auto text = spool_.read(shelf, name))
                if (const auto entry = queue::parse_entry(*text, name);
                    entry && entry->trigger == trigger)
                    return true;
    return false;
}

std::string Triggers::fire(const std::string& name, const Entry& entry,
                           const board::Uevent& event) const {
    Entry fired = entry;
    fired.job = job_of(entry, spool_.path_of(Shelf::trigger, name).string());
    fired.trigger = name;
    fired.event = event.action + " " + event.subsystem + "/" + event.name;
    if (const auto added = spool_.add(queue::entry_name(fired.job), queue::to_text(fired)); !added)
        return added.error().message;
    return fired.event + " starts " + fired.job;
}

std::vector<std::string> Triggers::take(std::vector<board::Uevent> events) {
    for (const auto& event : events)
        seen_ = std::max(seen_, event.number);
    std::erase_if(events, [this](const auto& event) { return is_own(event); });
    std::vector<std::string> said;
    if (events.empty() || !trigger_of_)
        return said;
    for (const auto& name : spool_.list(Shelf::trigger)) {
        const auto text = spool_.read(Shelf::trigger, name);
        const auto entry = text ? queue::parse_entry(*text, name) : Result<Entry>(Entry{});
        if (!text || !entry)
            continue;
        const auto trigger =
            trigger_of_(job_of(*entry, spool_.path_of(Shelf::trigger, name).string()));
        for (const auto& event : events) {
            const job::TriggerEvent seen{
                event.action, event.subsystem, event.name, event.driver,
                [&](const std::string& file) -> std::optional<std::string> {
                    auto value = files_.read(event.path + "/" + file);
                    return value ? std::optional(*std::move(value)) : std::nullopt;
                }};
            if (!trigger || !job::matches(*trigger, seen) || is_queued(name))
                continue;
            said.push_back(fire(name, *entry, event));
        }
    }
    return said;
}

} // namespace dmarace::daemon
