// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "board/kernel.hpp"
#include "explore/explore.hpp"

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
    out += std::to_string(explored.tried.size()) + " schedules in " +
           seconds_text(explored.seconds) + ":";
    for (const auto& [end, count] : ends)
        out += " " + std::to_string(count) + " " + end + ",";
    out += " " + std::to_string(explored.pruned) + " pruned, " + std::to_string(explored.left) +
           " left";
    if (explored.proving > 0)
        out += "; proofs took " + seconds_text(explored.proving);
    out += "\n";
    if (!explored.stopped.empty())
        out += "Ended early: " + explored.stopped + "\n";
    if (!explored.boot_again.empty())
        out += "Waits for a boot: " + explored.boot_again + "\n";
    for (const auto& note : explored.notes)
        out += "Note: " + note + "\n";
    for (const auto& failure : explored.quiet)
        out += "Shows with nobody held, so is no finding: " + failure + "\n";
    for (const auto& failure : explored.met)
        out += "Met by luck, all at once with nobody held: " + failure + "\n";
    if (explored.findings.empty())
        out += std::string("\nNo finding") +
               (verdict_of(explored) == verdict::Verdict::inconclusive
                    ? ", but no place was reached either: it says nothing.\n"
                    : ".\n");
    for (const auto& finding : explored.findings) {
        out += "\nFinding " + finding.id + ": " + finding.verdict + ": " +
               joined(finding.failures, ", ") + "\n  schedule " + std::to_string(finding.number) +
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

std::string explore_json(const Explored& explored, const ExploreOptions& options) {
    using Json = nlohmann::ordered_json;
    Json tried = Json::array(), findings = Json::array();
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
                   {"findings", std::move(findings)},
                   {"tried", std::move(tried)}};
    return out.dump(2, ' ', true, Json::error_handler_t::replace);
}

} // namespace dmarace::explore
