// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_tree.hpp"
#include "queue/spool.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>

namespace dmarace::queue {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Entry, comes_back_from_its_text) {
    const Entry entry{"late-probe", {"--iterations", "20", "--set", "x=\"a b\""}};
    const auto back = parse_entry(to_text(entry), "e.toml");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->job, "late-probe");
    EXPECT_EQ(back->args, entry.args);
}

TEST(Entry, a_job_file_is_an_entry_of_itself) {
    EXPECT_EQ(parse_entry("name = \"mine\"\nsummary = \"s\"\n", "mine.toml").value().job, "");
}

TEST(Entry, what_the_daemon_gives_itself_is_refused) {
    for (const auto* arg :
         {"--out", "--out=/tmp", "--resume", "--fresh=never", "--dry-run", "-h"}) {
        const auto entry =
            parse_entry(std::string("job = \"x\"\nargs = [\"") + arg + "\"]\n", "e.toml");
        ASSERT_FALSE(entry) << arg;
        EXPECT_EQ(entry.error().fault, Fault::usage);
        EXPECT_THAT(entry.error().message, HasSubstr(arg));
    }
}

TEST(Entry, bad_ones_say_where) {
    EXPECT_THAT(parse_entry("job = \"x\"\n\nargs = [", "e.toml").error().message,
                HasSubstr("e.toml:3"));
    EXPECT_THAT(parse_entry("job = \"x\"\ncolour = 1\n", "e.toml").error().message,
                HasSubstr("'colour'"));
    for (const auto* text : {"job = 1\n", "job = \"\"\n", "job = \"--unsafe\"\n",
                             "job = \"x\"\nargs = \"-n\"\n", "job = \"x\"\nargs = [1]\n"})
        EXPECT_FALSE(parse_entry(text, "e.toml")) << text;
}

TEST(Entry, names_sort_by_time_and_hold_no_odd_letter) {
    EXPECT_EQ(entry_name(7, "/etc/a job;rm.toml"), "00000000000000000007-a-job-rm.toml");
    EXPECT_LT(entry_name(9, "z"), entry_name(10, "a"));
    EXPECT_TRUE(is_entry_name(entry_name(1, std::string(500, 'x'))));
    for (const auto* bad : {"", ".toml", ".hidden.toml", "a/b.toml", "a.toml.cancel", "a b.toml"})
        EXPECT_FALSE(is_entry_name(bad)) << bad;
}

struct OneSpool : testing::Test {
    test::FakeTree tree;
    Result<Spool> spool = Spool::open(tree.root() / "spool");
    void SetUp() override { ASSERT_TRUE(spool) << spool.error().message; }
};

TEST_F(OneSpool, an_entry_moves_from_shelf_to_shelf) {
    ASSERT_TRUE(spool->add("2-b.toml", "job = \"b\"\n"));
    ASSERT_TRUE(spool->add("1-a.toml", "job = \"a\"\n"));
    EXPECT_THAT(spool->list(Shelf::fresh), ElementsAre("1-a.toml", "2-b.toml"));
    ASSERT_TRUE(spool->move("1-a.toml", Shelf::fresh, Shelf::running));
    EXPECT_THAT(spool->list(Shelf::fresh), ElementsAre("2-b.toml"));
    EXPECT_EQ(spool->read(Shelf::running, "1-a.toml"), "job = \"a\"\n");
    ASSERT_TRUE(spool->remove(Shelf::fresh, "2-b.toml"));
    EXPECT_THAT(spool->list(Shelf::fresh), IsEmpty());
    EXPECT_FALSE(spool->move("2-b.toml", Shelf::fresh, Shelf::running));
}

TEST(Spool, is_its_users_alone) {
    const test::FakeTree tree;
    ASSERT_TRUE(Spool::open(tree.root() / "spool"));
    struct stat info {};
    ASSERT_EQ(::stat((tree.root() / "spool/new").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700U);
    fs::permissions(tree.root() / "spool", fs::perms::group_write, fs::perm_options::add);
    const auto open = Spool::open(tree.root() / "spool");
    ASSERT_FALSE(open);
    EXPECT_THAT(open.error().message, HasSubstr("0700"));
}

TEST(Spool, a_directory_that_is_a_link_is_refused) {
    test::FakeTree tree;
    tree.dir("elsewhere");
    fs::create_directory_symlink(tree.root() / "elsewhere", tree.root() / "spool");
    EXPECT_FALSE(Spool::open(tree.root() / "spool"));
    ASSERT_TRUE(Spool::open(tree.root() / "own"));
    fs::remove_all(tree.root() / "own/run");
    fs::create_directory_symlink(tree.root() / "elsewhere", tree.root() / "own/run");
    EXPECT_FALSE(Spool::open(tree.root() / "own"));
}

TEST_F(OneSpool, an_entry_that_is_a_link_a_pipe_or_huge_is_refused) {
    tree.file("secret", "job = \"x\"\n");
    fs::create_symlink(tree.root() / "secret", spool->path_of(Shelf::fresh, "link.toml"));
    ASSERT_EQ(::mkfifo(spool->path_of(Shelf::fresh, "pipe.toml").c_str(), 0600), 0);
    tree.file("spool/new/huge.toml", std::string(70'000, '#'));
    for (const auto* name : {"link.toml", "pipe.toml", "huge.toml"})
        EXPECT_FALSE(spool->read(Shelf::fresh, name)) << name;
}

TEST_F(OneSpool, half_written_files_are_no_entries) {
    tree.file("spool/new/.1-a.toml", "job").file("spool/new/notes.txt", "");
    EXPECT_THAT(spool->list(Shelf::fresh), IsEmpty());
}

} // namespace
} // namespace dmarace::queue
