// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the queue on the disk: new/ waits, run/ holds what runs, done/
// what ended, bad/ what was refused, trigger/ what waits for an event of udev. A rename moves an
// entry on, so that a power cut leaves each in one place. Nothing in it is followed through a
// symbolic link.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::daemon {

inline constexpr const char* kSpool = "/var/spool/dmarace";

enum class Shelf { fresh, running, done, bad, trigger };
std::string_view to_text(Shelf shelf); // "new", "run", "done", "bad", "trigger"

class Spool {
public:
    // Makes what is missing, 0700. A directory that is a link, belongs to
    // somebody else or lets others in is refused.
    static Result<Spool> open(const std::filesystem::path& path);

    // Names of entries, oldest first.
    std::vector<std::string> list(Shelf shelf) const;
    // The text of an entry. A link, a file of another owner or one over 64 KiB is
    // Fault::usage.
    Result<std::string> read(Shelf shelf, const std::string& name) const;
    Status move(const std::string& name, Shelf from, Shelf to) const;
    // A whole new entry, on the disk when this returns; it appears at once.
    Status add(const std::string& name, const std::string& text) const;
    Status remove(Shelf shelf, const std::string& name) const;
    std::filesystem::path path_of(Shelf shelf, const std::string& name) const;
    std::filesystem::path path_of(Shelf shelf) const;

private:
    Spool() = default;
    std::filesystem::path path_;
    UniqueFd root_, shelves_[5];
};

} // namespace dmarace::daemon
