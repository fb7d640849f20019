// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "catalogue/races.hpp"
#include "report/pictures.hpp"
#include "report/scale.hpp"
#include "report/tally.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dmarace::report {

namespace {

using verdict::LaneKind, verdict::SpanKind;

constexpr std::size_t kWidth = 80, kName = 18, kRoom = kWidth - kName - 2;
constexpr std::size_t kSmallLanes = 10;
constexpr char kLetsGo = '^', kLine = '|', kEvidence = '!', kCut = '/';
struct Letter {
    char letter;
    std::string_view means;
};
// First those of SpanKind, in its order.
constexpr std::array kLetters{Letter{'=', "runs"},
                              Letter{'.', "waits"},
                              Letter{'x', "refused, or never came back"},
                              Letter{'#', "held"},
                              Letter{'~', "delayed"},
                              Letter{'-', "no driver"},
                              Letter{'d', "DMA direct"},
                              Letter{'t', "DMA translated"},
                              Letter{'!', "changed under a driver, or evidence"},
                              Letter{kLetsGo, "lets a held one go"},
                              Letter{kLine, "the kernel said"},
                              Letter{kCut, "a pause cut short"}};

std::string name_of(const std::string& name) {
    auto out = printable(name);
    if (out.size() > kName) // the end of a device's name tells most
        out = ".." + out.substr(out.size() - kName + 2);
    out.resize(kName, ' ');
    return out;
}

std::string ms(std::uint64_t ns) {
    return ns < 10'000'000 ? std::to_string(ns / 1000) + " us"
                           : std::to_string(ns / 1'000'000) + " ms";
}

std::size_t column(const Scale& scale, std::uint64_t ts) {
    return std::min(static_cast<std::size_t>(scale.at(ts)), kRoom - 1);
}

std::string axis(const verdict::Timeline& timeline, const Scale& scale) {
    std::string out(kRoom, ' ');
    for (std::size_t free = 0; const auto tick : scale.ticks(4)) {
        const auto text = ms(tick - timeline.began);
        const auto at = column(scale, tick);
        if (at < free || at + text.size() > kRoom)
            continue;
        out.replace(at, text.size(), text);
        free = at + text.size() + 2;
    }
    return out;
}

std::string row(const verdict::Timeline& timeline, const Scale& scale, std::size_t lane) {
    std::string out(kRoom, ' ');
    for (const auto& span : timeline.spans) {
        if (span.kind == SpanKind::parked && span.by_lane == lane)
            out[column(scale, span.ended)] = kLetsGo;
        if (span.lane != lane)
            continue;
        const auto from = column(scale, span.began), to = column(scale, span.ended);
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(from),
                  out.begin() + static_cast<std::ptrdiff_t>(to) + 1,
                  kLetters.at(static_cast<std::size_t>(span.kind)).letter);
    }
    for (const auto& mark : timeline.marks)
        if (mark.lane == lane && (mark.wrong || timeline.lanes[lane].of == LaneKind::log))
            if (auto& at = out[column(scale, mark.ts)]; at != kEvidence)
                at = mark.wrong ? kEvidence : kLine;
    for (const auto& cut : scale.cuts())
        out[column(scale, (cut.from + cut.to) / 2)] = kCut;
    return out.substr(0, out.find_last_not_of(' ') + 1);
}

// Of the letters that are there.
std::string legend(std::string_view rows) {
    std::string out, line;
    for (const auto& [letter, means] : kLetters) {
        if (rows.find(letter) == std::string_view::npos)
            continue;
        const auto one = std::string(1, letter) + " " + std::string(means);
        if (line.size() + one.size() + 2 > kWidth)
            out += std::exchange(line, "") + "\n";
        line += (line.empty() ? "" : "  ") + one;
    }
    return line.empty() ? out : out + line + "\n";
}

} // namespace

std::string text_timeline(const verdict::Timeline& timeline) {
    const Scale scale(timeline, kRoom);
    const auto head = std::string(kName, ' ') + "  " + axis(timeline, scale);
    std::string out = head.substr(0, head.find_last_not_of(' ') + 1) + "\n", rows;
    const auto shown = std::min(timeline.lanes.size(), kSmallLanes);
    for (std::size_t lane = 0; lane < shown; ++lane) {
        const auto one = row(timeline, scale, lane);
        out += name_of(timeline.lanes[lane].name) + "  " + one + "\n";
        rows += one;
    }
    if (const auto more = timeline.lanes.size() - shown + timeline.more_devices; more > 0)
        out += "and " + std::to_string(more) + " lanes more\n";
    return out + legend(rows);
}

std::vector<std::string> races_told(std::string_view job, const std::string& source) {
    std::vector<std::string> out;
    for (const auto* race : catalogue::races_of(job)) {
        const auto thread = std::string(catalogue::thread_of(*race));
        out.push_back("Race " + std::string(race->id) + ": " + std::string(race->what) + "; " +
                      std::string(race->commits) + "; window " + std::string(race->window) +
                      (thread.empty() ? "" : "; linux-iommu, " + thread) + ".");
    }
    if (!source.empty())
        out.push_back("Source: " + printable(source) + ".");
    return out;
}

std::string story(const Run& run, const SeenIterations& seen) {
    for (const auto& end : run.ended) {
        const auto found = seen.iterations.find(end.iteration);
        if (!is_bad(end.judgement.verdict) || found == seen.iterations.end())
            continue;
        const auto& failures = end.judgement.failures;
        const auto timeline = verdict::timeline(found->second, failures);
        if (timeline.spans.empty())
            continue;
        std::string out = "what happened, in iteration " + std::to_string(end.iteration) + "\n";
        for (const auto& sentence : verdict::told(found->second, failures))
            out += "  " + printable(sentence) + "\n";
        for (const auto& race : races_told(run.head.job, seen.source))
            out += "  " + race + "\n";
        return out + text_timeline(timeline);
    }
    return "";
}

} // namespace dmarace::report
