// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/tally.hpp"
#include "run/parts.hpp"

namespace dmarace::report {

using namespace run;
using verdict::Verdict;

namespace {

Json counts_of(const Run& run) {
    Json json = Json::object();
    for (const auto verdict : kVerdicts)
        json[std::string(verdict::to_text(verdict))] = count(run, verdict);
    return json;
}

Json failures_of(const Run& run) {
    auto json = Json::array();
    for (const auto& end : run.ended)
        for (const auto& failure : end.judgement.failures) {
            Json entry{{"iteration", end.iteration}};
            entry.update(to_json(failure));
            json.push_back(std::move(entry));
        }
    for (const auto& outside : run.outside)
        for (const auto& failure : outside.judgement.failures) {
            Json entry{{"iteration", Json()}, {"where", outside.where}};
            entry.update(to_json(failure));
            json.push_back(std::move(entry));
        }
    return json;
}

// What is written where nobody wrote for a while has no rate.
Json type_writes_of(const types::TypeTally& types) {
    Json json{{"explained", types.explained()},
              {"unexplained", types.unexplained()},
              {"either_way", types.either()},
              {"by_writers", types.writes},
              {"seconds", types.seconds}};
    json["rate"] =
        types.seconds > 0 ? Json(static_cast<double>(types.writes) / types.seconds) : Json();
    return json;
}

Json result_of(const Run& run) {
    const auto interrupted = run.interrupted();
    const auto& head = run.head;
    const auto types = sum_types(run);
    return {{"schema", kSchema},
            {"tool_version", head.tool_version},
            {"job", head.job},
            {"kernel", head.kernel},
            {"arch", head.arch},
            {"board", head.board},
            {"seed", head.seed},
            {"started", head.started},
            {"iterations", run.ended.size()},
            {"verdict", verdict::to_text(overall(run))},
            {"counts", counts_of(run)},
            {"failures", failures_of(run)},
            {"rules", to_json(sum_rules(run))},
            {"lost_events", lost_events(run)},
            {"taint", {{"before", head.taint}, {"after", taint_after(run)}}},
            {"run_id", head.run_id},
            {"holds", head.holds},
            {"planned", head.planned},
            {"reason", why_not_pass(run)},
            {"params", head.params},
            {"types", to_json(types)["cells"]},
            {"type_writes", type_writes_of(types)},
            {"notes", notes_of(run)},
            {"not_restored", run.left},
            {"interrupted", interrupted ? Json(*interrupted) : Json()},
            {"end", run.end ? Json(run.end->why) : Json()}};
}

} // namespace

std::string result_json(const Run& run) {
    return result_of(run).dump(2, ' ', true, Json::error_handler_t::replace);
}

std::string result_line(const Run& run) { return one_line(result_of(run)); }

} // namespace dmarace::report
