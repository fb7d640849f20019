// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/fresh.hpp"

#include <algorithm>
#include <fstream>

namespace dmarace::campaign {

std::optional<Fresh> fresh_from(std::string_view word) {
    if (word == "never")
        return Fresh::never;
    if (word == "risky")
        return Fresh::risky;
    if (word == "always")
        return Fresh::always;
    return std::nullopt;
}

std::string why_boot_again(const verdict::Judgement& judgement, Fresh fresh, job::Risk risk) {
    // An allowed oops is no failure, but the kernel is as broken.
    const auto shows = [&](verdict::FailureKind kind) {
        return std::ranges::any_of(judgement.failures,
                                   [&](const auto& failure) { return failure.kind == kind; });
    };
    if (shows(verdict::FailureKind::hang))
        return "hang: a task is stuck in the kernel; the machine has to be booted again";
    if (shows(verdict::FailureKind::kernel_oops))
        return "oops: the kernel is not to be trusted any more; the machine has to be booted again";
    if (fresh == Fresh::always || (fresh == Fresh::risky && risk == job::Risk::reboot))
        return "fresh: what comes next wants a freshly booted machine";
    return "";
}

bool is_untrusted(std::string_view why) {
    return why.starts_with("hang:") || why.starts_with("oops:");
}

Status mark_boot_again(const std::filesystem::path& directory, const std::string& why) {
    std::ofstream file(directory / kBootAgain);
    file << why << '\n';
    file.close();
    if (!file)
        return fail(Fault::environment, (directory / kBootAgain).string() + " cannot be written");
    return {};
}

void clear_boot_again(const std::filesystem::path& directory) {
    std::error_code error;
    std::filesystem::remove(directory / kBootAgain, error);
}

} // namespace dmarace::campaign
