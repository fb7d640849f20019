// SPDX-License-Identifier: GPL-2.0-or-later
// The point table keeps its own rules.
#include "kmod/dmarace_points.h"

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>

namespace {

const std::span rows(dmarace_point_rows, DMARACE_POINT_ROWS);

TEST(KmodPoints, NamesAreUniqueAndFit) {
    std::set<std::string> names;
    for (const auto& row : rows) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_LT(std::string(row.name).size(), std::size_t{DMARACE_NAME_MAX});
        EXPECT_NE(std::string(row.what), "") << row.name;
    }
}

TEST(KmodPoints, SymbolsFitAndArgumentsAreRegisters) {
    for (const auto& row : rows) {
        ASSERT_NE(row.syms[0].name, nullptr) << row.name;
        for (const auto& symbol : row.syms) {
            if (symbol.name == nullptr)
                continue;
            EXPECT_LT(std::string(symbol.name).size(), std::size_t{DMARACE_NAME_MAX});
            EXPECT_GE(symbol.dev, -1) << symbol.name;
            EXPECT_LE(symbol.dev, 7) << symbol.name;
            EXPECT_GE(symbol.group, -1) << symbol.name;
            EXPECT_LE(symbol.group, 7) << symbol.name;
        }
    }
}

// One probe serves a symbol: two rows that name it must agree on it.
TEST(KmodPoints, RowsAgreeOnSharedSymbols) {
    for (const auto& a : rows)
        for (const auto& b : rows)
            for (const auto& x : a.syms)
                for (const auto& y : b.syms) {
                    if (x.name == nullptr || y.name == nullptr || std::string(x.name) != y.name)
                        continue;
                    EXPECT_EQ(x.dev, y.dev) << x.name;
                    EXPECT_EQ(x.group, y.group) << x.name;
                    EXPECT_EQ(a.locks, b.locks) << a.name << " and " << b.name;
                    EXPECT_EQ(a.facts & DMARACE_SLEEPS, b.facts & DMARACE_SLEEPS)
                        << a.name << " and " << b.name;
                }
}

} // namespace
