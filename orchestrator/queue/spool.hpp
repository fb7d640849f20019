// SPDX-License-Identifier: GPL-2.0-or-later
// The queue of dmaraced on the disk: entries, each a file that names a job and the
// options of its run or that is a job itself, and the shelves that they move over.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace dmarace::queue {

struct Entry {
    std::string job; // a name of the library, or a path; "" when the file is the job itself
    std::vector<std::string> args;
    // Of one that an event has started: the entry in trigger/, and the event.
    std::string trigger{}, event{};
};

// Reads an entry:   job = "late-probe"   args = ["--iterations", "20"]
// A file without 'job' is taken for a job, which dmarace itself will check. An
// option that the daemon gives itself (--out, --resume ..) is Fault::usage.
Result<Entry> parse_entry(const std::string& text, const std::string& file);
std::string to_text(const Entry& entry);

// A file's name for an entry: it sorts by time, and holds no odd letter.
// 'stamp' is nanoseconds since 1970.
std::string entry_name(std::uint64_t stamp, const std::string& job);
// .. of now.
std::string entry_name(const std::string& job);
// Ends in .toml and holds only letters, digits, '.', '-', '_' and '+'.
bool is_entry_name(const std::string& name);
// What becomes of another one.
inline constexpr const char* kOddName =
    "is not run: the name of an entry ends in .toml and holds only letters, digits, '.', '-', '_' "
    "and '+'";

// How an entry ended.
struct EntryEnd {
    std::string verdict; // of its run, or why there is none
    int exit = 0;        // of its dmarace
    std::int64_t seconds = 0;
    std::string ended{}; // ISO 8601, UTC
};

inline constexpr const char* kSpool = "/var/spool/dmarace";

enum class Shelf { fresh, running, done, bad, trigger };
std::string_view to_text(Shelf shelf); // "new", "run", "done", "bad", "trigger"

// new/ waits, run/ holds what runs, done/ what ended, bad/ what was refused, trigger/
// what waits for an event of udev. A rename moves an entry on, so that a power cut
// leaves each in one place. Nothing in it is followed through a symbolic link.
class Spool {
public:
    // Makes what is missing, 0700. A directory that is a link, belongs to
    // somebody else or lets others in is refused.
    static Result<Spool> open(const std::filesystem::path& path);

    // Names of entries, oldest first.
    std::vector<std::string> list(Shelf shelf) const;
    // Files in new/ that can be no entries, for their names.
    std::vector<std::string> odd_names() const;
    // The text of an entry. A link, a file of another owner or one over 64 KiB is
    // Fault::usage.
    Result<std::string> read(Shelf shelf, const std::string& name) const;
    // .. and what it says.
    Result<Entry> entry(Shelf shelf, const std::string& name) const;
    Status move(const std::string& name, Shelf from, Shelf to) const;
    // A whole new entry, on the disk when this returns; it appears at once.
    Status add(const std::string& name, const std::string& text) const;
    Status remove(Shelf shelf, const std::string& name) const;
    // In done/, beside the entry; nothing of one that an older daemon has ended.
    Status put_end(const std::string& name, const EntryEnd& end) const;
    std::optional<EntryEnd> end_of(const std::string& name) const;
    // Why nothing further is begun, "" while it is: what ails the machine would ail the next
    // entry too.
    Status stop(const std::string& why) const;
    std::string stopped() const;
    Status go_on() const;
    std::filesystem::path path_of(Shelf shelf, const std::string& name) const;
    std::filesystem::path path_of(Shelf shelf) const;

private:
    Spool() = default;
    std::vector<std::string> names(Shelf shelf, bool (*fits)(const std::string& name)) const;
    std::filesystem::path path_;
    UniqueFd root_, shelves_[5];
};

} // namespace dmarace::queue
