// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/points.hpp"

#include "base/text.hpp"
#include "kmod/dmarace_points.h"

#include <array>
#include <span>

namespace dmarace::catalogue {

namespace {

std::vector<Point> read_table() {
    std::vector<Point> out;
    for (const auto& row : std::span(dmarace_point_rows, DMARACE_POINT_ROWS)) {
        Point point{row.name, row.locks, row.facts, row.what, {}, false, false, {}};
        for (const auto& symbol : row.syms)
            if (symbol.name) {
                point.symbols.emplace_back(symbol.name);
                point.inside = point.inside || point.symbols.back().starts_with("rmw:");
                if (symbol.flags & DMARACE_SYM_ALSO)
                    point.also.emplace_back(symbol.name);
                point.knows_device = point.knows_device || symbol.dev >= 0;
            }
        out.push_back(std::move(point));
    }
    return out;
}

} // namespace

const std::vector<Point>& points() {
    static const std::vector<Point> table = read_table();
    return table;
}

std::vector<std::string> point_names() { return texts_of(points(), &Point::name); }

std::string lock_names(unsigned locks) {
    static constexpr std::array<std::string_view, 3> kNames DMARACE_LOCK_NAMES;
    std::string out;
    for (std::size_t bit = 0; bit < kNames.size(); ++bit)
        if ((locks >> bit & 1) != 0)
            out += (out.empty() ? "" : ",") + std::string(kNames[bit]);
    return out.empty() ? "-" : out;
}

const Point* find_point(std::string_view name) { return named(points(), name); }

} // namespace dmarace::catalogue
