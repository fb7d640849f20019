// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu/device_tree.hpp"

#include <gmock/gmock.h>
#include <libfdt.h>

#include <array>
#include <cstring>

namespace {

using namespace dmarace::vm;
using ::testing::HasSubstr;

// A root with one node.
std::string tree_with(const char* compatible) {
    std::string bytes(4096, '\0');
    fdt_create_empty_tree(bytes.data(), static_cast<int>(bytes.size()));
    const int node = fdt_add_subnode(bytes.data(), 0, "smmuv3@9050000");
    fdt_setprop(bytes.data(), node, "compatible", compatible,
                static_cast<int>(std::strlen(compatible)) + 1);
    fdt_setprop_u32(bytes.data(), node, "phandle", 0x8005);
    return bytes;
}

TEST(VmDeviceTree, ClientsNameTheSmmuAndAStreamOfTheirOwn) {
    const auto tree = add_clients(tree_with("arm,smmu-v3"), 2);
    ASSERT_TRUE(tree) << tree.error().message;
    for (const std::string name : {"/dmarace-client0", "/dmarace-client1"}) {
        const int node = fdt_path_offset(tree->data(), name.c_str());
        ASSERT_GE(node, 0) << name;
        EXPECT_EQ(fdt_node_check_compatible(tree->data(), node, "dmarace,sim-client"), 0);
        int bytes = 0;
        const void* iommus = fdt_getprop(tree->data(), node, "iommus", &bytes);
        ASSERT_EQ(bytes, 8);
        std::array<fdt32_t, 2> cells{};
        std::memcpy(cells.data(), iommus, sizeof(cells));
        EXPECT_EQ(fdt32_to_cpu(cells[0]), 0x8005U);
        EXPECT_EQ(fdt32_to_cpu(cells[1]), 0xe000U + (name.back() == '1' ? 1 : 0));
    }
}

TEST(VmDeviceTree, AMachineWithoutAnSmmuIsAnError) {
    EXPECT_THAT(add_clients(tree_with("arm,smmu-v2"), 1).error().message,
                HasSubstr("no arm,smmu-v3"));
    EXPECT_THAT(add_clients("", 1).error().message, HasSubstr("no device tree"));
    EXPECT_THAT(add_clients(std::string(100, 'x'), 1).error().message, HasSubstr("no device tree"));
}

TEST(VmDeviceTree, ManyClientsFit) {
    EXPECT_TRUE(add_clients(tree_with("arm,smmu-v3"), 256));
}

} // namespace
