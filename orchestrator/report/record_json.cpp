// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/record_json.hpp"

namespace dmarace::report {

Json to_json(const verdict::Failure& failure) {
    return {{"kind", failure.kind},         {"device", failure.device},
            {"driver", failure.driver},     {"detail", failure.detail},
            {"evidence", failure.evidence}, {"allowed", failure.allowed}};
}

verdict::Failure failure_from(const Json& json) {
    verdict::Failure failure;
    read(json, "kind", failure.kind);
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
    Json json{{"actor", step.actor},   {"index", step.index},   {"verb", step.verb},
              {"text", step.text},     {"device", step.device}, {"errno", step.os_error},
              {"detail", step.detail}, {"began", step.began},   {"ended", step.ended}};
    if (step.type_asked.empty())
        return json;
    json["group"] = step.group ? Json(*step.group) : Json();
    json["type_before"] = step.type_before;
    json["type_asked"] = step.type_asked;
    json["type_after"] = step.type_after;
    json["group_devices"] = step.group_devices;
    json["group_bound"] = step.group_bound ? Json(*step.group_bound) : Json();
    return json;
}

verdict::StepResult step_from(const Json& json) {
    verdict::StepResult step;
    read(json, "actor", step.actor);
    read(json, "index", step.index);
    read(json, "verb", step.verb);
    read(json, "text", step.text);
    read(json, "device", step.device);
    read(json, "errno", step.os_error);
    read(json, "detail", step.detail);
    read(json, "began", step.began);
    read(json, "ended", step.ended);
    if (const auto group = json.find("group"); group != json.end() && !group->is_null())
        step.group = group->get<std::int64_t>();
    read(json, "type_before", step.type_before);
    read(json, "type_asked", step.type_asked);
    read(json, "type_after", step.type_after);
    read(json, "group_devices", step.group_devices);
    if (const auto bound = json.find("group_bound"); bound != json.end() && !bound->is_null())
        step.group_bound = bound->get<bool>();
    return step;
}

std::string one_line(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

} // namespace dmarace::report
