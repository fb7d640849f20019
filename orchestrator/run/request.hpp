// SPDX-License-Identifier: GPL-2.0-or-later
// What a `dmarace run`, `explore` or `sweep` is asked for, as far as a program that starts it has
// to know, and the words that ask for it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::run {

// The subcommand, and its options without their dashes: dmarace takes them by these names,
// dmaraced and dmarace-vm give them.
namespace words {
inline constexpr const char *kRun = "run", *kExplore = "explore", *kSweep = "sweep", *kOut = "out",
                            *kResume = "resume", *kFresh = "fresh", *kJson = "json",
                            *kKtap = "ktap", *kLava = "lava", *kExitStyle = "exit-style",
                            *kDryRun = "dry-run", *kCompare = "compare", *kModule = "module",
                            *kAllow = "allow";
} // namespace words

// Whether iterations end the boot even when the kernel lived through them.
enum class Fresh {
    never,
    risky, // those of jobs with risk = "reboot"
    always,
};
std::string_view to_text(Fresh fresh);
std::optional<Fresh> fresh_from(std::string_view word);

// What exit codes follow: docs/results.md.
enum class ExitStyle { plain, bisect, ksft };
std::optional<ExitStyle> exit_style_from(std::string_view word);

// What goes to stdout at the end.
enum class Shown { summary, json, ktap };

// What a search has in its directory, besides a directory for each of its runs; and a sweep,
// besides one for each of its searches.
inline constexpr const char *kExplorePage = "explore.txt", *kExploreHtml = "explore.html",
                            *kExploreJson = "explore.json";
inline constexpr const char *kSweepPage = "sweep.txt", *kSweepJson = "sweep.json";

struct RunRequest {
    std::string page{};  // of a search or sweep: many runs, in directories below the one named
    bool out = false;    // a directory is named
    bool resume = false; // goes on with what the directory holds
    bool fresh = false;  // it is said when to end for a boot
    ExitStyle exit_style = ExitStyle::plain;
    Shown shown = Shown::summary;
};

// Nothing when the command is neither.
std::optional<RunRequest> read_request(const std::vector<std::string>& command);

// Whether the command has the option, with a value or without.
bool has_option(const std::vector<std::string>& command, const char* name);

// The words of a run whose results go to 'out', begun or gone on with: whoever gives them boots
// the machine where that is needed.
std::vector<std::string> words_of_starter(const std::string& out, Fresh fresh);
// An option that is the starter's alone: what goes where, and what is shown.
bool is_of_starter(const std::string& word);
// The same command when it goes on in 'out'.
std::vector<std::string> words_to_go_on(const std::vector<std::string>& command,
                                        const std::string& out);

} // namespace dmarace::run
