// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/source_tree.hpp"

#include "vm/cache/cache.hpp"
#include "vm/ui/say.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

// The value of "NAME = value" among a Makefile's first lines.
std::string value_of(std::string_view makefile, const std::string& name) {
    std::istringstream lines{std::string(makefile.substr(0, 1024))};
    std::string line;
    while (std::getline(lines, line)) {
        if (!line.starts_with(name + " ="))
            continue;
        const auto at = line.find_first_not_of(' ', name.size() + 2);
        return at == std::string::npos ? "" : line.substr(at);
    }
    return {};
}

bool built_in_place(const fs::path& directory) {
    return fs::exists(directory / ".config") || fs::exists(directory / "include/config") ||
           fs::exists(directory / "arch/arm64/include/generated");
}

} // namespace

std::string version_of(std::string_view makefile) {
    const std::string major = value_of(makefile, "VERSION"),
                      minor = value_of(makefile, "PATCHLEVEL"),
                      patch = value_of(makefile, "SUBLEVEL");
    if (major.empty() || minor.empty() || patch.empty())
        return {};
    return fmt::format("{}.{}.{}{}", major, minor, patch, value_of(makefile, "EXTRAVERSION"));
}

bool is_source_tree(const fs::path& directory) {
    return fs::exists(directory / "Kconfig") && fs::exists(directory / "Kbuild") &&
           fs::is_directory(directory / "arch");
}

Result<SourceTree> open_source_tree(const fs::path& given) {
    std::error_code error;
    const fs::path directory = fs::canonical(given, error);
    if (error)
        return fail(Fault::usage, given.string() + ": " + error.message());
    const std::string version =
        is_source_tree(directory) ? version_of(read_text(directory / "Makefile").value_or("")) : "";
    if (version.empty())
        return fail(Fault::usage,
                    fmt::format("{} is no kernel source: it takes a git tree, or what `dmarace-vm "
                                "kernel source debian:6.12` unpacks",
                                directory.string()));
    if (!fs::exists(directory / "arch/arm64/Kconfig"))
        return fail(Fault::usage,
                    fmt::format("{} (Linux {}) has no arch/arm64: the boards are arm64",
                                directory.string(), version));
    if (built_in_place(directory))
        return fail(Fault::usage,
                    fmt::format("{} was built in place, which kbuild does not mix with builds "
                                "elsewhere: run `make ARCH=arm64 mrproper` there, or take another "
                                "worktree (git worktree add)",
                                directory.string()));
    return SourceTree{directory, version};
}

std::string headers_key(const SourceTree& tree) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const char* place : {"include", "arch/arm64/include"})
        for (const auto& entry : fs::recursive_directory_iterator(tree.directory / place, error))
            if (entry.is_regular_file(error))
                files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    Key key;
    for (const fs::path& file : files)
        key.add(file.lexically_relative(tree.directory).string()).add(read_text(file).value_or(""));
    return key.text();
}

} // namespace dmarace::vm
