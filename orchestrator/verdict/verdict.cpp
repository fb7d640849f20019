// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/verdict.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace dmarace::verdict {

namespace {

struct Name {
    Verdict verdict;
    std::string_view text;
};

constexpr std::array<Name, 7> kNames{{{Verdict::pass, "pass"},
                                      {Verdict::fail, "fail"},
                                      {Verdict::crash, "crash"},
                                      {Verdict::hang, "hang"},
                                      {Verdict::inconclusive, "inconclusive"},
                                      {Verdict::skip, "skip"},
                                      {Verdict::error, "error"}}};

} // namespace

std::string_view to_text(Verdict verdict) {
    for (const auto& name : kNames)
        if (name.verdict == verdict)
            return name.text;
    return "error";
}

std::optional<Verdict> verdict_from(std::string_view text) {
    for (const auto& name : kNames)
        if (name.text == text)
            return name.verdict;
    return std::nullopt;
}

namespace {

auto key(const TypeCell& cell) {
    return std::tie(cell.before, cell.asked, cell.bound, cell.result, cell.after, cell.why);
}

} // namespace

void TypeTally::add(const TypeCell& cell) {
    const auto at = std::ranges::lower_bound(
        cells, cell, [](const auto& a, const auto& b) { return key(a) < key(b); });
    if (at != cells.end() && at->same(cell))
        at->count += cell.count;
    else
        cells.insert(at, cell);
}

void TypeTally::add(const TypeTally& other) {
    for (const auto& cell : other.cells)
        add(cell);
    writes += other.writes;
    seconds += other.seconds;
}

std::uint64_t TypeTally::explained() const {
    std::uint64_t sum = 0;
    for (const auto& cell : cells)
        sum += cell.explained() ? cell.count : 0;
    return sum;
}

std::uint64_t TypeTally::unexplained() const {
    std::uint64_t sum = 0;
    for (const auto& cell : cells)
        sum += cell.explained() ? 0 : cell.count;
    return sum;
}

} // namespace dmarace::verdict
