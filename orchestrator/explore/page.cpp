// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "explore/explore.hpp"
#include "explore/runs.hpp"
#include "report/html.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <map>

namespace dmarace::explore {

namespace {

std::string proof_text(const Finding& finding) {
    if (!finding.proof)
        return "not proved";
    const auto& proof = *finding.proof;
    return "fails " + std::to_string(proof.whole) + " of " + std::to_string(proof.of) +
           " with the hold, " + std::to_string(proof.without) + " of " +
           std::to_string(proof.without_of) + " without" +
           (proof.note.empty() ? "" : "; " + proof.note);
}

std::string seconds_text(double seconds) {
    auto tenths = static_cast<long>(seconds * 10);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::string heading(const Finding& finding) {
    return "Finding " + finding.id + ": " + finding.verdict + ": " + told(finding);
}

// What is said of the whole before any finding.
std::vector<std::string> asides(const Explored& explored, const ExploreOptions& options) {
    std::vector<std::string> out;
    if (!options.control.empty())
        out.push_back(control_text(options));
    if (!options.candidates.empty())
        out.push_back(std::to_string(options.candidates.size()) + " places predicted, " +
                      std::to_string(std::ranges::count_if(options.candidates, search::leads)) +
                      " of the two leading ranks");
    if (!explored.stopped.empty())
        out.push_back("Ended early: " + explored.stopped);
    if (!explored.boot_again.empty())
        out.push_back("Waits for a boot: " + explored.boot_again);
    for (const auto& note : explored.notes)
        out.push_back("Note: " + note);
    for (const auto& failure : explored.quiet)
        out.push_back("Shows with nobody held, so is no finding: " + failure);
    for (const auto& failure : explored.met)
        out.push_back("Met by luck, all at once with nobody held: " + failure);
    return out;
}

std::string no_finding(const Explored& explored) {
    return std::string("No finding") + (verdict_of(explored) == verdict::Verdict::inconclusive
                                            ? ", but no place was reached either: it says nothing."
                                            : ".");
}

std::string counted(std::size_t count, const std::string& thing) {
    return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

bool is_bad(const TriedSchedule& tried) {
    return tried.end == search::to_text(search::ScheduleEnd::failed);
}

// Schedules as cells, in their order, and what their colours mean.
std::string cells(const Explored& explored) {
    using report::html_element;
    const auto kind = [](std::string end) { return "cell " + end; };
    std::map<std::string, unsigned> ends;
    std::string out = "<div class=\"cells\">";
    for (const auto& tried : explored.tried) {
        ++ends[tried.end];
        out += html_element("span", kind(tried.end), "",
                            tried.run + " " + tried.end + ": " + tried.what +
                                (tried.why.empty() ? "" : ": " + tried.why));
    }
    out += "</div>\n<p class=\"dim\">";
    for (const auto& [end, count] : ends)
        out += "<span class=\"key\">" + html_element("span", kind(end), "") +
               std::to_string(count) + " " + end + "</span>";
    return out + "</p>\n";
}

} // namespace

verdict::Verdict verdict_of(const Explored& explored) {
    using verdict::Verdict;
    if (!explored.findings.empty() || !explored.met.empty())
        return Verdict::fail;
    const bool any = std::ranges::any_of(explored.tried, [](const auto& tried) {
        return tried.end == search::to_text(search::ScheduleEnd::quiet) ||
               tried.end == search::to_text(search::ScheduleEnd::blocked);
    });
    return any ? Verdict::pass : Verdict::inconclusive;
}

std::string explore_page(const Explored& explored, const ExploreOptions& options) {
    std::map<std::string, unsigned> ends;
    for (const auto& tried : explored.tried)
        ++ends[tried.end];
    std::string out = "dmarace " + options.command + "\n\n";
    out +=
        counted(explored.tried.size(), "schedule") + " in " + seconds_text(explored.seconds) + ":";
    for (const auto& [end, count] : ends)
        out += " " + std::to_string(count) + " " + end + ",";
    out += " " + std::to_string(explored.pruned) + " pruned, " + std::to_string(explored.left) +
           " left";
    if (explored.proving > 0)
        out += "; proofs took " + seconds_text(explored.proving);
    out += "\n";
    for (const auto& line : asides(explored, options))
        out += line + "\n";
    if (explored.findings.empty())
        out += "\n" + no_finding(explored) + "\n";
    for (const auto& finding : explored.findings) {
        out += "\n" + heading(finding) + "\n  schedule " + std::to_string(finding.number) +
               ", after " + seconds_text(finding.seconds) + ": " + finding.what + "\n  " +
               proof_text(finding) + "\n";
        if (!finding.known.empty())
            out += "  known: as job " + finding.known + "\n";
        if (!finding.also.empty())
            out += "  " + std::to_string(finding.also.size()) +
                   " more schedules show the same, the same actor parked elsewhere\n";
        out += "  " + (options.out / "findings" / finding.id / "story.txt").string() + "\n";
    }
    Columns table({"run", "end", "schedule", "why"});
    for (const auto& tried : explored.tried)
        table.add({tried.run, tried.end, tried.what, tried.why.substr(0, 90)});
    return out + (explored.tried.empty() ? "" : "\n" + table.text(""));
}

std::string explore_html(const Explored& explored, const ExploreOptions& options) {
    using report::html_element;
    const auto title = "dmarace " + options.command;
    std::string out =
        html_element("h1", "", title) +
        html_element("p", "dim", board::kernel_release() + ", board " + options.board);
    out += "<p>" +
           html_element("b", explored.findings.empty() ? "good" : "bad",
                        counted(explored.findings.size(), "finding")) +
           " in " + counted(explored.tried.size(), "schedule") + " and " +
           seconds_text(explored.seconds) + "; " + std::to_string(explored.left) + " left, " +
           std::to_string(explored.pruned) + " pruned</p>\n" + cells(explored);
    for (const auto& line : asides(explored, options))
        out += html_element("p", "dim", line);
    if (explored.findings.empty())
        out += html_element("p", "", no_finding(explored));
    for (const auto& finding : explored.findings)
        out +=
            "<h2>" + report::html_escaped(heading(finding)) + "</h2>\n<p>" +
            html_element("span", "tag", "schedule " + std::to_string(finding.number)) +
            html_element("span", "tag", proof_text(finding)) +
            (finding.known.empty() ? "" : html_element("span", "tag", "as job " + finding.known)) +
            "</p>\n" + finding.html;
    std::vector<std::vector<std::string>> rows;
    for (const auto& tried : explored.tried)
        rows.push_back({tried.run, html_element("span", is_bad(tried) ? "bad" : "", tried.end),
                        report::html_escaped(tried.what), report::html_escaped(tried.why)});
    out += "<h2>Schedules</h2>\n" + report::html_table({"run", "end", "schedule", "why"}, rows);
    return report::html_page(title, out);
}

std::string explore_json(const Explored& explored, const ExploreOptions& options) {
    using Json = nlohmann::ordered_json;
    Json tried = Json::array(), findings = Json::array(), predicted = Json::array();
    for (const auto& one : options.candidates)
        predicted.push_back({{"kind", search::to_text(one.kind)},
                             {"rank", one.rank},
                             {"known", one.known},
                             {"where", search::shown(one)}});
    for (const auto& one : explored.tried)
        tried.push_back({{"run", one.run},
                         {"schedule", one.what},
                         {"end", one.end},
                         {"why", one.why},
                         {"seconds", one.seconds}});
    for (const auto& finding : explored.findings) {
        Json json{{"id", finding.id},
                  {"run", finding.run},
                  {"verdict", finding.verdict},
                  {"failures", finding.failures},
                  {"reported_at", finding.where},
                  {"schedule", finding.what},
                  {"holds", finding.schedule.places.size()},
                  {"schedules", finding.number},
                  {"seconds", finding.seconds},
                  {"known", finding.known},
                  {"also", finding.also}};
        if (finding.proof)
            json["proof"] = {{"failed", finding.proof->whole},
                             {"of", finding.proof->of},
                             {"failed_without", finding.proof->without},
                             {"of_without", finding.proof->without_of},
                             {"note", finding.proof->note}};
        findings.push_back(std::move(json));
    }
    const Json out{{"schema", 1},
                   {"command", options.command},
                   {"verdict", verdict::to_text(verdict_of(explored))},
                   {"control", options.control},
                   {"board", options.board},
                   {"kernel", board::kernel_release()},
                   {"seed", options.seed},
                   {"seconds", explored.seconds},
                   {"proving", explored.proving},
                   {"proves", explored.proves},
                   {"written", std::time(nullptr)},
                   {"left", explored.left},
                   {"pruned", explored.pruned},
                   {"stopped", explored.stopped},
                   {"boot_again", explored.boot_again},
                   {"quiet", explored.quiet},
                   {"met", explored.met},
                   {"notes", explored.notes},
                   {"predicted", std::move(predicted)},
                   {"findings", std::move(findings)},
                   {"tried", std::move(tried)}};
    return out.dump(2, ' ', true, Json::error_handler_t::replace);
}

} // namespace dmarace::explore
