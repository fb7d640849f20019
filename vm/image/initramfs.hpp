// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "vm/kernels/kernel.hpp"

#include <map>
#include <optional>

namespace dmarace::vm {

// A disk with a file system that outlives the boots of a run: the guest keeps
// the run's directory on it.
struct DataDisk {
    std::string disk;   // its block node
    std::string device; // what the guest calls it: /dev/vda
    std::string size;   // as mke2fs takes it: 64M
};

// What the images of a board depend on.
struct GuestSpec {
    const Architecture* architecture = &arm64();
    std::string root; // the block node that holds a root file system; "" boots an initramfs alone
    std::optional<DataDisk> data;
    std::vector<std::string> load; // modules that init loads, where they are modules
    std::map<std::string, std::string> parameters; // of those, by name
    std::vector<std::string> offer;                // modules that jobs may load
    std::vector<Need> needs;
};

// What a virtual board boots into: init, the program, its libraries, the job library,
// and the modules the board needs.
struct Contents {
    const Kernel* kernel = nullptr;                     // not owned
    const GuestSpec* board = nullptr;                   // not owned
    std::filesystem::path init;                         // the static init
    std::filesystem::path program;                      // dmarace, or another
    std::vector<std::filesystem::path> also;            // programs beside it in /usr/bin
    std::filesystem::path jobs;                         // directory of job files; may be absent
    std::map<std::string, std::filesystem::path> given; // the user's own: place inside to file
    std::vector<std::filesystem::path> modules;         // ours: dmarace.ko and the like
};

// What differs from boot to boot.
struct Launch {
    std::vector<std::string> arguments; // of the program
    std::map<std::string, std::string> environment;
};

// The same for a board that has it in a directory instead: file name to text.
std::map<std::string, std::string> launch_files(const Contents& contents, const Launch& launch);

// Packs file. scratch is an empty directory for the module tree (depmod reads
// it); the caller removes it.
Status pack(const Contents& contents, const Launch& launch, const std::filesystem::path& file,
            const std::filesystem::path& scratch);

// The board's modules and ours as files below directory/lib/modules/RELEASE,
// unpacked, with depmod's indices.
Status stage_tree(const Contents& contents, const std::filesystem::path& directory);

// The modules of the kernel that the board gets, with what they depend on.
Result<std::vector<std::string>> board_modules(const Contents& contents);

// The libraries a program needs, by DT_NEEDED, each with the path it gets
// inside. Looks where Debian keeps libraries of the architecture.
Result<std::map<std::string, std::filesystem::path>>
find_libraries(const std::filesystem::path& program, const Architecture& architecture);

} // namespace dmarace::vm
