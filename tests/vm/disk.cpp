// SPDX-License-Identifier: GPL-2.0-or-later
// A machine as one is installed: Debian on a disk behind the IOMMU, systemd, udev.
// disk.sh does the work inside and prints a line for each check.
#include "base/files.hpp"
#include "guest.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace dmarace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// What docs/daemon.md says that systemd-analyze prints.
std::string documented_score() {
    const auto text = read_text(DMARACE_SOURCE_DIR "/docs/daemon.md").value_or("");
    const auto at = text.find("dmaraced.service` prints ");
    return at == std::string::npos ? "none" : text.substr(at + 25, 3);
}

// Runs a part of disk.sh as the board's command, in as many boots as it takes.
int run_part(Guest& guest, const std::string& kernel, const char* part,
             std::vector<std::string> words, const std::vector<std::string>& also = {}) {
    words.insert(words.begin(), part);
    guest.set_timeout("40m");
    return guest.run("disk", kernel, words, DMARACE_TEST_DIR "/disk.sh", also);
}

TEST(Disk, dmaraced_and_the_rules_file_work_under_systemd_and_udev) {
    Guest guest;
    EXPECT_EQ(run_part(guest, "debian:6.12", "systemd",
                       {guest.job("test-quiet"), guest.job("test-held"),
                        guest.job("test-triggered"), guest.job("no-group")}),
              0);
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    EXPECT_THAT(guest.output(), HasSubstr("security score " + documented_score()));
    for (const char* check :
         {"dmaraced is started by udev when the module is loaded", "a task is held",
          "SIGTERM in a hold", "what it did itself starts nothing",
          "a failure is an event of udev's", "its module does not", "with its module"})
        EXPECT_THAT(guest.output(), HasSubstr("ok " + std::string(check)));
}

TEST(Disk, a_queue_goes_on_over_two_reboots_and_a_panic) {
    Guest guest;
    EXPECT_EQ(run_part(guest, "debian:6.12", "queue",
                       {guest.job("test-quiet"), guest.job("test-fresh"), guest.job("test-panic")}),
              0);
    EXPECT_THAT(guest.output(), HasSubstr("ok the panic is its iteration's verdict"));
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    const auto boots = guest.vm()["boots"];
    const auto ended_as = [&](const char* how) {
        return std::ranges::count_if(boots,
                                     [&](const auto& boot) { return boot["outcome"] == how; });
    };
    EXPECT_EQ(ended_as("rebooted"), 2) << guest.vm().dump(1);
    EXPECT_EQ(ended_as("panic"), 1);
}

TEST(Disk, no_job_touches_the_disk_that_the_machine_runs_from) {
    Guest guest;
    EXPECT_EQ(
        run_part(guest, "debian:6.12", "guard", {guest.job("test-root-type")}, {"tests/guest/ask"}),
        0);
    EXPECT_THAT(guest.output(), HasSubstr("jobs asked"));
    EXPECT_THAT(guest.output(), HasSubstr("mounted on /"));
    EXPECT_THAT(guest.output(), HasSubstr("ok with --i-know it tries"));
    EXPECT_THAT(guest.output(), Not(HasSubstr("BAD")));
}

void hit_in_each_boot(const char* kernel, const std::vector<std::string>& words, const char* kind) {
    Guest guest;
    EXPECT_EQ(run_part(guest, kernel, "boots", words), 0);
    EXPECT_THAT(guest.output(), HasSubstr("ok there is no trace after"));
    EXPECT_THAT(guest.output(), HasSubstr("ok the initramfs holds what it held"));
    EXPECT_THAT(guest.output(), Not(HasSubstr("harness failed")));
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(result["counts"]["fail"], 2) << guest.output();
    EXPECT_THAT(kinds(result, "e1000e"), testing::Contains(kind));
}

TEST(DiskBoots, hit_a_race_in_the_boot_itself_and_leave_no_trace) {
    hit_in_each_boot("debian:6.12", {"boot-instance-lookup", "2"}, "dma-direct");
}

TEST(DiskBoots, are_made_by_dracut_where_there_is_no_other) {
    hit_in_each_boot("debian:7", {"boot-late-probe", "2", "dracut"}, "domain-underfoot");
}

TEST(DiskBoots, are_gone_on_with_by_whoever_boots_the_board) {
    Guest guest;
    guest.set_timeout("40m");
    EXPECT_EQ(guest.run("disk", "debian:7", {"run", "boot-late-probe", "--reboot", "-n", "2"}), 1);
    const auto result = guest.result();
    EXPECT_EQ(result["iterations"], 2) << guest.output();
    EXPECT_EQ(result["counts"]["fail"], 2) << guest.output();
}

} // namespace
} // namespace dmarace::test
