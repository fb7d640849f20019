// SPDX-License-Identifier: GPL-2.0-or-later
// A run's directory.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"
#include "run/files.hpp"
#include "types/table.hpp"
#include "verdict/verdict.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace dmarace::run {

// Where a guest may be kept (files.hpp): waits for a life to begin, and takes what it is told.
// Whether it goes on with what is there. No guest: false, at once.
Result<bool> stand();
// Whether there is somebody who may keep it.
bool may_be_kept();

// Whether directories of runs can be made in this one, which may be missing, or it can be one:
// known before anything is changed. The error has the remedy.
Status can_hold_runs(const std::filesystem::path& directory);

// The limit within which so many bytes of journal and results fit, with room for logs.
std::uint64_t limit_for(std::uint64_t stays);

class RunDir {
public:
    // Makes the directory. One that holds a journal already is an error unless
    // 'resume'.
    static Result<RunDir> open(const std::filesystem::path& path, bool resume);

    // What the journal holds so far.
    Result<std::string> journal() const;
    // Appends one record. Durable: it is on the disk when this returns, with those before it
    // that were not to be. A record for which there is no room leaves nothing of itself behind.
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
    // Adds to result.ktap, the first time to an empty one. Durable.
    Status tell(const std::string& text);
    // At most so many bytes in all; 0: no limit. Within it the logs turn over, the last two of
    // each stay; the journal does not.
    void limit(std::uint64_t bytes) { limit_ = bytes; }
    // What result.json and the like will take for an iteration with that record.
    void foresee(const std::string& verdict, bool failed);
    // Whether one more iteration may not fit.
    bool full();
    // Room for what ends a run on a full disk: that the board was restored, the
    // end, result.json. A run sets it aside; what ends it gives it up first.
    void set_aside() const;
    void use_reserve() const;
    const std::filesystem::path& path() const { return path_; }

private:
    RunDir() = default;
    Status write_durably(const std::string& records);
    Status add(const UniqueFd& fd, const char* name, const std::string& text) const;
    Status turn_over();
    std::filesystem::path path_;
    UniqueFd journal_, events_, kmsg_, observed_, ktap_;
    std::string ahead_of_next_; // records that are written with the next durable one
    off_t whole_ = 0;           // of the journal: up to its last whole record
    std::uint64_t limit_ = 0;
    std::uint64_t ahead_ = 0;              // what is still to be written of what was judged
    std::uint64_t last_ = 0, largest_ = 0; // sizes, of all that stays and of one iteration's part
    std::string board_, baseline_;         // as observed.log has them last
};

// The mark "boot the machine and resume" in a run's directory, with the reason. Whoever
// does that takes it.
Status mark_boot_again(const std::filesystem::path& directory, const std::string& why,
                       std::optional<int> status = std::nullopt);
std::optional<std::string> take_boot_again(const std::filesystem::path& directory);

// Appends a record to the journal of a run that nobody is at work in, durably.
Status append_record(const std::filesystem::path& journal, const std::string& record);

} // namespace dmarace::run
