// SPDX-License-Identifier: GPL-2.0-or-later
#include "types/record.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace dmarace::types {

namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, kTypeWords> kWords{
    "", "DMA", "DMA-FQ", "identity", "auto", "unmanaged", "blocked", "unknown", "other"};

constexpr std::array<std::string_view, 8> kWhats{"look",   "write",  "unbind", "bind",
                                                 "remove", "rescan", "sriov",  "read"};

auto key(const TypeCell& cell) {
    return std::tie(cell.before, cell.asked, cell.bound, cell.result, cell.after, cell.why);
}

std::uint64_t sum_of(const std::vector<TypeCell>& cells, bool explained) {
    std::uint64_t sum = 0;
    for (const auto& cell : cells)
        sum += cell.explained() == explained ? cell.count : 0;
    return sum;
}

} // namespace

std::string_view to_text(TypeAct::What what) {
    return kWhats.at(static_cast<std::size_t>(what));
}

std::string_view to_text(TypeWord word) {
    return kWords.at(static_cast<std::size_t>(word));
}

TypeWord type_word_from(std::string_view text) {
    for (std::size_t i = 0; i + 1 < kWords.size(); ++i)
        if (kWords[i] == text)
            return static_cast<TypeWord>(i);
    return TypeWord::other;
}

bool may_be_written(TypeWord word) {
    return word >= TypeWord::dma && word <= TypeWord::automatic;
}

void TypeTally::add(const TypeCell& cell) {
    const auto at = std::ranges::lower_bound(
        cells, cell, [](const auto& a, const auto& b) { return key(a) < key(b); });
    if (at != cells.end() && key(*at) == key(cell))
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
    return sum_of(cells, true);
}

std::uint64_t TypeTally::unexplained() const {
    return sum_of(cells, false);
}

} // namespace dmarace::types
