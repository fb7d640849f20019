// SPDX-License-Identifier: GPL-2.0-or-later
// The cache; directories for a while; whole files, as text and as memory.
#include "vm/campaign/campaign.hpp"
#include "vm/image/initramfs.hpp"
#include "vm/kernels/cache.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <sys/wait.h>

namespace dmarace::vm {
namespace {

namespace fs = std::filesystem;
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

// What a process that was killed leaves behind.
fs::path abandoned(const fs::path& parent) {
    const pid_t pid = fork();
    if (pid == 0) {
        const auto made = TemporaryDirectory::make(parent);
        _exit(made ? 0 : 1); // no destructor runs
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    for (const auto& entry : fs::directory_iterator(parent))
        if (fs::exists(entry.path() / ".owner"))
            return entry.path();
    return {};
}

bool has_a_journal(const fs::path& directory) {
    return !find_journals(directory).empty();
}

TEST(VmTemporary, GoesAwayWithItsOwner) {
    const TemporaryTree tree;
    fs::path path;
    {
        const auto made = TemporaryDirectory::make(tree.path());
        ASSERT_TRUE(made) << made.error().message;
        path = made->path();
        EXPECT_TRUE(fs::is_directory(path));
    }
    EXPECT_FALSE(fs::exists(path));
}

TEST(VmTemporary, WhatAKilledProcessLeftIsSwept) {
    const TemporaryTree tree;
    const fs::path left = abandoned(tree.path());
    ASSERT_FALSE(left.empty());
    ASSERT_TRUE(write_text(left / "initramfs", "x"));
    sweep_temporary(has_a_journal, tree.path());
    EXPECT_FALSE(fs::exists(left));
}

TEST(VmTemporary, TheLivingKeepTheirs) {
    const TemporaryTree tree;
    const auto made = TemporaryDirectory::make(tree.path());
    ASSERT_TRUE(made);
    sweep_temporary(has_a_journal, tree.path());
    EXPECT_TRUE(fs::exists(made->path()));
}

TEST(VmTemporary, AnInterruptedRunsJournalIsNeverSwept) {
    const TemporaryTree tree;
    const fs::path left = abandoned(tree.path());
    ASSERT_TRUE(write_text(left / "journal.jsonl", "{}\n"));
    sweep_temporary(has_a_journal, tree.path());
    EXPECT_TRUE(fs::exists(left / "journal.jsonl"));
}

TEST(VmTemporary, WhatIsKeptIsLeftAlone) {
    const TemporaryTree tree;
    auto made = TemporaryDirectory::make(tree.path());
    ASSERT_TRUE(made);
    const fs::path kept = made->keep();
    sweep_temporary(has_a_journal, tree.path());
    EXPECT_TRUE(fs::exists(kept));
    EXPECT_FALSE(fs::exists(kept / ".owner"));
}

TEST(VmTemporary, LinksAndOtherNamesAreLeftAlone) {
    const TemporaryTree tree;
    const fs::path left = abandoned(tree.path());
    fs::rename(left, tree / "elsewhere");
    fs::create_directory_symlink(tree / "elsewhere", tree / "dmarace-vm-link00");
    sweep_temporary(has_a_journal, tree.path());
    EXPECT_TRUE(fs::exists(tree / "elsewhere"));
    EXPECT_TRUE(fs::is_symlink(tree / "dmarace-vm-link00"));
}

} // namespace
} // namespace dmarace::vm
