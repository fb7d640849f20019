// SPDX-License-Identifier: GPL-2.0-or-later
// Where the module holds tasks: the point table keeps its own rules, and read-modify-writes
// are found in arm64 code, that of Debian's 6.12.117 kernel unless a test says otherwise.
#include "kmod/dmarace_points.h"

extern "C" {
#include "kmod/parse.h"
}

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

using Code = std::vector<unsigned int>;
using Found = std::vector<std::pair<unsigned int, int>>;

Found stores(const Code& code, unsigned int byte) {
    std::array<dmarace_store, DMARACE_STORES_MAX> found{};
    const auto count = dmarace_arm64_stores(code.data(), static_cast<unsigned int>(code.size()),
                                            byte, found.data());
    Found out;
    for (unsigned int i = 0; i < count; i++)
        out.emplace_back(found[i].offset, found[i].base);
    return out;
}

constexpr unsigned int ldrb = 0x394c1260; // ldrb w0, [x19, #772]
constexpr unsigned int strb = 0x390c1260; // strb w0, [x19, #772]
constexpr unsigned int bfi = 0x331b02a0;  // bfi w0, w21, #5, #1
constexpr unsigned int nop = 0xd503201f;

TEST(KmodStores, BitIsInsertedAndStored) {
    // arch_setup_dma_ops+0x4c: adrp, ldrb, ldr, bfi, strb, cbz
    const Code code{0x90011ee1, ldrb, 0xb94c2021, bfi, strb, 0x340001a1};
    EXPECT_EQ(stores(code, 772), (Found{{16, 19}}));
}

TEST(KmodStores, EveryPairOfAFunctionAndOnlyThisByte) {
    // iommu_setup_dma_ops+0x50..0x64 and +0xa0..0xc8; byte 68 of another structure between.
    const Code code{0xf9400281, ldrb,       0xd3410421, 0x33190020, strb,       0x37380340,
                    0x3947c400, 0x39411022, 0x52000000, 0x331f0002, 0x39011022, 0xf9400281,
                    ldrb,       0xd3410421, 0x33190020, strb,       0x363ffd00};
    EXPECT_EQ(stores(code, 772), (Found{{16, 19}, {60, 19}}));
    EXPECT_EQ(stores(code, 68), (Found{{40, 1}}));
    EXPECT_EQ(stores(code, 773), Found{});
}

TEST(KmodStores, TheDeviceMayStillBeInItsArgument) {
    // __driver_probe_device+0x40: tbz, ldrb, orr, strb
    EXPECT_EQ(stores({0x360008a0, 0x394c1022, 0x321c0042, 0x390c1022}, 772), (Found{{12, 1}}));
}

TEST(KmodStores, ABranchOrACallBetweenIsNoPair) {
    for (unsigned int leave : {0x14000001U, 0x94006552U, 0x54000260U, 0x340001a1U, 0xb5000042U,
                               0x363ffd00U, 0xd63f0020U, 0xd65f03c0U, 0xd4210000U})
        EXPECT_EQ(stores({ldrb, bfi, leave, strb}, 772), Found{}) << std::hex << leave;
}

TEST(KmodStores, AChangedBaseIsNoPair) {
    EXPECT_EQ(stores({ldrb, 0xaa0003f3, strb}, 772), Found{});      // mov x19, x0
    EXPECT_EQ(stores({ldrb, 0xa9404c02, strb}, 772), Found{});      // ldp x2, x19, [x0]
    EXPECT_EQ(stores({0x394c1273, bfi, 0x390c1273}, 772), Found{}); // ldrb w19, [x19, #772]
    EXPECT_EQ(stores({0x394c13e0, bfi, 0x390c13e0}, 772), Found{}); // [sp, #772]
    EXPECT_EQ(stores({ldrb, bfi, 0x390c1280}, 772), Found{});       // strb w0, [x20, #772]
}

TEST(KmodStores, LoadAndStoreAreNeighbours) {
    Code code(15, nop);
    code.insert(code.begin(), ldrb);
    code.push_back(strb);
    EXPECT_EQ(stores(code, 772), (Found{{64, 19}}));
    code.insert(code.begin() + 1, nop);
    EXPECT_EQ(stores(code, 772), Found{});
    EXPECT_EQ(stores({ldrb}, 772), Found{});
    EXPECT_EQ(stores({}, 772), Found{});
}

TEST(KmodStores, TwoLoadsBeforeOneStoreAreOnePoint) {
    EXPECT_EQ(stores({ldrb, ldrb, strb}, 772), (Found{{8, 19}}));
}

TEST(KmodStores, NoMoreThanThereIsRoomFor) {
    Code code;
    for (int i = 0; i < DMARACE_STORES_MAX + 2; i++)
        code.insert(code.end(), {ldrb, bfi, strb});
    EXPECT_EQ(stores(code, 772).size(), std::size_t{DMARACE_STORES_MAX});
}

} // namespace
