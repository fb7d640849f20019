// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace dmarace::vm {

// What is fetched or built once, each in a directory of its own that carries a
// marker when it is complete.
class Cache {
public:
    // choice: --cache, or "" for $DMARACE_CACHE, for root /var/cache/dmarace,
    // else $XDG_CACHE_HOME/dmarace or ~/.cache/dmarace.
    static Result<Cache> open(const std::string& choice);

    std::filesystem::path path(std::string_view relative) const { return root_ / relative; }

    // An entry is complete when its marker was written; all else is redone.
    bool complete(const std::filesystem::path& entry) const;
    Status mark_complete(const std::filesystem::path& entry) const;
    // An empty directory for an entry that is to be filled.
    Status start_over(const std::filesystem::path& entry) const;

    // Fills an entry anew, in an empty directory: fails, with the remedy, when fewer than so
    // many megabytes are free; 'make' leaves it complete.
    Status fill(const std::filesystem::path& entry, std::uint64_t megabytes, std::string_view what,
                const std::function<Status()>& make) const;

    // One of us at a time fetches or builds; waits for the other, saying so. What
    // takes long and needs nothing of the rest has a lock file of its own.
    Result<UniqueFd> lock(std::string_view what, const char* file = "lock") const;
    // The same for one entry alone, where the work takes minutes.
    Result<UniqueFd> lock_entry(const std::filesystem::path& entry, std::string_view what) const;
    // Fails, with the remedy, when fewer than so many megabytes are free.
    Status need_space(std::uint64_t megabytes, std::string_view what) const;

private:
    explicit Cache(std::filesystem::path root) : root_(std::move(root)) {}
    std::filesystem::path root_;
};

// A key for a cache entry: FNV-1a over all that was added, in 16 hex digits.
class Key {
public:
    Key& add(std::string_view bytes);
    std::string text() const;

private:
    std::uint64_t hash_ = 0xcbf29ce484222325;
};

// A directory dmarace-vm-XXXXXX that goes away with us unless it is kept. Its
// file ".owner" is locked as long as we live.
class TemporaryDirectory {
public:
    // parent: where; "" for the system's temporary directory.
    static Result<TemporaryDirectory> make(std::filesystem::path parent = {});
    TemporaryDirectory(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
    ~TemporaryDirectory();

    const std::filesystem::path& path() const { return path_; }
    // From here on it is nobody's: it stays, and is never swept.
    std::filesystem::path keep();

private:
    TemporaryDirectory(std::filesystem::path path, UniqueFd owner)
        : path_(std::move(path)), owner_(std::move(owner)) {}
    std::filesystem::path path_;
    UniqueFd owner_;
};

// Removes directories of that kind below parent whose owner is dead and of which
// worth_keeping says no. Other users' and those without an owner file are left.
void sweep_temporary(const std::function<bool(const std::filesystem::path&)>& worth_keeping,
                     std::filesystem::path parent = {});

} // namespace dmarace::vm
