// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/pictures.hpp"

#include <nlohmann/json.hpp>

namespace dmarace::report {

namespace {

using Json = nlohmann::ordered_json;
using verdict::SpanKind;

// The format's unit is the microsecond, with decimals.
double us(std::uint64_t ns) { return static_cast<double>(ns) / 1000; }

Json event(const char* phase, unsigned process, std::size_t thread, const std::string& name) {
    return {{"ph", phase}, {"pid", process}, {"tid", thread + 1}, {"name", name}};
}

void add_span(Json& out, unsigned process, const verdict::Span& span) {
    auto one = event("X", process, span.lane, span.text);
    one["cat"] = verdict::to_text(span.kind);
    one["ts"] = us(span.began);
    one["dur"] = us(span.ended - span.began);
    one["args"] = {{"lines", span.lines}, {"ended", !span.open}};
    if (span.kind == SpanKind::parked) {
        one["name"] = "held at " + span.place;
        one["args"].update({{"rule", span.rule},
                            {"dev", span.device},
                            {"how", span.how},
                            {"by", span.by},
                            {"held_us", span.held_us}});
    }
    out.push_back(one);
    if (span.kind != SpanKind::parked || span.by_lane == SIZE_MAX)
        return;
    for (const auto* phase : {"s", "f"}) { // the arrow from what let it go
        auto flow = event(phase, process, phase[0] == 's' ? span.by_lane : span.lane, "lets go");
        flow["cat"] = "hold";
        flow["id"] = std::to_string(process) + "." + std::to_string(out.size() / 2);
        flow["ts"] = us(span.ended);
        if (phase[0] == 'f') {
            flow["bp"] = "e";
            flow["id"] = out.back()["id"];
        }
        out.push_back(std::move(flow));
    }
}

void add_iteration(Json& out, unsigned process, const Run& run, const run::IterationEnd& end,
                   const verdict::Observed& observed) {
    const auto timeline = verdict::timeline(observed, end.judgement.failures);
    auto named = event("M", process, 0, "process_name");
    named["args"] = {{"name", run.head.job + ", " + run.head.kernel + ", " + run.head.board +
                                  ", iteration " + std::to_string(end.iteration) + ": " +
                                  std::string(to_text(end.judgement.verdict))}};
    out.push_back(std::move(named));
    for (std::size_t i = 0; i < timeline.lanes.size(); ++i) {
        auto thread = event("M", process, i, "thread_name");
        thread["args"] = {{"name", timeline.lanes[i].name}};
        out.push_back(std::move(thread));
    }
    for (const auto& span : timeline.spans)
        add_span(out, process, span);
    for (const auto& mark : timeline.marks) {
        auto one = event("i", process, mark.lane, mark.text);
        one["cat"] = mark.wrong ? "evidence" : "event";
        one["s"] = "t";
        one["ts"] = us(mark.ts);
        one["args"] = {{"line", mark.line}};
        out.push_back(std::move(one));
    }
}

} // namespace

std::string trace_json(const std::vector<Run>& runs, const std::vector<SeenIterations>& seen) {
    Json events = Json::array();
    unsigned process = 0;
    for (std::size_t i = 0; i < runs.size(); ++i)
        for (const auto& end : runs[i].ended)
            if (const auto found = seen.at(i).iterations.find(end.iteration);
                found != seen[i].iterations.end())
                add_iteration(events, ++process, runs[i], end, found->second);
    const Json out{{"traceEvents", std::move(events)},
                   {"displayTimeUnit", "ms"},
                   {"otherData", {{"clock", "CLOCK_MONOTONIC"}}}};
    return out.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

} // namespace dmarace::report
