// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "board/kernel.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <elf.h>
#include <gmock/gmock.h>

#include <algorithm>

namespace dmarace::board {
namespace {

using test::FakeTree;
using testing::ElementsAre;
using testing::IsEmpty;

template <class T>
std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

Elf64_Shdr section(unsigned name, unsigned type, std::size_t at, std::size_t size) {
    Elf64_Shdr out{};
    out.sh_name = name;
    out.sh_type = type;
    out.sh_offset = at;
    out.sh_size = size;
    return out;
}

// A module's file that says this of itself, "KEY=VALUE\0" each, and holds nothing else.
std::string module_file(const std::string& info) {
    const std::string names("\0.modinfo\0.shstrtab\0", 20);
    Elf64_Ehdr head{};
    std::ranges::copy(std::string_view("\177ELF\2\1\1"), head.e_ident);
    head.e_type = ET_REL;
    head.e_machine = EM_AARCH64;
    head.e_shoff = sizeof head + info.size() + names.size();
    head.e_ehsize = sizeof head;
    head.e_shentsize = sizeof(Elf64_Shdr);
    head.e_shnum = 3;
    head.e_shstrndx = 2;
    return bytes_of(head) + info + names + bytes_of(Elf64_Shdr{}) +
           bytes_of(section(1, SHT_PROGBITS, sizeof head, info.size())) +
           bytes_of(section(10, SHT_STRTAB, sizeof head + info.size(), names.size()));
}

std::string text_of(std::string info) {
    std::ranges::replace(info, ' ', '\0');
    return module_file(info + '\0');
}

// As make modules_install leaves it where no depmod is.
struct BareTree : FakeTree {
    BareTree() {
        file("kernel/drivers/iommu/virtio-iommu.ko",
             text_of("name=virtio_iommu depends=virtio alias=virtio:d00000017v*"));
        file("kernel/drivers/net/e1000e.ko", text_of("name=e1000e alias=pci:v00008086d000010D3sv* "
                                                     "alias=pci:v00008086d00001000sv*"));
        file("kernel/drivers/net/none.txt", "alias=*");
        file("modules.builtin", "kernel/drivers/iommu/arm-smmu-v3.ko\n");
    }
};

TEST(Modules, without_an_index_files_are_found_by_their_names) {
    const BareTree tree;
    const Modules modules(tree.root().string());
    EXPECT_TRUE(modules.known("virtio_iommu"));
    EXPECT_TRUE(modules.known("virtio-iommu")) << "'-' and '_' are one";
    EXPECT_EQ(modules.path("virtio-iommu"),
              tree.root().string() + "/kernel/drivers/iommu/virtio-iommu.ko");
    EXPECT_TRUE(modules.builtin("arm-smmu-v3"));
    EXPECT_FALSE(modules.known("none"));
    EXPECT_TRUE(refused(modules.insert("none", ""), ENOENT, "depmod"));
    EXPECT_TRUE(refused(modules.insert("arm_smmu_v3", ""), EEXIST, "built into"));
}

TEST(Modules, without_an_index_of_one_name_the_updated_one_is_taken) {
    BareTree tree;
    for (const char* place : {"kernel/drivers/a", "updates", "extra", "kernel/z"}) {
        tree.file(std::string(place) + "/twice.ko", text_of("name=twice"));
        if (std::string_view(place) != "updates" && std::string_view(place) != "kernel/z")
            tree.file(std::string(place) + "/built.ko", text_of("name=built"));
    }
    const Modules modules(tree.root().string());
    EXPECT_EQ(modules.path("twice"), tree.root().string() + "/updates/twice.ko");
    EXPECT_EQ(modules.path("built"), tree.root().string() + "/extra/built.ko");
}

TEST(Modules, without_an_index_files_tell_which_devices_they_claim) {
    const BareTree tree;
    const Modules modules(tree.root().string());
    EXPECT_THAT(modules.for_alias("virtio:d00000017v00001AF4"), ElementsAre("virtio_iommu"));
    EXPECT_THAT(modules.for_alias("pci:v00008086d000010D3sv00000000sd0"), ElementsAre("e1000e"));
    EXPECT_THAT(modules.for_alias("pci:v00001234d00000000"), IsEmpty());
}

// In a tree without an index the kernel's own answer is a directory in /sys/module.
TEST(Modules, what_is_built_in_is_not_taken_for_what_is_coming) {
    const FakeTree tree;
    const Modules modules(tree.root().string());
    ASSERT_TRUE(std::filesystem::exists("/sys/module/kernel/parameters"));
    EXPECT_TRUE(modules.builtin("kernel"));
    EXPECT_FALSE(modules.loaded("kernel"));
}

TEST(Modules, with_an_index_nothing_is_looked_for) {
    BareTree tree;
    tree.file("modules.dep.bin");
    EXPECT_FALSE(Modules(tree.root().string()).known("virtio_iommu"));
}

TEST(Modules, a_given_file_is_known_by_the_name_it_says_and_goes_first) {
    BareTree tree;
    tree.file("elsewhere/dmarace-6.12.ko", text_of("name=dmarace vermagic=6.12.1-x"))
        .file("elsewhere/e1000e.ko", text_of("name=e1000e"));
    Modules modules(tree.root().string());
    ASSERT_TRUE(modules.give(tree.root().string() + "/elsewhere/dmarace-6.12.ko"));
    ASSERT_TRUE(modules.give(tree.root().string() + "/elsewhere/e1000e.ko"));
    EXPECT_EQ(modules.path("dmarace"), tree.root().string() + "/elsewhere/dmarace-6.12.ko");
    EXPECT_EQ(modules.release("dmarace"), "6.12.1-x");
    EXPECT_EQ(modules.path("e1000e"), tree.root().string() + "/elsewhere/e1000e.ko");
    EXPECT_EQ(modules.fresh().path("dmarace"), modules.path("dmarace")) << "actors have it too";
}

TEST(Modules, what_is_given_and_is_no_module_is_refused) {
    FakeTree tree;
    tree.file("dmarace.ko", "text");
    Modules modules(tree.root().string());
    for (const char* name : {"/dmarace.ko", "/none.ko", ""})
        EXPECT_TRUE(refused(modules.give(tree.root().string() + name), Fault::usage)) << name;
}

} // namespace
} // namespace dmarace::board
