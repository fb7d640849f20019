// SPDX-License-Identifier: GPL-2.0-or-later
// The cache; whole files, as text and as memory.
#include "vm/image/archive.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/temporary.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

namespace dmarace::vm {
namespace {

using testing::HasSubstr;

class WholeFile : public testing::TestWithParam<std::size_t> {
protected:
    TemporaryDirectory dir_ = *TemporaryDirectory::make();
};

TEST_P(WholeFile, comes_back_as_it_was) {
    std::string text;
    for (std::size_t i = 0; i < GetParam(); ++i)
        text.push_back(static_cast<char>(i * 31 + i / 251));
    const auto file = dir_.path() / "file";
    ASSERT_TRUE(write_text(file, text));
    EXPECT_EQ(read_text(file).value_or("unread"), text);
    const auto mapped = Mapped::open(file);
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->text(), text);
}

INSTANTIATE_TEST_SUITE_P(Sizes, WholeFile, testing::Values(0, 1, 4095, 4096, 4097, 300000));

TEST(WholeFiles, that_say_they_are_empty_are_read_to_their_end) {
    EXPECT_THAT(read_text("/proc/self/status").value_or(""), HasSubstr("VmRSS:"));
    EXPECT_GT(read_text("/proc/self/smaps").value_or("").size(), 4096U);
}

TEST(WholeFiles, that_are_not_there_are_named) {
    EXPECT_THAT(read_text("/no/such/file").error().message, HasSubstr("/no/such/file"));
    EXPECT_THAT(Mapped::open("/no/such/file").error().message, HasSubstr("/no/such/file"));
    EXPECT_FALSE(read_text("/proc"));
}

TEST(VmCache, AnUnfinishedEntryIsNotComplete) {
    const TemporaryTree tree;
    const auto cache = Cache::open(tree.path().string());
    ASSERT_TRUE(cache);
    const auto entry = cache->path("kernels/x");
    ASSERT_TRUE(cache->start_over(entry));
    EXPECT_FALSE(cache->complete(entry));
    ASSERT_TRUE(cache->mark_complete(entry));
    EXPECT_TRUE(cache->complete(entry));
    ASSERT_TRUE(cache->start_over(entry));
    EXPECT_FALSE(cache->complete(entry));
}

TEST(VmCache, LackOfRoomIsAnErrorWithTheRemedy) {
    const TemporaryTree tree;
    const auto cache = Cache::open(tree.path().string());
    const auto room = cache->need_space(std::uint64_t{1} << 40, "a kernel");
    ASSERT_FALSE(room);
    EXPECT_THAT(room.error().message, HasSubstr("--cache"));
}

TEST(VmCache, KeysTellFieldsApart) {
    EXPECT_NE(Key().add("ab").add("c").text(), Key().add("a").add("bc").text());
    EXPECT_EQ(Key().add("ab").text(), Key().add("ab").text());
}

} // namespace
} // namespace dmarace::vm
