// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

// What is put into an image: absolute places inside to files of this host. A
// file keeps its mode and becomes root's.
struct Delivery {
    std::map<std::string, std::filesystem::path> files;
    std::map<std::string, std::string> links; // place to where it leads
};

// debugfs's commands for it: parents are made, what lies there is replaced. Pure.
std::string debugfs_commands(const Delivery& delivery);
// The first complaint of debugfs that is no mere "there already", "not there yet"
// or "not yours" (a copy by one who is not root); "" if there is none. Pure.
std::string debugfs_trouble(const std::string& errors);

// A disk image with an ext4 file system, worked on through e2fsprogs: nothing is
// mounted, and no root rights are needed for an image of one's own.
class Image {
public:
    explicit Image(std::filesystem::path file) : file_(std::move(file)) {}

    // A new one of so many megabytes, with all that is below tree.
    Status make(const std::filesystem::path& tree, std::uint64_t megabytes,
                const std::string& label) const;
    // What a guest that died left in the file system's log is carried out, as a
    // mount would do; without it files may be read as they were before.
    Status replay() const;
    Status put(const Delivery& delivery, const std::filesystem::path& scratch) const;
    // Copies a file out of it. Fault::environment when it is not there.
    Status take(const std::string& inside, const std::filesystem::path& to) const;
    // Copies a directory out of it, to its name below a directory of this host.
    // Nothing is copied when it is not there.
    Status take_tree(const std::string& inside, const std::filesystem::path& below) const;

private:
    std::filesystem::path file_;
};

} // namespace dmarace::vm
