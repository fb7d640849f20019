// SPDX-License-Identifier: GPL-2.0-or-later
// What an ELF file says of itself: the libraries a program needs, and the sections a
// module describes itself with. Pure.
#pragma once

#include "base/error.hpp"
#include "vm/kernels/kernel.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

struct Linkage {
    std::string interpreter;         // PT_INTERP, "" when static
    std::vector<std::string> needed; // DT_NEEDED, in order
};

// What a 64-bit little-endian program or library of that architecture links to.
// Anything else is an error that says what it is.
Result<Linkage> read_linkage(std::string_view elf, const Architecture& architecture);

// A section's bytes, of whatever architecture; empty when there is none of that name.
Result<std::string_view> find_section(std::string_view elf, std::string_view name);

} // namespace dmarace::vm
