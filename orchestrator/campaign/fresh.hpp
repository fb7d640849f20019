// SPDX-License-Identifier: GPL-2.0-or-later
// This file decides when a run has to leave the running kernel behind: because
// it cannot be trusted any more, or because each iteration wants a fresh one.
// Whoever boots the machine again goes on with --resume. Pure but for the mark.
#pragma once

#include "job/job.hpp"
#include "verdict/verdict.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dmarace::campaign {

// Whether iterations end the boot even when the kernel lived through them.
enum class Fresh {
    never,
    risky, // those of jobs with risk = "reboot"
    always,
};
std::optional<Fresh> fresh_from(std::string_view word);

// Why an iteration that was judged so is the last one of this boot; "" if it is
// not. It begins with "hang:", "oops:" or "fresh:".
std::string why_boot_again(const verdict::Judgement& judgement, Fresh fresh, job::Risk risk);

// Whether the kernel is in a state in which nothing may be put back: that would
// wait for locks of dead tasks.
bool is_untrusted(std::string_view why_boot_again);

// The file in a run's directory that says "boot the machine and resume"; its
// text is the reason.
inline constexpr const char* kBootAgain = "boot-again";
Status mark_boot_again(const std::filesystem::path& directory, const std::string& why);
void clear_boot_again(const std::filesystem::path& directory);

} // namespace dmarace::campaign
