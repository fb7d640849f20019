// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/record_json.hpp"

namespace dmarace::report {

namespace {

template <class List>
Json array_of(const List& list) {
    auto json = Json::array();
    for (const auto& entry : list)
        json.push_back(to_json(entry));
    return json;
}

} // namespace

std::string to_journal(const RunHead& head) {
    return one_line({{"t", "run"},
                     {"schema", kSchema},
                     {"tool_version", head.tool_version},
                     {"run_id", head.run_id},
                     {"job", head.job},
                     {"kernel", head.kernel},
                     {"arch", head.arch},
                     {"board", head.board},
                     {"started", head.started},
                     {"seed", head.seed},
                     {"holds", head.holds},
                     {"planned", head.planned},
                     {"params", head.params},
                     {"taint", head.taint}});
}

std::string to_journal(const Before& before) {
    return one_line({{"t", "before"}, {"boot", before.boot}, {"state", before.state}});
}

std::string restored_to_journal(const std::vector<std::string>& left) {
    return one_line({{"t", "restored"}, {"left", left}});
}

std::string to_journal(const IterationBegin& begin) {
    Json json{{"t", "begin"},
              {"iteration", begin.iteration},
              {"at", begin.at},
              {"may_change", begin.may_change}};
    if (!begin.boot.empty())
        json["boot"] = begin.boot;
    return one_line(json);
}

std::string to_journal(const verdict::StepResult& step, unsigned iteration) {
    Json json{{"t", "step"}, {"iteration", iteration}};
    json.update(to_json(step));
    return one_line(json);
}

std::string to_journal(const IterationEnd& end) {
    const auto& judgement = end.judgement;
    Json json{{"t", "verdict"},
              {"iteration", end.iteration},
              {"verdict", verdict::to_text(judgement.verdict)},
              {"reason", judgement.reason},
              {"failures", array_of(judgement.failures)},
              {"rules", array_of(judgement.rules)},
              {"notes", judgement.notes},
              {"lost_events", end.lost_events},
              {"taint", end.taint},
              {"seconds", end.seconds},
              {"types", to_json(judgement.types)}};
    if (!end.boot.empty())
        json["boot"] = end.boot;
    return one_line(json);
}

std::string to_journal(const RunEnd& end) {
    return one_line({{"t", "end"}, {"why", end.why}});
}

} // namespace dmarace::report
