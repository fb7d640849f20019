// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/html.hpp"
#include "report/pictures.hpp"
#include "report/tally.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace dmarace::report {

namespace {

constexpr std::size_t kPictured = 40; // iterations of a run

std::string anchor(std::size_t run, unsigned iteration) {
    return "r" + std::to_string(run) + "i" + std::to_string(iteration);
}

std::string keyed(const std::string& kind, const std::string& text) {
    return "<span class=\"key\">" + html_element("span", "cell " + kind, "") + html_escaped(text) +
           "</span>";
}

// Iterations in their order, each with its verdict.
std::string cells(const Run& run, std::size_t number) {
    std::string out = "<div class=\"cells\">";
    for (const auto& end : run.ended) {
        const auto verdict = std::string(to_text(end.judgement.verdict));
        const auto hover = "iteration " + std::to_string(end.iteration) + ": " + verdict +
                           (end.judgement.reason.empty() ? "" : ": " + end.judgement.reason);
        out += "<a class=\"cell " + verdict + (verdict == "fail" ? "ed" : "") + "\" href=\"#" +
               anchor(number, end.iteration) + "\" title=\"" + html_escaped(printable(hover)) +
               "\"></a>";
    }
    out += "</div>\n<p class=\"dim\">";
    for (const auto verdict : kVerdicts)
        if (const auto many = count(run, verdict); many > 0) {
            const auto text = std::string(to_text(verdict));
            out += keyed(text == "fail" ? "failed" : text, std::to_string(many) + " " + text);
        }
    return out + "</p>\n";
}

std::string kinds(const Run& run) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& group : group_failures(run)) {
        const auto& failure = group.first;
        rows.push_back(
            {html_element("b", failure.allowed ? "dim" : "bad", to_text(failure.kind)),
             html_escaped(printable(failure.device +
                                    (failure.driver.empty() ? "" : " (" + failure.driver + ")"))),
             std::to_string(group.iterations) + " of " + std::to_string(run.ended.size()) +
                 (failure.allowed ? ", allowed" : ""),
             html_element("span", "", printable(failure.detail), joined(failure.evidence, "\n"))});
    }
    return rows.empty() ? "" : html_table({"failure", "device", "iterations", "what"}, rows);
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kLegend{
    {{"step", "runs"},
     {"wait", "waits, or no driver is bound"},
     {"parked", "held"},
     {"failed", "refused, or did not end"},
     {"direct", "DMA direct"},
     {"translated", "DMA translated"},
     {"underfoot", "changed under a driver, or a line that proves a failure"}}};

std::string legend() {
    std::string out = "<p class=\"dim\">";
    for (const auto& [kind, text] : kLegend)
        out += keyed("k-" + std::string(kind), std::string(text));
    return out + "</p>\n";
}

std::vector<std::string> actors_of(const verdict::Timeline& timeline) {
    std::vector<std::string> out;
    for (const auto& lane : timeline.lanes)
        if (lane.of == verdict::LaneKind::actor)
            out.push_back(lane.name);
    return out;
}

std::string evidence(const verdict::Judgement& judgement) {
    std::string out;
    for (const auto& failure : judgement.failures)
        out += html_element("p", failure.allowed ? "dim" : "bad",
                            std::string(to_text(failure.kind)) + " " +
                                printable(failure.device + ": " + failure.detail)) +
               html_element("pre", "", joined(texts_of(failure.evidence, printable), "\n")) + "\n";
    return out.empty() ? "" : "<details><summary>what proves it</summary>" + out + "</details>\n";
}

std::string told_html(const run::IterationEnd& end, const verdict::Observed& observed) {
    const auto& failures = end.judgement.failures;
    std::string out = "<ol>";
    for (const auto& sentence : verdict::told(observed, failures))
        out += html_element("li", "", printable(sentence));
    out += "</ol>\n";
    const auto timeline = verdict::timeline(observed, failures);
    out += html_timeline(timeline) + legend();
    std::set<std::string> proving;
    for (const auto& failure : failures)
        proving.insert(failure.evidence.begin(), failure.evidence.end());
    return out + "<details><summary>in order, line by line</summary>" +
           html_lanes(actors_of(timeline), verdict::happened(observed, proving), proving) +
           "</details>\n";
}

