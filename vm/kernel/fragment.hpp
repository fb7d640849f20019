// SPDX-License-Identifier: GPL-2.0-or-later
// This file chooses a kernel's configuration: the base fragment of vm/configs
// and its variants. Pure but for read_fragments, which reads the files.
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// "kasan,lockdep" and "lockdep" as sorted names, each once. A name that known
// does not have is Fault::usage.
Result<std::vector<std::string>> choose_variants(const std::vector<std::string>& asked,
                                                 const std::vector<std::string>& known);

// One fragment of several: every option once, as the last of them sets it, in
// the order of first mention. Comments are dropped.
std::string merge_fragments(const std::vector<std::string>& texts);

// The options that the fragment asks for and the finished configuration has
// otherwise, as "CONFIG_X=y": renamed in this kernel, or their dependencies are
// off. An option that is to be off and unknown there is off.
std::vector<std::string> unmet_options(std::string_view fragment, std::string_view config);

// What the configs directory holds besides base.config.
std::vector<std::string> variant_names(const std::filesystem::path& configs);

// base.config, the variants' files and then the user's own, merged.
Result<std::string> read_fragments(const std::filesystem::path& configs,
                                   const std::vector<std::string>& variants,
                                   const std::vector<std::filesystem::path>& own);

} // namespace dmarace::vm
