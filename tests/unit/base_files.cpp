// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/draw.hpp"
#include "base/files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <sys/stat.h>

#include <cstdlib>

namespace {

using namespace dmarace;
using ::testing::HasSubstr;

class BaseFiles : public ::testing::Test {
protected:
    BaseFiles() {
        auto name = (std::filesystem::temp_directory_path() / "dmarace-test-XXXXXX").string();
        dir_ = ::mkdtemp(name.data());
    }
    ~BaseFiles() override { std::filesystem::remove_all(dir_); }

    std::filesystem::path dir_;
};

TEST_F(BaseFiles, AReplacedFileIsTheOldOneOrTheNewOne) {
    ASSERT_TRUE(replace_file(dir_ / "a", "long old text"));
    ASSERT_TRUE(replace_file(dir_ / "a", "new", 0600));
    EXPECT_EQ(read_text(dir_ / "a").value_or("(missing)"), "new");
    EXPECT_FALSE(std::filesystem::exists(dir_ / "a.new"));
    const auto put = replace_file(dir_ / "not-there/a", "x");
    ASSERT_FALSE(put);
    EXPECT_THAT(put.error().message, HasSubstr("cannot write"));
    EXPECT_THAT(put.error().message, HasSubstr("not-there/a"));
}

TEST_F(BaseFiles, WhatCannotBeReplacedLeavesNothing) {
    std::filesystem::create_directory(dir_ / "taken");
    EXPECT_FALSE(replace_file(dir_ / "taken", "x"));
    ASSERT_TRUE(write_text(dir_ / "target", "kept"));
    std::filesystem::create_symlink("target", dir_ / "link.new");
    EXPECT_FALSE(replace_file(dir_ / "link", "x"));
    EXPECT_EQ(read_text(dir_ / "target").value_or(""), "kept");
}

TEST_F(BaseFiles, WholeLinesEndWithTheLastNewline) {
    EXPECT_EQ(whole_lines(""), 0U);
    EXPECT_EQ(whole_lines("torn"), 0U);
    EXPECT_EQ(whole_lines("one\ntorn"), 4U);
    EXPECT_EQ(whole_lines("one\n"), 4U);
}

// Recorded seeds have to give what they gave.
TEST(BaseDraw, StaysTheSameForever) {
    Draw draw(1);
    EXPECT_EQ(draw.next(), 0x910a2dec89025cc1U);
    EXPECT_EQ(draw.next(), 0xbeeb8da1658eec67U);
    EXPECT_EQ(Draw(1).below(0), 0U);
    EXPECT_LT(Draw(7).below(10), 10U);
}

} // namespace
