// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "kmod/dmarace_abi.h"
#include "report/pictures.hpp"
#include "report/tally.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace dmarace::report {

using verdict::Verdict;

namespace {

// "20 of 20": how many iterations were bad.
std::string failed_in(const Run& run) {
    return std::to_string(bad_count(run)) + " of " + std::to_string(run.ended.size());
}

std::string verdict_line(const Run& run) {
    const auto verdict = overall(run);
    auto line = printable(run.head.job) + ": " + std::string(verdict::to_text(verdict));
    if (bad_count(run) > 0 || !run.head.holds)
        line += ", fail in " + failed_in(run);
    if (!run.head.holds)
        line += ", without holds";
    line += "\n";
    if (const auto why = why_not_pass(run); !why.empty())
        line += "  " + printable(why) + "\n";
    return line;
}

std::string place_line(const Run& run) {
    const auto& head = run.head;
    return "  kernel " + printable(head.kernel) + " " + printable(head.arch) + ", board " +
           printable(head.board) + ", seed " + std::to_string(head.seed) + "\n";
}

std::string counts_line(const Run& run) {
    std::string line = "  iterations " + std::to_string(run.ended.size());
    for (const auto verdict : kVerdicts)
        if (const auto n = count(run, verdict); n > 0)
            line += ", " + std::string(verdict::to_text(verdict)) + " " + std::to_string(n);
    if (const auto lost = lost_events(run); lost > 0)
        line += ", lost events " + std::to_string(lost);
    return line + "\n";
}

void add_failure(std::string& out, const verdict::Failure& failure, const std::string& where) {
    out += "  " + std::string(to_text(failure.kind));
    if (!failure.device.empty())
        out += " " + printable(failure.device);
    if (!failure.driver.empty())
        out += " (" + printable(failure.driver) + ")";
    out += ", in " + printable(where);
    out += failure.allowed ? ", allowed\n" : "\n";
    out += "    " + printable(failure.detail) + "\n";
    for (const auto& line : failure.evidence)
        out += "      " + printable(line) + "\n";
}

std::string failure_lines(const Run& run) {
    std::string out;
    for (const auto& group : group_failures(run))
        add_failure(out, group.first,
                    std::to_string(group.iterations) + " of " + std::to_string(run.ended.size()) +
                        " iterations");
    for (const auto& [where, judgement] : run.outside)
        for (const auto& failure : judgement.failures)
            add_failure(out, failure, where);
    return out.empty() ? "" : "failures\n" + out;
}

std::string left_lines(const Run& run) {
    std::string out;
    for (const auto& command : run.left)
        out += "  " + printable(command) + "\n";
    return out.empty() ? "" : "not restored; this would\n" + out;
}

std::string rule_lines(const Run& run) {
    Columns columns({"rule", "point", "hits", "met", "blocked", "timeout", "unhit", "nmissed", ""});
    const auto rules = sum_rules(run);
    for (const auto& rule : rules)
        columns.add({rule.rule, rule.point, std::to_string(rule.hits), std::to_string(rule.met),
                     std::to_string(rule.blocked), std::to_string(rule.timeout),
                     std::to_string(rule.unhit), std::to_string(rule.nmissed),
                     !rule.armed     ? "not armed"
                     : rule.optional ? "optional"
                                     : ""});
    return rules.empty() ? "" : "rules\n" + columns.text("  ");
}

std::string type_head(const types::TypeTally& types) {
    auto line = "type writes: " + std::to_string(types.explained()) + " explained, " +
                std::to_string(types.unexplained()) + " unexplained";
    if (types.either() > 0)
        line += ", " + std::to_string(types.either()) + " could have gone either way";
    if (types.seconds > 0)
        line += ", " +
                std::to_string(std::lround(static_cast<double>(types.writes) / types.seconds)) +
                "/s by the writers";
    return line + "\n";
}

std::string answer_reason(const types::TypeCell& cell) {
    return cell.why.empty() ? "NOT EXPLAINED" : cell.why;
}

// Runs of an older dmarace know no reason of the read-back.
std::string read_reason(const types::TypeCell& cell) {
    return cell.read_lost ? "NOT EXPLAINED" : cell.reads;
}

// DMA -> identity: how often it went how.
std::string type_table(const types::TypeTally& types, bool explained) {
    Columns columns(
        {"from", "", "to", "bound", "answer", "because", "reads back", "because", "times", ""});
    bool any = false;
    for (const auto& cell : types.cells) {
        if (cell.explained() != explained)
            continue;
        any = true;
        columns.add({cell.before, "->", cell.asked, cell.bound, cell.result, answer_reason(cell),
                     cell.after, read_reason(cell), std::to_string(cell.count),
                     cell.either ? "either way" : ""});
    }
    return any ? columns.text("  ") : "";
}

// The explained ones by their reasons alone.
std::string type_reasons(const types::TypeTally& types) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> reasons;
    for (const auto& cell : types.cells)
        if (cell.explained())
            reasons[{cell.why, cell.reads}] += cell.count;
    Columns columns({"answered because", "reads back because", "times"});
    for (const auto& [reason, count] : reasons)
        columns.add({reason.first, reason.second, std::to_string(count)});
    return reasons.empty() ? "" : columns.text("  ");
}

constexpr std::string_view kTypeLegend =
    "  from: the type that the group had; bound: whether a driver that owns the group was bound;\n"
    "  ? where the others' doings allow several. either way: the opposite answer, and what reads\n"
    "  back, would be explained as well, or the reason is a guess.\n";