std::string stories(const Run& run, const SeenIterations& seen, std::size_t number) {
    std::string out;
    std::size_t pictured = 0, more = 0;
    const bool none_bad = bad_count(run) == 0; // then the first shows what was done
    for (const auto& end : run.ended) {
        if (none_bad ? &end != &run.ended.front() : !is_bad(end.judgement.verdict))
            continue;
        if (pictured == kPictured) {
            ++more;
            continue;
        }
        const auto found = seen.iterations.find(end.iteration);
        out += "<details class=\"card\" id=\"" + anchor(number, end.iteration) + "\"" +
               (pictured++ == 0 ? " open" : "") + "><summary>" +
               html_escaped("iteration " + std::to_string(end.iteration) + ": " +
                            printable(end.judgement.reason)) +
               "</summary>\n" +
               (found == seen.iterations.end()
                    ? html_element("p", "dim", "Nobody observed it to its end.")
                    : told_html(end, found->second)) +
               evidence(end.judgement) + "</details>\n";
    }
    if (more > 0)
        out += html_element("p", "dim", "and " + std::to_string(more) + " iterations more");
    return out;
}

// From a type to a type: the more writes the fuller, framed where nothing explains an answer.
std::string heat(const types::TypeTally& types) {
    struct Cell {
        std::uint64_t count = 0;
        bool wrong = false;
        std::string answers;
    };
    std::map<std::string, std::map<std::string, Cell>> cells;
    std::set<std::string> asked;
    std::uint64_t most = 1;
    for (const auto& one : types.cells) {
        auto& cell = cells[one.before][one.asked];
        asked.insert(one.asked);
        cell.count += one.count;
        cell.wrong |= !one.explained();
        cell.answers += std::to_string(one.count) + " " + one.result + ", bound " + one.bound +
                        ", reads " + one.after + ": " +
                        (one.explained() ? one.why : "NOT EXPLAINED") + "\n";
        most = std::max(most, cell.count);
    }
    if (cells.empty())
        return "";
    std::string out = "<h3>Type writes, from (down) to (across)</h3><div class=\"wide\"><table "
                      "class=\"heat\"><tr><th></th>";
    for (const auto& to : asked)
        out += html_element("th", "", to);
    for (const auto& [from, row] : cells) {
        out += "</tr>\n<tr>" + html_element("th", "", from);
        for (const auto& to : asked) {
            const auto found = row.find(to);
            if (found == row.end()) {
                out += "<td></td>";
                continue;
            }
            const auto& cell = found->second;
            const auto full = std::lround(8 + 62 * std::log1p(static_cast<double>(cell.count)) /
                                                  std::log1p(static_cast<double>(most)));
            out += "<td" + std::string(cell.wrong ? " class=\"wrong\"" : "") +
                   " style=\"background:color-mix(in srgb,var(--run) " + std::to_string(full) +
                   "%,transparent)\" title=\"" + html_escaped(cell.answers) + "\">" +
                   std::to_string(cell.count) + "</td>";
        }
    }
    return out + "</tr></table></div>\n" +
           html_element("p", "dim",
                        std::to_string(types.explained()) + " explained, " +
                            std::to_string(types.unexplained()) +
                            " not (framed). From ?: several types were possible");
}

std::string run_html(const Run& run, const SeenIterations& seen, std::size_t number) {
    const auto verdict = overall(run);
    const auto& head = run.head;
    auto out =
        "<h2>" +
        html_element("span", verdict == verdict::Verdict::pass ? "good" : "bad", to_text(verdict)) +
        " " + html_escaped(printable(head.job)) + "</h2>\n" +
        html_element("p", "dim",
                     printable("kernel " + head.kernel + " " + head.arch + ", board " + head.board +
                               ", seed " + std::to_string(head.seed) + ", " + head.started +
                               (head.holds ? "" : ", without holds")));
    if (const auto why = why_not_pass(run); !why.empty())
        out += html_element("p", "", printable(why));
    out += cells(run, number);
    for (const auto& race : races_told(head.job, seen.source))
        out += html_element("p", "", race);
    out += kinds(run) + heat(sum_types(run)) + stories(run, seen, number);
    for (const auto& note : notes_of(run))
        out += html_element("p", "dim", "Note: " + printable(note));
    return out;
}

} // namespace

std::string runs_html(const std::vector<Run>& runs, const std::vector<SeenIterations>& seen) {
    std::string title = "dmarace", out;
    for (std::size_t i = 0; i < runs.size(); ++i)
        out += run_html(runs[i], seen.at(i), i);
    if (runs.size() == 1)
        title += ": " + runs.front().head.job;
    return html_page(title, html_element("h1", "", title) + out);
}

} // namespace dmarace::report
