// SPDX-License-Identifier: GPL-2.0-or-later
// This file is a board's root file system: Debian with systemd and udev, made
// once for a kernel and a board's modules, and what each run installs into its
// own copy of it.
#pragma once

#include "vm/cache/cache.hpp"
#include "vm/initramfs/contents.hpp"
#include "vm/qemu/accel.hpp"

namespace dmarace::vm {

// Where the parts of it come from.
struct RootParts {
    std::filesystem::path packages;     // vm/root/packages
    std::filesystem::path finish;       // vm/root/finish.sh
    std::filesystem::path files;        // vm/root/files: units of the board itself
    std::filesystem::path shutdown;     // vm/root/shutdown.sh
    std::filesystem::path second_stage; // the program that runs finish.sh in a guest
    std::filesystem::path installed;    // the arm64 build tree, for cmake --install
};

// The image in the cache; made if it is not there, which takes root rights (for
// debootstrap), the network and some minutes, since packages are configured in
// a guest. contents: the board, its kernel and its init.
Result<std::filesystem::path> find_root(const Cache& cache, const Contents& contents,
                                        const RootParts& parts, const Accel& accel);

// A run's own root disk in scratch: a copy of the image with what `cmake --install`
// and modules_install would put there, and the run's own files.
Status install_root(const std::filesystem::path& image, const Contents& contents,
                    const RootParts& parts, const std::filesystem::path& scratch);

// The words of vm/root/packages. Pure.
std::vector<std::string> read_packages(const std::string& text);

// Where the board's loader finds the initramfs.
std::string initramfs_inside(const std::string& release);

} // namespace dmarace::vm