// What nothing explains comes first.
std::string type_lines(const Run& run, ShownTypes shown) {
    const auto types = sum_types(run);
    if (types.cells.empty())
        return "";
    const auto explained = shown == ShownTypes::all ? type_table(types, true) : type_reasons(types);
    return type_head(types) + type_table(types, false) + explained +
           (shown == ShownTypes::all ? std::string(kTypeLegend) : "");
}

std::string note_lines(const Run& run) {
    std::string out;
    for (const auto& note : notes_of(run))
        out += "  " + printable(note) + "\n";
    return out.empty() ? "" : "notes\n" + out;
}

} // namespace

std::string beside(const Run& with, const Run& without) {
    return printable(with.head.job) + ": failed in " + failed_in(with) +
           " iterations with holds, in " + failed_in(without) + " without\n";
}

std::string summary(const Run& run, ShownTypes types, const run::SeenIterations& seen) {
    return verdict_line(run) + place_line(run) + counts_line(run) + failure_lines(run) +
           story(run, seen) + rule_lines(run) + type_lines(run, types) + note_lines(run) +
           left_lines(run);
}

namespace {

constexpr std::size_t kLogWidth = 110;
constexpr std::string_view kTableLegend =
    "\niterations, verdict: those that ended with a verdict, and the one over all of them; with "
    "and\n"
    "without holds in one row, those of the run with holds\n"
    "with holds, without: in how many of them it failed, crashed or hung; - where no run was "
    "given\n"
    "device, failure: what failed without being allowed\n"
    "log line: the kernel's own line or the audit that says most, or why it is no pass\n";

bool same_place(const Run& a, const Run& b) {
    return a.head.job == b.head.job && a.head.kernel == b.head.kernel &&
           a.head.board == b.head.board;
}

// A run with holds and its companion without; either may be missing.
struct Pair {
    const Run* with = nullptr;
    const Run* without = nullptr;
    const Run& shown() const { return with != nullptr ? *with : *without; }
};

std::vector<Pair> pairs(const std::vector<Run>& runs) {
    std::vector<Pair> out;
    for (const auto& run : runs) {
        auto pair = std::ranges::find_if(out, [&](const Pair& known) {
            return same_place(known.shown(), run) &&
                   (run.head.holds ? known.with : known.without) == nullptr;
        });
        if (pair == out.end())
            pair = out.insert(out.end(), Pair{});
        (run.head.holds ? pair->with : pair->without) = &run;
    }
    return out;
}

std::string shortened(const std::string& text) {
    return text.size() <= kLogWidth ? text : text.substr(0, kLogWidth - 2) + "..";
}

void add_once(std::string& list, const std::string& word) {
    if (word.empty() || (", " + list + ",").find(", " + word + ",") != std::string::npos)
        return;
    list += (list.empty() ? "" : ", ") + word;
}

// An audit without the words that stand in other columns.
std::string without_known(const std::string& text) {
    auto line = parse_line(text);
    if (!line || line->verb != DMARACE_E_AUDIT)
        return text;
    std::erase_if(line->words, [](const auto& word) {
        return word.first == "seq" || word.first == "ts" || word.first == "dev" ||
               word.first == "driver" || word.first == "managed";
    });
    return dmarace::to_text(*line);
}

// The evidence line that says most: a kernel log line, else the audit at bound,
// else the first.
std::string telling_line(const verdict::Failure& failure) {
    const auto first = [&](auto holds) {
        const auto found = std::ranges::find_if(failure.evidence, holds);
        return found == failure.evidence.end() ? std::string() : *found;
    };
    auto line = first([](const auto& text) { return text.starts_with('['); });
    if (line.empty())
        line = first([](const auto& text) { return text.find(" at=bound ") != text.npos; });
    if (line.empty())
        line = failure.evidence.empty() ? failure.detail : failure.evidence.front();
    return without_known(line);
}

struct FailureCells {
    std::string devices, kinds, line;
};

// Failures that count; a run without them says why it is no pass.
FailureCells failure_cells(const Run& run) {
    FailureCells cells;
    const auto add = [&](const verdict::Failure& failure) {
        if (failure.allowed)
            return;
        add_once(cells.devices, failure.device);
        add_once(cells.kinds, std::string(to_text(failure.kind)));
        const auto line = telling_line(failure);
        if (cells.line.empty() || (!cells.line.starts_with('[') && line.starts_with('[')))
            cells.line = line;
    };
    for (const auto& group : group_failures(run))
        add(group.first);
    for (const auto& outside : run.outside)
        std::ranges::for_each(outside.judgement.failures, add);
    if (cells.kinds.empty())
        cells.line = why_not_pass(run);
    return cells;
}

} // namespace

std::string table(const std::vector<Run>& runs) {
    Columns columns({"kernel", "board", "job", "iterations", "verdict", "with holds", "without",
                     "device", "failure", "log line"});
    for (const auto& pair : pairs(runs)) {
        const auto& run = pair.shown();
        const auto cells = failure_cells(run);
        columns.add({run.head.kernel, run.head.board, run.head.job,
                     std::to_string(run.ended.size()), std::string(verdict::to_text(overall(run))),
                     pair.with ? failed_in(*pair.with) : "-",
                     pair.without ? failed_in(*pair.without) : "-", cells.devices, cells.kinds,
                     shortened(cells.line)});
    }
    return columns.text("") + std::string(kTableLegend);
}

} // namespace dmarace::report
