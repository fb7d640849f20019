// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/places.hpp"

#include "vm/kernels/say.hpp"

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

Result<fs::path> Places::init(const Architecture& architecture) const {
    const std::string name = "dmarace-vm-init-" + std::string(architecture.name);
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const fs::path& file : {self / name, self / "../libexec/dmarace" / name})
        if (fs::exists(file))
            return file;
    return fail(Fault::environment, fmt::format("{} is not beside dmarace-vm; build it (cmake "
                                                "--build), which takes {}-g++",
                                                name, architecture.triplet));
}

RootParts Places::root_parts() const {
    const fs::path root = source / "vm/image/root";
    return {root / "packages", root / "finish.sh", root / "files", root / "shutdown.sh",
            source / "build/arm64"};
}

Result<fs::path> Places::program(const std::string& given, const Architecture& architecture) const {
    const fs::path built = source / "build" / architecture.name;
    std::error_code error;
    if (fs::is_regular_file(given, error))
        return fs::absolute(given);
    if (fs::is_regular_file(built / given, error))
        return built / given;
    if (!given.empty())
        return fail(Fault::usage,
                    fmt::format("no program {}, neither here nor in {}", given, built.string()));
    for (const auto& entry : fs::recursive_directory_iterator(built, error))
        if (entry.path().filename() == "dmarace" && entry.is_regular_file() &&
            access(entry.path().c_str(), X_OK) == 0)
            return entry.path();
    return fail(Fault::environment,
                fmt::format("no {0} dmarace in {1}: run cmake --preset {0} && cmake --build "
                            "--preset {0} in {2}, or give --program FILE",
                            architecture.name, built.string(), source.string()));
}

} // namespace dmarace::vm
