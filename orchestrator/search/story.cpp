// SPDX-License-Identifier: GPL-2.0-or-later
#include "search/story.hpp"

#include "kmod/dmarace_abi.h"

#include <algorithm>
#include <cstring>

namespace dmarace::search {

namespace {

constexpr std::size_t kWidth = 44; // of a column

std::string act_of(const job::Actor& actor) {
    std::string out;
    for (const auto& step : actor.steps)
        if (step.verb != job::Verb::wait && step.verb != job::Verb::signal)
            out += (out.empty() ? "" : ", ") + step.text;
    return out;
}

std::string place_words(const ParkPlace& place) {
    return std::string(place.park.exit ? "at the end of " : "at the beginning of ") +
           place.park.function + "()" +
           (place.park.device.empty() ? "" : " for " + place.park.device);
}

// Something that happened: in the column of an actor, or across all of them.
struct Happened {
    std::uint64_t ts = 0;
    std::size_t column = SIZE_MAX;
    std::string text;
};

std::size_t column_of(const ActSet& set, const std::string& actor) {
    for (std::size_t i = 0; i < set.job.actors.size(); ++i)
        if (set.job.actors[i].name == actor)
            return i;
    return SIZE_MAX;
}

std::string milliseconds(std::int64_t us) { return std::to_string(us / 1000) + " ms"; }

std::string told(const Line& line) {
    const auto get = [&](const char* key) { return line.get(key); };
    if (line.verb == DMARACE_E_HELD)
        return "PARKED at " + get(DMARACE_K_ON) + " of " + get(DMARACE_K_POINT);
    if (line.verb == DMARACE_E_END)
        return "GOES ON (" + get(DMARACE_K_HOW) +
               (get(DMARACE_K_BY).empty() ? "" : ": " + get(DMARACE_K_BY)) + ", after " +
               milliseconds(line.number(DMARACE_K_HELD_US).value_or(0)) + ")";
    if (line.verb == DMARACE_E_BUS)
        return get(DMARACE_K_DEV) + " " + get(DMARACE_K_WHAT) +
               (get(DMARACE_K_DRIVER).empty() ? "" : " (" + get(DMARACE_K_DRIVER) + ")");
    if (line.verb == DMARACE_E_AUDIT) {
        std::string out = "audit of " + get(DMARACE_K_DEV) + " at " + get(DMARACE_K_AT) + ":";
        for (const char* key : {DMARACE_K_IOMMU, DMARACE_K_GROUP, DMARACE_K_DOMAIN,
                                DMARACE_K_VIA_IOMMU, DMARACE_K_MAP})
            if (!get(key).empty())
                out += " " + std::string(key) + "=" + get(key);
        return out;
    }
    return "";
}

std::vector<Happened> all_of(const ActSet& set, const verdict::Observed& observed) {
    std::vector<Happened> out;
    for (const auto& step : observed.steps) {
        const auto column = column_of(set, step.actor);
        if (column == SIZE_MAX)
            continue;
        out.push_back({step.began, column, step.text});
        std::string end = "  .. done";
        if (step.os_error != 0)
            end = std::string("  .. ") + std::strerror(step.os_error);
        if (step.ended > 0)
            out.push_back({step.ended, column, end});
    }
    for (const auto& line : observed.events) {
        auto text = told(line);
        if (text.empty())
            continue;
        const auto ts = static_cast<std::uint64_t>(line.number(DMARACE_K_TS).value_or(0));
        const bool across = line.verb == DMARACE_E_AUDIT;
        out.push_back(
            {ts, across ? SIZE_MAX : column_of(set, line.get(DMARACE_K_ACTOR)), std::move(text)});
    }
    std::ranges::stable_sort(out, {}, &Happened::ts);
    return out;
}

// The verbs of the acts, sorted: what is driven, whoever it is called.
std::vector<job::Verb> verbs_of(const std::vector<job::Actor>& actors) {
    std::vector<job::Verb> out;
    for (const auto& actor : actors)
        for (const auto& step : actor.steps)
            if (step.verb != job::Verb::wait && step.verb != job::Verb::signal)
                out.push_back(step.verb);
    std::ranges::sort(out);
    return out;
}

// The same place, of an actor that does the same.
bool same_hold(const job::Job& job, const job::Rule& rule, const ActSet& set,
               const ParkPlace& place) {
    const auto* parked = named(job.actors, rule.actor);
    return rule.holds() && rule.point == place.park.function &&
           (rule.on == DMARACE_ON_EXIT) == place.park.exit &&
           (parked == nullptr || verbs_of({*parked}) == verbs_of({set.job.actors[place.actor]}));
}

} // namespace

std::vector<std::string> in_words(const ActSet& set, const Schedule& schedule) {
    std::vector<std::string> out;
    const auto add = [&](const std::string& text) {
        out.push_back(std::to_string(out.size() + 1) + ". " + text);
    };
    const auto actor = [&](std::size_t i) -> const job::Actor& {
        return set.job.actors.at(schedule.order.at(i));
    };
    const auto parked = schedule.places.size();
    for (std::size_t i = 0; i < parked; ++i)
        add("'" + actor(i).name + "' (" + act_of(actor(i)) + ") runs until it is " +
            place_words(schedule.places[i]) + ", and is parked there.");
    for (std::size_t i = parked; i < schedule.order.size(); ++i)
        add("'" + actor(i).name + "' (" + act_of(actor(i)) +
            ") runs until it is done, or sleeps on a lock of the one that is parked.");
    for (std::size_t i = 0; i < parked; ++i)
        add("'" + actor(i).name + "' goes on.");
    return out;
}

std::string chart(const ActSet& set, const verdict::Observed& observed) {
    const auto cell = [](std::string text) {
        text = printable(text).substr(0, kWidth - 2);
        text.resize(kWidth, ' ');
        return text;
    };
    std::string out = "       ms  ";
    for (const auto& actor : set.job.actors)
        out += cell(actor.name);
    out += "\n";
    const auto things = all_of(set, observed);
    for (const auto& thing : things) {
        const auto us = (thing.ts - things.front().ts) / 1000;
        auto stamp = std::to_string(us / 1000) + "." + std::to_string(us % 1000 / 100);
        stamp.insert(0, stamp.size() < 9 ? 9 - stamp.size() : 0, ' ');
        out += stamp + "  ";
        if (thing.column == SIZE_MAX) {
            out += "-- " + printable(thing.text);
        } else {
            for (std::size_t i = 0; i < thing.column; ++i)
                out += cell("");
            out += printable(thing.text);
        }
        out += "\n";
    }
    return out;
}

std::string known_as(const ActSet& set, const Schedule& schedule,
                     const std::vector<job::Job>& library) {
    std::string out;
    for (const auto& job : library) {
        const bool parks = std::ranges::all_of(schedule.places, [&](const auto& place) {
            return std::ranges::any_of(
                job.rules, [&](const auto& rule) { return same_hold(job, rule, set, place); });
        });
        if (parks && !schedule.places.empty() && verbs_of(job.actors) == verbs_of(set.job.actors))
            out += (out.empty() ? "" : ", ") + job.name;
    }
    return out;
}

} // namespace dmarace::search
