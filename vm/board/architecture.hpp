// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what differs between boards of one architecture and another: one
// row of a table each. Pure.
#pragma once

#include "base/error.hpp"

#include <span>
#include <string>
#include <string_view>

namespace dmarace::vm {

struct Architecture {
    std::string_view name;    // as Debian calls it, and boards and kernels are given it
    std::string_view kbuild;  // ARCH=
    std::string_view triplet; // of compilers and of Debian's library directories
    std::string_view image;   // in a build tree
    std::string_view machine; // of uname -m
    unsigned short elf;       // e_machine
    std::string_view qemu;    // the program; qemu_package has it
    std::string_view qemu_package;
    std::string_view console; // console= of the kernel
    // The shared directory's device, with what it is plugged into: outside every
    // IOMMU, so that no job cuts the wire it reports on.
    std::span<const std::string_view> wire; // QEMU's -device, each
    std::string_view wire_module;           // the driver of its transport
    std::string_view wire_option;           // and that one's CONFIG_...
};

std::span<const Architecture> architectures();
const Architecture& arm64();
// The architecture this program was built for; nullptr for one without boards.
const Architecture* host_architecture();
// Fault::usage for an unknown one, with those there are.
Result<const Architecture*> find_architecture(std::string_view name);

// By the first bytes of a kernel's image; arm64 when they tell nothing. A
// 32-bit ARM kernel is refused with the reason.
Result<const Architecture*> architecture_of_image(std::string_view start);

} // namespace dmarace::vm
