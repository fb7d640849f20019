// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/armed.hpp"

#include "job/points.hpp"

#include <algorithm>

namespace dmarace::job {

namespace {

constexpr std::string_view kOperation = "ops:";

bool is_also(const Point& point, const std::string& symbol) {
    return std::find(point.also.begin(), point.also.end(), symbol) != point.also.end();
}

void add(std::string& out, const std::string& text) {
    out += (out.empty() ? "" : " and ") + text;
}

} // namespace

std::string armed_at(const Rule& rule, const HasSymbol& has) {
    const auto* point = find_point(rule.point);
    if (!point)
        return has(rule.point.substr(0, rule.point.find('+')))
                   ? rule.point
                   : "absent: this kernel has no function " + rule.point;
    std::string out;
    bool plain = false;
    for (const auto& symbol : point->symbols) {
        const bool also = is_also(*point, symbol);
        if (plain && !also)
            continue;
        const auto colon = symbol.find(':');
        if (point->inside) {
            const auto function = symbol.substr(colon + 1);
            if (!has(function))
                continue;
            add(out, "the read-modify-write inside " + function);
        } else if (symbol.starts_with(kOperation)) {
            add(out, "the " + symbol.substr(kOperation.size()) +
                         " operation of each IOMMU driver that has a device then");
        } else if (colon != std::string::npos) {
            const auto function = symbol.substr(colon + 1);
            add(out, function + (has(function)
                                     ? ""
                                     : " once module " + symbol.substr(0, colon) + " is loaded"));
        } else if (has(symbol)) {
            add(out, symbol);
        } else {
            continue;
        }
        plain = plain || !also;
    }
    if (!out.empty())
        return out;
    std::string all;
    for (const auto& symbol : point->symbols)
        all += (all.empty() ? "" : ", ") + symbol;
    return "absent: this kernel has no " + all;
}

} // namespace dmarace::job
