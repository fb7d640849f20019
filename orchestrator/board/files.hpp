// SPDX-License-Identifier: GPL-2.0-or-later
// Reads and writes the small text files of /sys and /proc under one
// root, so that tests can hand in a tree of their own.
#pragma once

#include "base/error.hpp"
#include "base/files.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::board {

class Files {
public:
    explicit Files(const std::filesystem::path& root = "/") : root_(root) {}
    // The same tree, in which every write() is refused with EROFS.
    Files read_only() const;

    // The whole file, trailing newline taken off.
    Result<std::string> read(std::string_view path) const;
    // One write() of the value, as sysfs wants it; os_error is the kernel's answer.
    Status write(std::string_view path, std::string_view value) const;
    // A descriptor of the file, or -1 with errno set.
    UniqueFd open(std::string_view path, int flags) const;
    // Names in a directory, sorted; empty when there is no such directory.
    std::vector<std::string> list(std::string_view path) const;
    // Directories in it, no links to such.
    std::vector<std::string> directories(std::string_view path) const;
    bool exists(std::string_view path) const;
    // Does its mode let the owner write? (Root may open what is read-only.)
    bool has_write_mode(std::string_view path) const;
    // Is the file system it is on mounted read-only?
    bool on_read_only(std::string_view path) const;
    // The last component of what a symbolic link names; "" when there is none.
    std::string link_name(std::string_view path) const;
    // The path with every link followed, without the root; "" when there is none.
    std::string real_path(std::string_view path) const;

private:
    std::string at(std::string_view path) const;
    std::vector<std::string> entries(std::string_view path, auto fits) const;
    std::string root_;
    bool writable_ = true;
};

} // namespace dmarace::board
