// SPDX-License-Identifier: GPL-2.0-or-later
// This file is how the parts of a journal record look as JSON; docs/results.md
// is their description.
#pragma once

#include "report/run_record.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace dmarace::report {

using Json = nlohmann::ordered_json;

Json to_json(const verdict::Failure& failure);
Json to_json(const verdict::RuleCount& count);
Json to_json(const verdict::StepResult& step);
Json to_json(const verdict::TypeTally& types);

// Throw nlohmann::json::exception when a key has the wrong type; a key that is
// not there leaves the default.
verdict::Failure failure_from(const Json& json);
verdict::RuleCount rule_from(const Json& json);
verdict::TypeTally types_from(const Json& json);

template <class T>
void read(const Json& json, const char* key, T& value) {
    if (const auto found = json.find(key); found != json.end() && !found->is_null())
        value = found->get<T>();
}

// One line, ASCII only: control characters and what is no UTF-8 are escaped.
std::string one_line(const Json& json);

} // namespace dmarace::report
