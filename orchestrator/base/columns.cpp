// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/columns.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dmarace {

namespace {

// Characters, not bytes: the continuation bytes of UTF-8 take no room.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

} // namespace

Columns::Columns(std::vector<std::string> heads) {
    add(std::move(heads));
}

void Columns::add(std::vector<std::string> row) {
    for (auto& cell : row)
        cell = printable(cell);
    rows_.push_back(std::move(row));
}

std::string Columns::text(const std::string& indent) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i)
            widths[i] = std::max(widths[i], width(row[i]));
    std::string out;
    for (const auto& row : rows_) {
        auto line = indent;
        for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
            if (widths[i] > 0)
                line += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

} // namespace dmarace
