// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads board files: one virtual machine each, as data. Pure but for
// find_board and board_names, which look into directories.
#pragma once

#include "base/error.hpp"
#include "vm/board/architecture.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// A driver without which the board makes no sense.
struct Need {
    std::string option;     // CONFIG_..., for the message
    std::string module;     // its name as a module
    bool as_module = false; // built in will not do
};

// A disk with a file system that outlives the boots of a run: the guest keeps
// the run's directory on it.
struct DataDisk {
    std::string disk;   // its block node
    std::string device; // what the guest calls it: /dev/vda
    std::string size;   // as mke2fs takes it: 64M
};

struct Board {
    std::string name, summary;
    const Architecture* architecture = &arm64();
    std::string machine, cpu, memory; // QEMU's -M, -cpu, -m
    unsigned smp = 1;
    unsigned clients = 0;            // platform devices added to the device tree
    std::string firmware;            // a file for QEMU's -bios; "" for QEMU's own
    std::vector<std::string> append; // kernel arguments
    bool keep_memory = false;        // memory is a file that outlives a panic
    std::vector<std::string> disks;  // block nodes that keep what is written to them
    std::string root; // the block node that holds a root file system; "" boots an initramfs alone
    std::vector<std::string> blockdevs, devices; // QEMU's -blockdev and -device
    std::vector<std::string> netdevs;            // QEMU's -netdev
    std::optional<DataDisk> data;
    std::vector<std::string> load; // modules that init loads, where they are modules
    std::map<std::string, std::string> parameters; // of those, by name
    std::vector<std::string> offer;                // modules that jobs may load
    std::vector<Need> needs;
};

// file is only used in messages. Errors are Fault::usage, with the line.
Result<Board> parse_board(std::string_view text, const std::string& file);

std::vector<std::string> board_names(const std::filesystem::path& directory);

// A name of the directory's boards, or the path of a board file.
Result<Board> find_board(const std::string& name, const std::filesystem::path& directory);

} // namespace dmarace::vm
