// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/records.hpp"
#include "vm/kernels/temporary.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <sys/wait.h>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
namespace fs = std::filesystem;

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
