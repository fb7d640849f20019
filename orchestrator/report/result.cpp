// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/tally.hpp"
#include "run/parts.hpp"

#include <algorithm>
#include <array>

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

namespace {

// A '#' would begin a directive.
std::string description(std::string_view text) {
    auto out = printable(text);
    std::ranges::replace(out, '#', '.');
    return out;
}

struct KtapRow {
    Verdict verdict;
    std::string_view result, directive;
};

// An inconclusive iteration showed nothing, so it is no "ok".
constexpr std::array<KtapRow, 7> kRows{{{Verdict::pass, "ok", ""},
                                        {Verdict::fail, "not ok", ""},
                                        {Verdict::crash, "not ok", ""},
                                        {Verdict::hang, "not ok", "TIMEOUT"},
                                        {Verdict::inconclusive, "not ok", "ERROR"},
                                        {Verdict::skip, "ok", "SKIP"},
                                        {Verdict::error, "not ok", "ERROR"}}};

std::string test_line(std::size_t number, const Run& run, const std::string& what, Verdict verdict,
                      const std::string& reason) {
    const auto& row = *std::ranges::find(kRows, verdict, &KtapRow::verdict);
    auto line = std::string(row.result) + " " + std::to_string(number) + " " +
                description(run.head.job) + " " + description(what);
    if (!row.directive.empty()) {
        line += " # " + std::string(row.directive);
        if (verdict != Verdict::skip)
            line += " " + std::string(verdict::to_text(verdict)) + ":";
        line += " " + description(reason);
    }
    return line + "\n";
}

std::string iteration(unsigned number) { return "iteration " + std::to_string(number); }

std::string diagnostics(const verdict::Judgement& judgement) {
    std::string out;
    for (const auto& failure : judgement.failures) {
        out += "# " + std::string(to_text(failure.kind)) + " " + printable(failure.device) +
               (failure.driver.empty() ? "" : " (" + printable(failure.driver) + ")") + ": " +
               printable(failure.detail) + "\n";
        for (const auto& line : failure.evidence)
            out += "#   " + printable(line) + "\n";
    }
    for (const auto& note : judgement.notes)
        out += "# note: " + printable(note) + "\n";
    return out;
}

std::string head_lines(const Run& run) {
    const auto& head = run.head;
    return "# dmarace " + printable(head.tool_version) + ", kernel " + printable(head.kernel) +
           " " + printable(head.arch) + ", board " + printable(head.board) + ", seed " +
           std::to_string(head.seed) + (head.holds ? "" : ", without holds") + "\n";
}

std::string plan_line(const Run& run) {
    const auto open = run.interrupted().has_value() ? std::size_t{1} : std::size_t{0};
    const auto shown = run.ended.size() + open;
    const auto more = run.outside.size() + (run.left.empty() ? 0 : 1);
    if (shown + more == 0 && overall(run) == Verdict::skip)
        return "1..0 # SKIP " + description(why_not_pass(run)) + "\n";
    return "1.." + std::to_string(std::max<std::size_t>(run.head.planned, shown) + more) + "\n";
}

std::string totals(const Run& run) {
    const auto outside = static_cast<unsigned>(std::ranges::count_if(
        run.outside, [](const auto& found) { return is_bad(found.judgement.verdict); }));
    const auto fails = bad_count(run) + outside;
    return "# Totals: pass:" + std::to_string(count(run, Verdict::pass)) +
           " fail:" + std::to_string(fails) +
           " xfail:0 xpass:0 skip:" + std::to_string(count(run, Verdict::skip)) + " error:" +
           std::to_string(count(run, Verdict::error) + count(run, Verdict::inconclusive) +
                          (run.left.empty() ? 0 : 1)) +
           "\n";
}

bool cut_short(const Run& run) {
    using enum run::RunEnding;
    constexpr std::array kShort{error, interrupted, reboot, stopped};
    return !run.end || std::ranges::count(kShort, run.end->how) > 0 ||
           (run.ended.empty() && overall(run) != Verdict::skip);
}

} // namespace

std::string ktap(const Run& run) {
    std::string out = "KTAP version 1\n" + plan_line(run) + head_lines(run);
    std::size_t number = 0;
    for (const auto& end : run.ended) {
        out += diagnostics(end.judgement);
        out += test_line(++number, run, iteration(end.iteration), end.judgement.verdict,
                         end.judgement.reason);
    }
    if (const auto open = run.interrupted())
        out += test_line(++number, run, iteration(*open), Verdict::error, "it did not end");
    number = std::max<std::size_t>(number, run.head.planned);
    for (const auto& [where, judgement] : run.outside)
        out += diagnostics(judgement) +
               test_line(++number, run, where, judgement.verdict, judgement.reason);
    if (!run.left.empty())
        out += test_line(++number, run, "restore", Verdict::error,
                         "not restored; this would: " + joined(run.left, "; "));
    out += totals(run);
    if (cut_short(run)) {
        const auto why = run.end ? run.end->why : why_not_pass(run);
        out += "Bail out! " + printable(why.empty() ? why_not_pass(run) : why) + "\n";
    }
    return out;
}

} // namespace dmarace::report
