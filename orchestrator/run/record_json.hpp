// SPDX-License-Identifier: GPL-2.0-or-later
// How the parts of a journal record look as JSON; docs/results.md is their
// description.
#pragma once

#include "run/record.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace dmarace::run {

using Json = nlohmann::ordered_json;

Json to_json(const verdict::Failure& failure);
Json to_json(const verdict::RuleCount& count);
Json to_json(const verdict::StepResult& step);
Json to_json(const types::TypeTally& types);

// Throw std::exception, saying what is wrong, when a key has the wrong type or a
// number does not fit; a key that is not there leaves the default.
verdict::Failure failure_from(const Json& json);
verdict::RuleCount rule_from(const Json& json);
verdict::StepResult step_from(const Json& json);
types::TypeTally types_from(const Json& json);

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

template <class T>
void read(const Json& json, const char* key, T& value) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null())
        return;
    if constexpr (std::integral<T> && !std::same_as<T, bool>)
        value = whole_number<T>(*found, key);
    else
        value = found->template get<T>();
}

// One line, ASCII only: control characters and what is no UTF-8 are escaped.
std::string one_line(const Json& json);

} // namespace dmarace::run
