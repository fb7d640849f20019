// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/entry.hpp"

#include <gmock/gmock.h>

namespace dmarace::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Entry, comes_back_from_its_text) {
    const Entry entry{"late-probe", {"--iterations", "20", "--set", "x=\"a b\""}};
    const auto back = parse_entry(to_text(entry), "e.toml");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->job, "late-probe");
    EXPECT_EQ(back->args, entry.args);
}

TEST(Entry, a_job_file_is_an_entry_of_itself) {
    const auto entry = parse_entry("name = \"mine\"\nsummary = \"s\"\n", "mine.toml");
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->job, "");
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

} // namespace
} // namespace dmarace::daemon
