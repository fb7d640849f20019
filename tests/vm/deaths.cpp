// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that dies in an iteration costs that iteration and no other. In campaigns
// whose every iteration takes the machine with it, and on disks that have no room
// left, each iteration is accounted for, and the run ends by itself.
#include "../crash/books.hpp"
#include "base/files.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(GuestPanic, is_recorded_and_the_next_iteration_runs_on_a_new_boot) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3", "debian:6.12", {"run", guest.job("test-panic"), "--unsafe", "-n", "2"}),
        1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(result["counts"]["crash"], 2);
    EXPECT_GE(guest.vm()["boots"].size(), 2U);
    EXPECT_THAT(guest.console(), HasSubstr("Kernel panic"));
}

TEST(GuestOops, leaves_the_next_iteration_to_a_new_boot_and_its_evidence_to_us) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3", "debian:7", {"run", guest.job("test-oops"), "--unsafe", "-n", "2"}), 1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(guest.vm()["boots"].size(), 2U);
    const auto found = kinds(result, "");
    EXPECT_THAT(found, testing::Contains("kernel-oops"));
    EXPECT_THAT(guest.file("kmsg.log"), HasSubstr("iommu_group_store_type"));
    // Shown once, by the last boot.
    EXPECT_THAT(guest.output(), HasSubstr("iterations 2"));
    EXPECT_THAT(guest.output(), testing::Not(HasSubstr("iterations 1,")));
}

// On boards whose guest can be kept each is another life of it, in which nothing of the one
// before goes on.
TEST(GuestOops, is_followed_by_a_guest_that_was_restored) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3-blk", "debian:7", {"run", guest.job("test-oops"), "--unsafe", "-n", "3"}),
        1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 3) << guest.output();
    const auto vm = guest.vm();
    ASSERT_EQ(vm["boots"].size(), 3U);
    EXPECT_FALSE(vm["boots"][0].value("restored", false));
    for (const auto at : {1U, 2U})
        EXPECT_TRUE(vm["boots"][at].value("restored", false)) << guest.output();
    EXPECT_EQ(guest.file("journal.jsonl").find("\"verdict\":\"pass\""), std::string::npos);
}

// What has ended in an earlier life is not done again, and what has begun goes on.
TEST(GuestOops, of_several_jobs_is_followed_by_a_guest_that_was_restored) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3-blk", "debian:7",
                  {"run", guest.job("test-oops"), guest.job("test-panic"), "--unsafe", "-n", "2"}),
        1);
    for (const char* job : {"test-oops", "test-panic"})
        EXPECT_EQ(guest.result(job)["iterations"], 2) << guest.output();
    EXPECT_TRUE(guest.vm()["boots"][1].value("restored", false)) << guest.output();
}

// Where its console's socket can have no name each life is a boot, and nothing is lost.
TEST(GuestOops, is_followed_by_a_boot_where_the_temporary_directory_has_a_long_name) {
    const auto place = *vm::TemporaryDirectory::make();
    const auto before = std::filesystem::temp_directory_path();
    const auto far = place.path() / std::string(80, 'x');
    std::filesystem::create_directory(far);
    Guest guest;
    setenv("TMPDIR", far.c_str(), 1);
    EXPECT_EQ(
        guest.run("smmuv3-blk", "debian:7", {"run", guest.job("test-oops"), "--unsafe", "-n", "1"}),
        1);
    setenv("TMPDIR", before.c_str(), 1);
    EXPECT_EQ(guest.result()["iterations"], 1) << guest.output();
    EXPECT_THAT(guest.output(), HasSubstr("boots for each life"));
}

constexpr const char* kRebind = DMARACE_SOURCE_DIR "/tests/guest/rebind.toml";

