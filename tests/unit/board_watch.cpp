// SPDX-License-Identifier: GPL-2.0-or-later
// What a watch is made of but for the kernel's part: which instructions read and write, names of
// addresses, layouts.
#include "board/symbols.hpp"
#include "board/watch.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dmarace::board {
namespace {

TEST(BoardWatch, KnowsLoadsFromStores) {
    struct Row {
        std::uint32_t code;
        const char* text;
        bool reads, writes;
    };
    const std::vector<Row> rows{
        {0xf9400001, "ldr x1, [x0]", true, false},
        {0xf9000001, "str x1, [x0]", false, true},
        {0xf8408401, "ldr x1, [x0], #8", true, false},
        {0xf8008401, "str x1, [x0], #8", false, true},
        {0xb9400001, "ldr w1, [x0]", true, false},
        {0x39400001, "ldrb w1, [x0]", true, false},
        {0x39000001, "strb w1, [x0]", false, true},
        {0x79800001, "ldrsh x1, [x0]", true, false},
        {0xa9400801, "ldp x1, x2, [x0]", true, false},
        {0xa9000801, "stp x1, x2, [x0]", false, true},
        {0xf8627801, "ldr x1, [x0, x2, lsl #3]", true, false},
        {0xf8227801, "str x1, [x0, x2, lsl #3]", false, true},
        {0xc8dffc01, "ldar x1, [x0]", true, false},
        {0xc89ffc01, "stlr x1, [x0]", false, true},
        {0xc85f7c01, "ldxr x1, [x0]", true, false},
        {0xc8037c01, "stxr w3, x1, [x0]", false, true},
        {0xf8bfc001, "ldapr x1, [x0]", true, false},
        {0xf8210002, "ldadd x1, x2, [x0]", true, true},
        {0xf8218002, "swp x1, x2, [x0]", true, true},
        {0xc8a17c02, "cas x1, x2, [x0]", true, true},
        {0x3d800001, "str q1, [x0]", false, true},
        {0x3dc00001, "ldr q1, [x0]", true, false},
        {0xd503201f, "nop", false, false},
    };
    for (const auto& row : rows) {
        const auto use = arm64_memory_use(row.code);
        EXPECT_EQ(use.reads, row.reads) << row.text;
        EXPECT_EQ(use.writes, row.writes) << row.text;
    }
}

constexpr const char* kSymbols = "ffff800080010000 T really_probe\n"
                                 "ffff800080010100 t probe_one\n"
                                 "ffff800080010100 t probe_alias\n"
                                 "ffff800080020000 d iommu_device_list\n"
                                 "ffff800080020040 d twice\n"
                                 "ffff800080020080 d twice\n"
                                 "ffff80007a000000 t viommu_probe\t[virtio_iommu]\n";

TEST(BoardSymbols, NamesAddresses) {
    const auto symbols = Symbols::from(kSymbols);
    ASSERT_TRUE(symbols) << symbols.error().message;
    EXPECT_EQ(symbols->function_at(0xffff800080010054).name, "really_probe");
    EXPECT_EQ(symbols->function_at(0xffff800080010054).offset, 0x54U);
    EXPECT_EQ(symbols->function_at(0xffff800080010104).name, "probe_one");
    EXPECT_EQ(symbols->function_at(0xffff80007a000010).module, "virtio_iommu");
    EXPECT_EQ(symbols->function_at(0xffff80007a002010).name, "0xffff80007a002010");
    EXPECT_EQ(symbols->function_at(0x10).name, "0x10");
    EXPECT_EQ(symbols->function_at(0xffff8000ffff0000).name, "0xffff8000ffff0000");
    EXPECT_EQ(symbols->named(0xffff800080020000), "iommu_device_list");
    EXPECT_EQ(symbols->named(0xffff800080020008), "");
    EXPECT_EQ(symbols->address_of("iommu_device_list"), 0xffff800080020000);
    EXPECT_FALSE(symbols->address_of("twice"));
    EXPECT_FALSE(symbols->address_of("nobody"));
}

TEST(BoardSymbols, KnowAModuleThatWasInsertedAnew) {
    const auto symbols = Symbols::from(kSymbols, "virtio_iommu 1 0 - Live 0xffff80007a000000\n");
    ASSERT_TRUE(symbols) << symbols.error().message;
    const auto moved = symbols->with("virtio_iommu 1 0 - Live 0xffff80007b004000\n");
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->function_at(0xffff80007b004010).name, "viommu_probe");
    EXPECT_EQ(moved->function_at(0xffff80007a000010).name, "0xffff80007a000010");
    EXPECT_EQ(moved->function_at(0xffff800080010054).name, "really_probe");
    const auto again = moved->with("virtio_iommu 1 0 - Live 0xffff80007a000000\n");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->function_at(0xffff80007a000010).name, "viommu_probe");
    EXPECT_TRUE(moved->with("")) << "one that is out may come back";
    EXPECT_FALSE(moved->with("e1000e 1 0 - Live 0xffff80007c000000\n")) << "never read";
}

TEST(BoardSymbols, NeedAddresses) {
    EXPECT_EQ(Symbols::from("0000000000000000 T really_probe\n").error().fault, Fault::untestable);
}

TEST(BoardLayouts, SayWhatTheyNeed) {
    EXPECT_NE(Layouts::load("/nowhere").error().message.find("CONFIG_DEBUG_INFO_BTF"),
              std::string::npos);
}

} // namespace
} // namespace dmarace::board
