// SPDX-License-Identifier: GPL-2.0-or-later
// This file knows a kernel's modules: where they are and what each depends on.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

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

// Every module below a directory; inside is relative to it.
ModuleIndex index_directory(const std::filesystem::path& directory);
// Every module that a build tree's modules.order lists.
Result<ModuleIndex> index_tree(const std::filesystem::path& tree);

// A module's bytes, decompressed.
Result<std::string> read_module(const ModuleFile& file);

// The wanted modules with all they depend on, each after its dependencies.
// Names the index does not have are left out: they are built in, or a Need says.
Result<std::vector<std::string>> closure(const ModuleIndex& index,
                                         const std::vector<std::string>& wanted);

} // namespace dmarace::vm