std::vector<std::string> words(const Guest& guest, const std::vector<std::string>& more) {
    std::vector<std::string> all{"run",      guest.job("dying-panic"), guest.job("dying-hang"),
                                 "--unsafe", "--crash-limit",          "none"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

// Every iteration of a job ended as that, each once, in order, with its evidence.
void expect_all(const Guest& guest, const std::string& job, const std::string& verdict,
                unsigned count) {
    const auto result = guest.result(job);
    EXPECT_EQ(result["iterations"], count) << result;
    EXPECT_EQ(result["counts"][verdict], count) << result;
    EXPECT_EQ(result["verdict"], verdict);
    EXPECT_EQ(result["interrupted"], nullptr);
    std::vector<std::string> faults;
    const auto books = keep_books(guest.file(job + "/journal.jsonl"), {}, faults);
    EXPECT_THAT(faults, IsEmpty());
    EXPECT_EQ(books.ended.size(), count);
    unsigned next = 1;
    for (const auto& failure : result["failures"]) {
        EXPECT_EQ(failure["iteration"], next++);
        EXPECT_EQ(failure["kind"], verdict);
    }
    EXPECT_EQ(next, count + 1);
}

void expect_course(const Guest& guest, unsigned panics, unsigned hangs) {
    expect_all(guest, "dying-panic", "crash", panics);
    expect_all(guest, "dying-hang", "hang", hangs);
    unsigned ends_in_panic = 0, ends_in_hang = 0;
    const auto vm = guest.vm();
    for (const auto& boot : vm["boots"]) {
        ends_in_panic += boot["outcome"] == "panic" ? 1U : 0U;
        ends_in_hang += boot["outcome"] == "hang" ? 1U : 0U;
    }
    EXPECT_EQ(ends_in_panic, panics);
    EXPECT_EQ(ends_in_hang, hangs);
}

TEST(DyingCampaign, of_2_panics_and_2_hangs) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12", words(guest, {"--iterations", "2"})), 1);
    expect_course(guest, 2, 2);
}

TEST(DyingCampaign, of_30_panics_and_10_hangs) {
    Guest guest;
    guest.set_timeout("3h");
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12", words(guest, {})), 1);
    expect_course(guest, 30, 10);
}

TEST(DyingCampaign, stops_by_itself_where_nobody_raised_the_limit) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3", "debian:6.12",
                        {"run", guest.job("dying-panic"), "--unsafe", "--crash-limit", "2/5"}),
              1);
    EXPECT_EQ(guest.result()["counts"]["crash"], 2);
    EXPECT_THAT(guest.result()["end"].get<std::string>(), HasSubstr("stopped: 2 crashes"));
}

// The guest itself finds what went on: its disk and its ramoops are all it has.
TEST(Books, a_board_keeps_its_own_with_the_log_of_its_panic) {
    Guest guest;
    EXPECT_EQ(guest.run("smmuv3-disk", "debian:6.12",
                        {"run", guest.job("dying-panic"), "--unsafe", "-n", "2"}),
              1);
    const auto result = guest.result();
    EXPECT_EQ(result["counts"]["crash"], 2) << result;
    ASSERT_EQ(result["failures"].size(), 2U);
    for (const auto& failure : result["failures"]) {
        std::string evidence;
        for (const auto& line : failure["evidence"])
            evidence += line.get<std::string>() + "\n";
        EXPECT_THAT(evidence, HasSubstr("Kernel panic - not syncing: sysrq triggered crash"));
        EXPECT_THAT(evidence, HasSubstr("sysrq"));
    }
}

std::string small_board(const Guest& guest) {
    auto text = read_text(DMARACE_SOURCE_DIR "/vm/boards/smmuv3-disk.toml").value_or("");
    const std::string size = "\"64M\"";
    return guest.make_file("small.toml", text.replace(text.find(size), size.size(), "\"224K\""));
}

TEST(FullDisk, ends_the_run_and_keeps_what_had_ended) {
    Guest guest;
    EXPECT_EQ(guest.run(small_board(guest), "debian:6.12", {"run", kRebind, "-n", "10000"}), 3);
    EXPECT_THAT(guest.output(), HasSubstr("No space left on device"));
    EXPECT_THAT(guest.output(), HasSubstr("--resume goes on"));
    std::vector<std::string> faults;
    Told told;
    add_told(guest.output(), told, faults);
    const auto journal = guest.file("journal.jsonl");
    const auto books = keep_books(journal, told, faults);
    EXPECT_THAT(faults, IsEmpty());
    EXPECT_GT(told.size(), 5U);
    EXPECT_FALSE(books.torn);
    EXPECT_THAT(journal, HasSubstr(R"({"t":"restored","left":[]})"));
    EXPECT_EQ(guest.result()["iterations"], books.ended.size());
    EXPECT_THAT(guest.result()["end"].get<std::string>(), HasSubstr("No space left on device"));
}

TEST(ReadOnlySys, is_told_before_a_run_and_by_restore) {
    Guest guest;
    EXPECT_EQ(
        guest.run("smmuv3", "debian:6.12",
                  {"/usr/bin/dmarace", guest.job("test-hold"), "pci/0000:00:02.0", "read-only-sys"},
                  "tests/kmod/killed_run", kDmarace),
        0);
    EXPECT_THAT(guest.output(), testing::Not(HasSubstr("not ok")));
    EXPECT_THAT(guest.output(), HasSubstr("ok 2 - restore says the commands"));
}

void expect_no_growth(const char* kernel, const char* count, const char* timeout) {
    Guest guest;
    guest.set_timeout(timeout);
    EXPECT_EQ(guest.run("smmuv3", kernel,
                        {"soak", "/usr/bin/dmarace", guest.job("soak"), count, "/run/out/soak"},
                        "tests/guest/measure", kDmarace),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("growth slab"));
    EXPECT_THAT(guest.output(), testing::Not(HasSubstr("BAD ")));
}

TEST(Soak, ten_thousand_iterations_leave_nothing_behind) {
    expect_no_growth("debian:6.12", "10000", "5h");
}

} // namespace
} // namespace dmarace::test
