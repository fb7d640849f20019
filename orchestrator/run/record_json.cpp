// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/record_json.hpp"

namespace dmarace::run {

Json to_json(const verdict::Failure& failure) {
    return {{"kind", to_text(failure.kind)}, {"device", failure.device},
            {"driver", failure.driver},      {"detail", failure.detail},
            {"evidence", failure.evidence},  {"allowed", failure.allowed}};
}

verdict::Failure failure_from(const Json& json) {
    verdict::Failure failure;
    const auto kind = json.value("kind", "");
    const auto known = catalogue::failure_kind_from(kind);
    if (!known)
        throw std::invalid_argument("'" + kind + "' is no kind of failure");
    failure.kind = *known;
    read(json, "device", failure.device);
    read(json, "driver", failure.driver);
    read(json, "detail", failure.detail);
    read(json, "evidence", failure.evidence);
    read(json, "allowed", failure.allowed);
    return failure;
}

Json to_json(const verdict::RuleCount& count) {
    return {{"rule", count.rule},         {"point", count.point},       {"armed", count.armed},
            {"optional", count.optional}, {"holds", count.holds},       {"hits", count.hits},
            {"met", count.met},           {"blocked", count.blocked},   {"timeout", count.timeout},
            {"unhit", count.unhit},       {"released", count.released}, {"atomic", count.atomic},
            {"nmissed", count.nmissed}};
}

verdict::RuleCount rule_from(const Json& json) {
    verdict::RuleCount count;
    read(json, "rule", count.rule);
    read(json, "point", count.point);
    read(json, "armed", count.armed);
    read(json, "optional", count.optional);
    read(json, "holds", count.holds);
    read(json, "hits", count.hits);
    read(json, "met", count.met);
    read(json, "blocked", count.blocked);
    read(json, "timeout", count.timeout);
    read(json, "unhit", count.unhit);
    read(json, "released", count.released);
    read(json, "atomic", count.atomic);
    read(json, "nmissed", count.nmissed);
    return count;
}

Json to_json(const verdict::StepResult& step) {
    Json json{{"actor", step.actor},   {"index", step.index},   {"verb", to_text(step.verb)},
              {"text", step.text},     {"device", step.device}, {"errno", step.os_error},
              {"detail", step.detail}, {"began", step.began},   {"ended", step.ended}};
    if (!step.type)
        return json;
    const auto& act = step.type->act;
    json["group"] = step.type->group;
    json["type_before"] = to_text(act.before);
    json["type_asked"] = step.type->word;
    json["type_after"] = to_text(act.after);
    json["group_devices"] = step.type->devices;
    json["group_bound"] =
        act.bound == types::BoundSeen::unknown ? Json() : Json(act.bound == types::BoundSeen::yes);
    return json;
}

verdict::StepResult step_from(const Json& json) {
    verdict::StepResult step;
    const auto verb = json.value("verb", "");
    const auto known = catalogue::verb_from(verb);
    if (!known)
        throw std::invalid_argument("'" + verb + "' is no verb");
    step.verb = *known;
    read(json, "actor", step.actor);
    read(json, "index", step.index);
    read(json, "text", step.text);
    read(json, "device", step.device);
    read(json, "errno", step.os_error);
    read(json, "detail", step.detail);
    read(json, "began", step.began);
    read(json, "ended", step.ended);
    if (!json.contains("type_asked"))
        return step;
    types::TypeStep type;
    std::string before, after;
    read(json, "group", type.group);
    read(json, "type_before", before);
    read(json, "type_asked", type.word);
    read(json, "type_after", after);
    read(json, "group_devices", type.devices);
    type.act.what = types::TypeAct::What::write;
    type.act.asked = types::type_word_from(type.word);
    type.act.before = types::type_word_from(before);
    type.act.after = types::type_word_from(after);
    if (const auto bound = json.find("group_bound"); bound != json.end() && bound->is_boolean())
        type.act.bound = bound->get<bool>() ? types::BoundSeen::yes : types::BoundSeen::no;
    step.type = std::move(type);
    return step;
}

Json to_json(const types::TypeTally& types) {
    auto cells = Json::array();
    for (const auto& cell : types.cells)
        cells.push_back({{"before", cell.before},
                         {"asked", cell.asked},
                         {"bound", cell.bound},
                         {"result", cell.result},
                         {"after", cell.after},
                         {"count", cell.count},
                         {"explained", cell.explained()},
                         {"why", cell.why}});
    return {{"cells", cells}, {"writes", types.writes}, {"seconds", types.seconds}};
}

types::TypeTally types_from(const Json& json) {
    types::TypeTally types;
    for (const auto& entry : json.value("cells", Json::array())) {
        types::TypeCell cell;
        read(entry, "before", cell.before);
        read(entry, "asked", cell.asked);
        read(entry, "bound", cell.bound);
        read(entry, "result", cell.result);
        read(entry, "after", cell.after);
        read(entry, "why", cell.why);
        read(entry, "count", cell.count);
        types.add(cell);
    }
    read(json, "writes", types.writes);
    read(json, "seconds", types.seconds);
    return types;
}

std::string one_line(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

} // namespace dmarace::run
