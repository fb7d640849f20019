// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/boot_files.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace::board {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

BootRules rules() {
    return {
        "late-2026", {"rule name=a point=x", "rule name=b point=y"}, {"virtio_iommu"}, {"nvme"}};
}

class BootFilesTest : public testing::Test {
protected:
    BootFilesTest() {
        tree_.file("usr/sbin/update-initramfs")
            .file("usr/share/initramfs-tools/hooks/dmarace")
            .file("usr/lib/systemd/system/dmarace-reboot.service")
            .dir("var/lib/dmarace");
    }
    BootFiles files(int code = 0) {
        return {tree_.root(), [this, code](const std::vector<std::string>& words) -> Result<int> {
                    made_.push_back(fs::path(words.front()).filename().string() + " " + words[1]);
                    return code;
                }};
    }
    std::vector<std::string> left() const {
        std::vector<std::string> out;
        for (const auto& entry : fs::recursive_directory_iterator(tree_.root()))
            if (!entry.is_directory() || entry.is_symlink())
                out.push_back(entry.path().lexically_relative(tree_.root()).string());
        std::ranges::sort(out);
        return out;
    }

    test::FakeTree tree_;
    std::vector<std::string> made_;
};

TEST(ModprobeText, GivesTheRulesAndLoadsTheModuleFirst) {
    const auto text = got(modprobe_text(rules()));
    EXPECT_TRUE(text.starts_with("# run=late-2026\n")) << text;
    EXPECT_THAT(text, HasSubstr("options dmarace rules=\"rule name=a point=x; "
                                "rule name=b point=y\"\n"));
    EXPECT_THAT(text, HasSubstr("softdep virtio_iommu pre: dmarace\n"));
    EXPECT_THAT(text, HasSubstr("options nvme async_probe\n"));
}

TEST(ModprobeText, RefusesWhatTheKernelWouldCutOff) {
    auto many = rules();
    many.rules = {std::string(1025, 'x')};
    EXPECT_TRUE(refused(modprobe_text(many), "1025"));
    many.rules = {"rule dev=\"a b\""};
    EXPECT_FALSE(modprobe_text(many));
}

TEST_F(BootFilesTest, LeaveNothingBehind) {
    const auto before = left();
    ASSERT_TRUE(files().arm(rules(), {"late", "-n", "3"}, true));
    EXPECT_TRUE(files().armed());
    EXPECT_EQ(files().waiting()->run_id, "late-2026");
    EXPECT_THAT(files().waiting()->words, ElementsAre("late", "-n", "3"));
    EXPECT_TRUE(fs::is_symlink(
        tree_.root() / "etc/systemd/system/multi-user.target.wants/dmarace-reboot.service"));
    ASSERT_TRUE(files().disarm());
    EXPECT_EQ(left(), before);
    EXPECT_FALSE(files().armed());
    EXPECT_THAT(made_, ElementsAre("update-initramfs -u", "update-initramfs -u"));
    // Nothing is left to do, so nothing is done.
    ASSERT_TRUE(files().disarm());
    EXPECT_EQ(made_.size(), 2U);
}

TEST_F(BootFilesTest, AFailedInitramfsIsToldAndTriedAgain) {
    ASSERT_TRUE(files().arm(rules(), {"late"}, true));
    EXPECT_TRUE(refused(files(1).disarm(), "update-initramfs ended with 1"));
    EXPECT_TRUE(files().armed());
    EXPECT_TRUE(files().disarm());
    EXPECT_FALSE(files().armed());
}

// The machine may run another kernel by then.
TEST_F(BootFilesTest, TheArmedKernelsInitramfsIsMadeAnew) {
    ASSERT_TRUE(files().arm(rules(), {"late"}, true));
    tree_.file("var/lib/dmarace/reboot.json",
               R"({"run_id": "late-2026", "release": "6.12-other", "words": ["late"]})");
    std::vector<std::string> command;
    BootFiles others{tree_.root(), [&](const std::vector<std::string>& words) -> Result<int> {
                         command = words;
                         EXPECT_FALSE(fs::exists(tree_.root() / "var/lib/dmarace/boot.conf"));
                         EXPECT_TRUE(fs::exists(tree_.root() / "var/lib/dmarace/reboot.json"));
                         return 0;
                     }};
    ASSERT_TRUE(others.disarm());
    EXPECT_EQ(command.back(), "6.12-other");
}

TEST_F(BootFilesTest, DracutServesAsWell) {
    fs::remove(tree_.root() / "usr/sbin/update-initramfs");
    EXPECT_FALSE(files().arm(rules(), {"late"}, false));
    tree_.file("usr/bin/dracut");
    EXPECT_FALSE(files().arm(rules(), {"late"}, false)) << "it has no part of dmarace's";
    EXPECT_FALSE(files().armed()) << "what cannot be is written nowhere";
    tree_.dir("usr/lib/dracut/modules.d/90dmarace");
    EXPECT_TRUE(files().arm(rules(), {"late"}, false));
    EXPECT_THAT(made_, ElementsAre("dracut --force"));
}

TEST_F(BootFilesTest, WithoutTheUnitSomebodyElseHasToGoOn) {
    fs::remove(tree_.root() / "usr/lib/systemd/system/dmarace-reboot.service");
    EXPECT_TRUE(refused(files().arm(rules(), {"late"}, true), Fault::untestable));
    EXPECT_FALSE(files().armed());
    EXPECT_TRUE(files().arm(rules(), {"late"}, false));
}

TEST_F(BootFilesTest, WordsOfNobodyAreNone) {
    EXPECT_FALSE(files().waiting());
    tree_.file("var/lib/dmarace/reboot.json", "{torn");
    EXPECT_FALSE(files().waiting());
}

} // namespace
} // namespace dmarace::board
