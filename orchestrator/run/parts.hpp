// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of a run's records, key by key, as docs/results.md describes them: a part is
// written and read through one list of its keys. As JSON here, as lines in recording.cpp.
#pragma once

#include "run/record.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace dmarace::run {

using Json = nlohmann::ordered_json;

template <class T, class Part>
concept Is = std::same_as<std::remove_const_t<T>, Part>;

void each_key(Is<job::Allow> auto& allow, auto&& each) {
    each("kind", allow.kind);
    each("device", allow.device);
    each("text", allow.text);
    each("reason", allow.reason);
}

void each_key(Is<verdict::Failure> auto& failure, auto&& each) {
    each("kind", failure.kind);
    each("device", failure.device);
    each("driver", failure.driver);
    each("detail", failure.detail);
    each("evidence", failure.evidence);
    each("allowed", failure.allowed);
}

void each_key(Is<verdict::RuleCount> auto& count, auto&& each) {
    each("rule", count.rule);
    each("point", count.point);
    each("armed", count.armed);
    each("optional", count.optional);
    each("holds", count.holds);
    each("hits", count.hits);
    each("met", count.met);
    each("blocked", count.blocked);
    each("timeout", count.timeout);
    each("unhit", count.unhit);
    each("released", count.released);
    each("atomic", count.atomic);
    each("nmissed", count.nmissed);
}

// Without what it wrote to a type, which each_key(step.type) has.
void each_key(Is<verdict::StepResult> auto& step, auto&& each) {
    each("actor", step.actor);
    each("index", step.index);
    each("verb", step.verb);
    each("text", step.text);
    each("device", step.device);
    each("errno", step.os_error);
    each("detail", step.detail);
    each("began", step.began);
    each("ended", step.ended);
}

void each_key(Is<types::TypeStep> auto& type, auto&& each) {
    each("group", type.group);
    each("type_before", type.act.before);
    each("type_asked", type.word);
    each("type_after", type.act.after);
    each("group_devices", type.devices);
    each("group_bound", type.act.bound);
    each("write_began", type.act.began);
    each("write_ended", type.act.ended);
    each("read_ended", type.act.read);
}

void each_key(Is<types::TypeCell> auto& cell, auto&& each) {
    each("before", cell.before);
    each("asked", cell.asked);
    each("bound", cell.bound);
    each("result", cell.result);
    each("after", cell.after);
    each("count", cell.count);
    if constexpr (std::is_const_v<std::remove_reference_t<decltype(cell)>>)
        each("explained", cell.explained());
    each("why", cell.why);
    each("reads", cell.reads);
    each("read_unexplained", cell.read_lost);
    each("either_way", cell.either);
}

void each_key(Is<types::TypeTally> auto& tally, auto&& each) {
    each("cells", tally.cells);
    each("writes", tally.writes);
    each("seconds", tally.seconds);
}

template <class Part>
concept HasKeys = requires(Part& part) {
    each_key(part, [](const char*, const auto&) {});
};

// Sets the value that a word names; what the word is not, or null.
const char* set_word(catalogue::Verb& value, std::string_view word);
const char* set_word(catalogue::FailureKind& value, std::string_view word);
const char* set_word(verdict::Verdict& value, std::string_view word);
const char* set_word(types::TypeWord& value, std::string_view word);
const char* set_word(types::TypeAct::What& value, std::string_view word);
// The act of a type step follows from what was read of it.
void complete(types::TypeStep& type);

template <class T>
Json to_json(const T& value);
template <class T>
Json to_json(const std::vector<T>& list);
Json to_json(const verdict::StepResult& step);

template <class Part>
void write_keys(Json& json, const Part& part) {
    each_key(part, [&](const char* key, const auto& value) { json[key] = to_json(value); });
}

template <class T>
Json to_json(const std::vector<T>& list) {
    auto json = Json::array();
    for (const auto& entry : list)
        json.push_back(to_json(entry));
    return json;
}

template <class T>
Json to_json(const T& value) {
    Json json;
    if constexpr (std::same_as<T, types::BoundSeen>)
        json = value == T::unknown ? Json() : Json(value == T::yes);
    else if constexpr (std::is_enum_v<T>)
        json = to_text(value);
    else if constexpr (HasKeys<const T>)
        write_keys(json, value);
    else
        json = value;
    return json;
}

// Reading throws std::exception, saying what is wrong, when a key has the wrong type or a
// number does not fit; a key that is not there leaves the default.

// The library would cast whatever number it finds.
template <std::integral T>
T whole_number(const Json& json, const char* key) {
    if (json.is_number_unsigned() && std::in_range<T>(json.get<std::uint64_t>()))
        return static_cast<T>(json.get<std::uint64_t>());
    if (json.is_number_integer() && !json.is_number_unsigned() &&
        std::in_range<T>(json.get<std::int64_t>()))
        return static_cast<T>(json.get<std::int64_t>());
    throw std::out_of_range("'" + std::string(key) + "' is no whole number that fits");
}

template <class Part>
void read_keys(const Json& json, Part& part);

template <class Part>
requires HasKeys<Part>
void read_list(const Json& json, std::vector<Part>& list) {
    for (const auto& entry : json)
        read_keys(entry, list.emplace_back());
}

// Cells of one kind are one.
void read_list(const Json& json, std::vector<types::TypeCell>& cells);

template <class T>
void read(const Json& json, const char* key, T& value) {
    if constexpr (std::is_enum_v<T> && !std::same_as<T, types::BoundSeen>) {
        const auto word = json.value(key, "");
        if (const char* what = set_word(value, word))
            throw std::invalid_argument("'" + word + "' is no " + what);
        return;
    }
    const auto found = json.find(key);
    if (found == json.end() || found->is_null())
        return;
    if constexpr (std::same_as<T, types::BoundSeen>) {
        if (found->is_boolean())
            value = found->template get<bool>() ? T::yes : T::no;
    } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
        value = whole_number<T>(*found, key);
    } else if constexpr (HasKeys<T>) {
        if (found->is_object())
            read_keys(*found, value);
    } else if constexpr (requires { read_list(*found, value); }) {
        read_list(*found, value);
    } else if constexpr (!std::is_enum_v<T>) {
        value = found->template get<T>();
    }
}

template <class Part>
void read_keys(const Json& json, Part& part) {
    each_key(part, [&](const char* key, auto& value) { read(json, key, value); });
}

// One line, ASCII only: control characters and what is no UTF-8 are escaped.
std::string one_line(const Json& json);

} // namespace dmarace::run
