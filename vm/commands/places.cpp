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

Result<fs::path> Places::init() const {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& file :
         {self / "dmarace-vm-init", self / "../libexec/dmarace/dmarace-vm-init"})
        if (fs::exists(file))
            return file;
    return fail(Fault::environment, "dmarace-vm-init is not beside dmarace-vm; build it (cmake "
                                    "--build), which takes aarch64-linux-gnu-g++");
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
