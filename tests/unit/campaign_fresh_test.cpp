// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/fresh.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

namespace dmarace::campaign {
namespace {

using testing::StartsWith;
using verdict::FailureKind;

verdict::Judgement judged(verdict::Verdict verdict, std::optional<FailureKind> kind = std::nullopt,
                          bool allowed = false) {
    verdict::Judgement made;
    made.verdict = verdict;
    if (kind)
        made.failures.push_back({*kind, "", "", "detail", {}, allowed});
    return made;
}

TEST(Fresh, an_oops_or_a_hang_ends_the_boot_whatever_the_job_and_the_option) {
    for (const auto fresh : {Fresh::never, Fresh::risky, Fresh::always}) {
        const auto oops = why_boot_again(judged(verdict::Verdict::fail, FailureKind::kernel_oops),
                                         fresh, job::Risk::none);
        EXPECT_THAT(oops, StartsWith("oops:"));
        EXPECT_TRUE(is_untrusted(oops));
        const auto hang = why_boot_again(judged(verdict::Verdict::hang, FailureKind::hang), fresh,
                                         job::Risk::none);
        EXPECT_THAT(hang, StartsWith("hang:"));
        EXPECT_TRUE(is_untrusted(hang));
    }
}

TEST(Fresh, an_allowed_oops_breaks_the_kernel_as_well) {
    EXPECT_THAT(why_boot_again(judged(verdict::Verdict::pass, FailureKind::kernel_oops, true),
                               Fresh::never, job::Risk::none),
                StartsWith("oops:"));
}

TEST(Fresh, other_failures_leave_the_kernel_usable) {
    for (const auto risk : {job::Risk::none, job::Risk::taint, job::Risk::reboot})
        EXPECT_EQ(why_boot_again(judged(verdict::Verdict::fail, FailureKind::dma_direct),
                                 Fresh::never, risk),
                  "");
    EXPECT_EQ(why_boot_again(judged(verdict::Verdict::pass), Fresh::risky, job::Risk::taint), "");
}

TEST(Fresh, a_fresh_machine_on_request_is_still_put_back) {
    for (const auto& why :
         {why_boot_again(judged(verdict::Verdict::pass), Fresh::risky, job::Risk::reboot),
          why_boot_again(judged(verdict::Verdict::pass), Fresh::always, job::Risk::none)}) {
        EXPECT_THAT(why, StartsWith("fresh:"));
        EXPECT_FALSE(is_untrusted(why));
    }
    EXPECT_FALSE(is_untrusted(""));
}

TEST(Fresh, only_its_own_words_are_read) {
    EXPECT_EQ(fresh_from("never"), Fresh::never);
    EXPECT_EQ(fresh_from("risky"), Fresh::risky);
    EXPECT_EQ(fresh_from("always"), Fresh::always);
    EXPECT_EQ(fresh_from("often"), std::nullopt);
}

TEST(Fresh, the_mark_holds_the_reason_until_it_is_cleared) {
    std::string name = (std::filesystem::temp_directory_path() / "dmarace-test-XXXXXX").string();
    const std::filesystem::path directory = ::mkdtemp(name.data());
    ASSERT_TRUE(mark_boot_again(directory, "oops: x"));
    std::string line;
    std::getline(std::ifstream(directory / kBootAgain) >> std::ws, line);
    EXPECT_EQ(line, "oops: x");
    clear_boot_again(directory);
    EXPECT_FALSE(std::filesystem::exists(directory / kBootAgain));
    EXPECT_FALSE(mark_boot_again(directory / "gone", "x"));
    std::filesystem::remove_all(directory);
}

} // namespace
} // namespace dmarace::campaign
