// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/places.hpp"

#include "vm/ui/say.hpp"

#include <unistd.h>

namespace dmarace::vm {
namespace fs = std::filesystem;

Result<Places> find_places(const std::string& given) {
    const fs::path source = fs::absolute(given.empty() ? DMARACE_SOURCE_DIR : given);
    if (!fs::exists(source / "vm/boards"))
        return fail(given.empty() ? Fault::environment : Fault::usage,
                    source.string() + " is not the dmarace project: give it with --source DIR");
    return Places{source};
}

namespace {

// A static arm64 program that is built beside this one.
Result<fs::path> helper(const char* name) {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& file : {self / name, self / "../libexec/dmarace" / name})
        if (fs::exists(file))
            return file;
    return fail(Fault::environment, fmt::format("{} is not beside dmarace-vm; build it (cmake "
                                                "--build), which takes aarch64-linux-gnu-g++",
                                                name));
}

} // namespace

Result<fs::path> Places::init() const {
    return helper("dmarace-vm-init");
}

Result<RootParts> Places::root_parts() const {
    const auto stage = helper("dmarace-vm-second-stage");
    if (!stage)
        return std::unexpected(stage.error());
    const fs::path root = source / "vm/root";
    return RootParts{root / "packages", root / "finish.sh", root / "files", *stage,
                     source / "build/arm64"};
}

Result<fs::path> Places::program(const std::string& given) const {
    if (!given.empty()) {
        if (fs::is_regular_file(given))
            return fs::absolute(given);
        return fail(Fault::usage, "no program " + given);
    }
    const fs::path built = source / "build/arm64";
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(built, error))
        if (entry.path().filename() == "dmarace" && entry.is_regular_file() &&
            access(entry.path().c_str(), X_OK) == 0)
            return entry.path();
    return fail(Fault::environment,
                fmt::format("no arm64 dmarace in {}: run cmake --preset arm64 && cmake --build "
                            "--preset arm64 in {}, or give --program FILE",
                            built.string(), source.string()));
}

} // namespace dmarace::vm
