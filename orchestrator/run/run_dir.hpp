// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes a run's directory: journal.jsonl, events.log, kmsg.log,
// result.json, result.ktap.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "verdict/observed.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace dmarace::run {

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
    // Appends the events and the kernel's lines of one iteration.
    Status log(const verdict::Observed& observed);
    // Replaces a whole file: the old one or the new one is there, never half.
    Status replace(const std::string& name, const std::string& text) const;
    // Room for what ends a run on a full disk: that the board was put back, the
    // end, result.json. A run sets it aside; what ends it gives it up first.
    void set_aside() const;
    void use_reserve() const;
    const std::filesystem::path& path() const { return path_; }

private:
    RunDir() = default;
    Status write_record(const std::string& record, bool durable);
    std::filesystem::path path_;
    UniqueFd journal_, events_, kmsg_;
    off_t whole_ = 0; // of the journal: up to its last whole record
};

} // namespace dmarace::run
