// SPDX-License-Identifier: GPL-2.0-or-later
// Disks of boards: images of an ext4 file system, and the root file system that a board with
// a disk of its own boots from.
#pragma once

#include "base/error.hpp"
#include "vm/image/initramfs.hpp"
#include "vm/kernels/cache.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace dmarace::vm {

// What is put into an image: absolute places inside to files of this host. A file keeps
// its mode and becomes root's.
using Delivery = std::map<std::string, std::filesystem::path>;

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

// The label of a board's root file system, by which the kernel finds it.
inline constexpr const char* kRootLabel = "dmarace-root";
// The file of a block node.
std::filesystem::path disk_file(const std::filesystem::path& directory, const std::string& node);

// A boot of a board's own initramfs, for what only a guest can do.
struct GuestBoot {
    const Kernel* kernel = nullptr; // not owned
    std::filesystem::path initramfs;
    std::filesystem::path disks; // the directory with the root's file; the others are emptied
    std::filesystem::path share, console;
    int output = 1; // where the program's goes
};
// Boots it: "" when its program ended with 0, else how it ended.
using BootGuest = std::function<Result<std::string>(const GuestBoot&)>;

// A board's root file system is Debian with systemd and udev, made once for a kernel
// and a board's modules; each run works on its own copy. This is the image in the cache; made
// if it is not there, which takes root rights (for debootstrap), the network and some
// minutes, since packages are configured in a guest. contents: the board, its kernel and
// its init; project: has vm/image/root, of which it is made.
Result<std::filesystem::path> find_root(const Cache& cache, const Contents& contents,
                                        const std::filesystem::path& project,
                                        const BootGuest& boot);

// A run's own root disk in scratch: a copy of the image with what `cmake --install` of the
// project's arm64 build and modules_install would put there, and the run's own files.
Status install_root(const std::filesystem::path& image, const Contents& contents,
                    const std::filesystem::path& project, const std::filesystem::path& scratch);

// Where the board's loader finds the initramfs.
std::string initramfs_inside(const std::string& release);

} // namespace dmarace::vm
