// SPDX-License-Identifier: GPL-2.0-or-later
#include "search/story.hpp"

#include "kmod/dmarace_abi.h"
#include "verdict/happened.hpp"

#include <algorithm>

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
    const auto& [function, exit] = std::tie(place.park.function, place.park.exit);
    return (function.contains('+') ? "at " + function
            : exit                 ? "at the end of " + function + "()"
                                   : "at the beginning of " + function + "()") +
           (place.park.device.empty() ? "" : " for " + place.park.device);
}

std::size_t column_of(const ActSet& set, const std::string& actor) {
    for (std::size_t i = 0; i < set.job.actors.size(); ++i)
        if (set.job.actors[i].name == actor)
            return i;
    return SIZE_MAX;
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
    const auto things = verdict::happened(observed);
    for (const auto& thing : things) {
        const auto us = (thing.ts - things.front().ts) / 1000;
        auto stamp = std::to_string(us / 1000) + "." + std::to_string(us % 1000 / 100);
        stamp.insert(0, stamp.size() < 9 ? 9 - stamp.size() : 0, ' ');
        out += stamp + "  ";
        const auto column = column_of(set, thing.actor);
        for (std::size_t i = 0; i < column && column != SIZE_MAX; ++i)
            out += cell("");
        out += (column == SIZE_MAX ? "-- " : "") + printable(thing.text) + "\n";
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
