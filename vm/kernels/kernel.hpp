// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel and its modules, and what their files say of themselves.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// What differs between boards and kernels of one architecture and another: a row
// of a table each.
struct Architecture {
    std::string_view name;    // as Debian calls it, and boards and kernels are given it
    std::string_view kbuild;  // ARCH=
    std::string_view triplet; // of compilers and of Debian's library directories
    std::string_view image;   // in a build tree
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

struct Linkage {
    std::string interpreter;         // PT_INTERP, "" when static
    std::vector<std::string> needed; // DT_NEEDED, in order
};

// What a 64-bit little-endian program or library of that architecture links to.
// Anything else is an error that says what it is. Pure.
Result<Linkage> read_linkage(std::string_view elf, const Architecture& architecture);

// The bytes of an ELF file's section, of whatever architecture; empty when there is none
// of that name. Pure.
Result<std::string_view> find_section(std::string_view elf, std::string_view name);

// "virtio-net" and "virtio_net" are one module.
std::string module_name(std::string_view name);
// The module that a file "…/virtio-iommu.ko.xz" holds; "" if it is none.
std::string module_of_file(std::string_view file_name);
// The names in the "depends=" word of a module's .modinfo section.
std::vector<std::string> depends_of(std::string_view modinfo);
// The kernel release in its "vermagic=" word, "" if there is none.
std::string release_of(std::string_view modinfo);

struct ModuleFile {
    std::filesystem::path host;   // where it is now, compressed or not
    std::filesystem::path inside; // below lib/modules/RELEASE/, without a compression suffix
};

// Modules by module_name().
using ModuleIndex = std::map<std::string, ModuleFile>;

// A module's bytes, decompressed.
Result<std::string> read_module(const ModuleFile& file);

// The wanted modules with all they depend on, each after its dependencies.
// Names the index does not have are left out: they are built in, or a Need says.
Result<std::vector<std::string>> closure(const ModuleIndex& index,
                                         const std::vector<std::string>& wanted);

// In a build directory of ours: the key of the headers it was built with.
constexpr const char* kHeadersKey = "dmarace.headers";

// The module that boots are for.
inline constexpr const char* kOurModule = "dmarace.ko";

struct Kernel {
    std::string name;    // as the user wrote it: debian:6.12, or a path
    std::string release; // uname -r
    std::string version; // of the package; "" when it is none
    std::string source;  // where it comes from, in words
    const Architecture* architecture = &arm64();
    std::filesystem::path image;
    ModuleIndex modules;
    std::set<std::string> builtin; // module_name() of what modules.builtin lists
    std::string config;            // the text of its .config; "" if unknown
    // What modules are built against: a build tree or headers; "" if there is
    // neither. prefix is what its absolute paths are looked up below.
    std::filesystem::path build, prefix;
    std::filesystem::path ready_module; // a dmarace.ko that came with it
};

// A directory with an Image (or vmlinuz) and modules, or a kernel build tree.
// Errors say what was looked for.
Result<Kernel> open_kernel(const std::filesystem::path& directory);
Result<Kernel> open_directory(const std::filesystem::path& directory);

// A driver without which a board makes no sense.
struct Need {
    std::string option;     // CONFIG_..., for the message
    std::string module;     // its name as a module
    bool as_module = false; // built in will not do
};

// Whether the kernel has the driver, built in or as a module.
bool has_driver(const Kernel& kernel, const Need& need);

} // namespace dmarace::vm
