// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes directories that are ours for a while, and removes those that
// a killed dmarace-vm left behind.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <functional>

namespace dmarace::vm {

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
