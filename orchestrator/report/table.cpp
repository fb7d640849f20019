// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"
#include "report/tally.hpp"

#include <algorithm>

namespace dmarace::report {

namespace {

constexpr std::size_t kLogWidth = 110;

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

std::string rate_cell(const Run* run) {
    if (run == nullptr)
        return "-";
    return std::to_string(bad_count(*run)) + " of " + std::to_string(run->ended.size());
}

std::string shortened(const std::string& text) {
    return text.size() <= kLogWidth ? text : text.substr(0, kLogWidth - 2) + "..";
}

void add_once(std::string& list, const std::string& word) {
    if (word.empty() || (", " + list + ",").find(", " + word + ",") != std::string::npos)
        return;
    list += (list.empty() ? "" : ", ") + word;
}

struct FailureCells {
    std::string devices, kinds, line;
};

// Failures that count; a run without them says why it is no pass.
FailureCells failure_cells(const Run& run) {
    FailureCells cells;
    for (const auto& group : group_failures(run)) {
        if (group.first.allowed)
            continue;
        add_once(cells.devices, group.first.device);
        add_once(cells.kinds, std::string(to_text(group.first.kind)));
        const auto line = telling_line(group.first);
        if (cells.line.empty() || (!cells.line.starts_with('[') && line.starts_with('[')))
            cells.line = line;
    }
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
                     rate_cell(pair.with), rate_cell(pair.without), cells.devices, cells.kinds,
                     shortened(cells.line)});
    }
    return columns.text("");
}

} // namespace dmarace::report
