// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "vm/image/initramfs.hpp"
#include "vm/kernels/cache.hpp"

#include <functional>

namespace dmarace::vm {

// A board's root file system is Debian with systemd and udev, made once for a kernel
// and a board's modules; each run works on its own copy. Where its parts come from:
struct RootParts {
    std::filesystem::path packages;     // vm/image/root/packages
    std::filesystem::path finish;       // vm/image/root/finish.sh
    std::filesystem::path files;        // vm/image/root/files: units of the board itself
    std::filesystem::path shutdown;     // vm/image/root/shutdown.sh
    std::filesystem::path second_stage; // the program that runs finish.sh in a guest
    std::filesystem::path installed;    // the arm64 build tree, for cmake --install
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

// The image in the cache; made if it is not there, which takes root rights (for
// debootstrap), the network and some minutes, since packages are configured in
// a guest. contents: the board, its kernel and its init.
Result<std::filesystem::path> find_root(const Cache& cache, const Contents& contents,
                                        const RootParts& parts, const BootGuest& boot);

// A run's own root disk in scratch: a copy of the image with what `cmake --install`
// and modules_install would put there, and the run's own files.
Status install_root(const std::filesystem::path& image, const Contents& contents,
                    const RootParts& parts, const std::filesystem::path& scratch);

// The words of vm/image/root/packages. Pure.
std::vector<std::string> read_packages(const std::string& text);

// Where the board's loader finds the initramfs.
std::string initramfs_inside(const std::string& release);

} // namespace dmarace::vm
