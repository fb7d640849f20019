// SPDX-License-Identifier: GPL-2.0-or-later
// A run's directory, and the names of the files in it.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "types/table.hpp"
#include "verdict/verdict.hpp"

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace dmarace::run {

// docs/results.md says what is in each.
namespace files {
inline constexpr const char* kJournal = "journal.jsonl";
inline constexpr const char* kEvents = "events.log";
inline constexpr const char* kLog = "kmsg.log";
inline constexpr const char* kObserved = "observed.log";
inline constexpr const char* kJob = "job.toml";
inline constexpr const char* kResult = "result.json";
inline constexpr const char* kKtap = "result.ktap";
inline constexpr const char* kReserve = "reserve";
inline constexpr const char* kBootAgain = "boot-again";
} // namespace files

// Whether directories of runs can be made in this one, which may be missing, or it can be one:
// known before anything is changed. The error has the remedy.
Status can_hold_runs(const std::filesystem::path& directory);

class RunDir {
public:
    // Makes the directory. One that holds a journal already is an error unless
    // 'resume'.
    static Result<RunDir> open(const std::filesystem::path& path, bool resume);

    // What the journal holds so far.
    Result<std::string> journal() const;
    // Appends one record. Durable: it is on the disk when this returns. A record
    // for which there is no room leaves nothing of itself behind.
    Status append(const std::string& record, bool durable);
    // Appends what one iteration observed.
    Status log(const verdict::Observed& observed);
    // .. what the kernel log had between two of them ..
    Status log_outside(const std::string& where, const verdict::Observed& observed);
    // .. and what the board was before those that follow.
    Status log_board(const types::Inventory& inventory, const verdict::FoundBoard* found);
    // The last board of these that an earlier call found, null if it did not say.
    std::shared_ptr<const verdict::FoundBoard> last_found() const;
    Status log_baseline(const verdict::Baseline& baseline);
    // A copy of the job, which is there to judge again when its file is not.
    void keep_job(const std::filesystem::path& file) const;
    // Replaces a whole file: the old one or the new one is there, never half.
    Status replace(const std::string& name, const std::string& text) const;
    // Room for what ends a run on a full disk: that the board was restored, the
    // end, result.json. A run sets it aside; what ends it gives it up first.
    void set_aside() const;
    void use_reserve() const;
    const std::filesystem::path& path() const { return path_; }

private:
    RunDir() = default;
    Status write_record(const std::string& record, bool durable);
    Status add(const UniqueFd& fd, const char* name, const std::string& text) const;
    std::filesystem::path path_;
    UniqueFd journal_, events_, kmsg_, observed_;
    off_t whole_ = 0; // of the journal: up to its last whole record
};

// The mark "boot the machine and resume" in a run's directory, with the reason. Whoever
// does that takes it.
Status mark_boot_again(const std::filesystem::path& directory, const std::string& why);
std::optional<std::string> take_boot_again(const std::filesystem::path& directory);

// Appends a record to the journal of a run that nobody is at work in, durably.
Status append_record(const std::filesystem::path& journal, const std::string& record);

} // namespace dmarace::run
