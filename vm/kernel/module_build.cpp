// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/module_build.hpp"

#include "vm/kernel/build_log.hpp"
#include "vm/kernel/toolchain.hpp"
#include "vm/process/process.hpp"
#include "vm/ui/progress.hpp"
#include "vm/ui/say.hpp"
#include "vm/watch/interrupts.hpp"

#include <algorithm>
#include <charconv>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kRootGcc = 14; // what the build root has
constexpr const char* kInside = "/dmarace";

bool is_source(const fs::path& file) {
    const std::string name = file.filename().string();
    return name == "Kbuild" || name == "Makefile" || file.extension() == ".c" ||
           file.extension() == ".h" || file.extension() == ".S";
}

// Kbuild and kmod/, without what an earlier build left there.
Result<std::vector<fs::path>> source_files(const fs::path& source) {
    if (!fs::exists(source / "Kbuild"))
        return fail(Fault::environment, source.string() + " has no Kbuild: give the project "
                                                          "directory with --source DIR");
    std::vector<fs::path> files{"Kbuild"};
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(source / "kmod", error))
        if (entry.is_regular_file() && is_source(entry.path()) &&
            !entry.path().string().ends_with(".mod.c"))
            files.push_back(entry.path().lexically_relative(source));
    std::sort(files.begin(), files.end());
    return files;
}

Result<std::string> key_of(const Kernel& kernel, const fs::path& source,
                           const std::vector<fs::path>& files) {
    Key key;
    key.add(kernel.release).add(kernel.version).add(kernel.build.string()).add(kernel.config);
    for (const char* name : {"Module.symvers", "include/generated/compile.h", kHeadersKey})
        key.add(read_text(kernel.build / name).value_or(""));
    for (const fs::path& file : files) {
        const auto text = read_text(source / file);
        if (!text)
            return std::unexpected(text.error());
        key.add(file.string()).add(*text);
    }
    return key.text();
}

Status copy_files(const fs::path& source, const std::vector<fs::path>& files, const fs::path& to) {
    for (const fs::path& file : files) {
        std::error_code error;
        fs::create_directories((to / file).parent_path(), error);
        fs::copy_file(source / file, to / file, error);
        if (error)
            return fail(Fault::environment, (to / file).string() + ": " + error.message());
    }
    return {};
}

// Debian's headers name each other by /usr/src/..., so they are shown there.
bool is_debian_headers(const Kernel& kernel) {
    const std::string makefile = read_text(kernel.build / "Makefile").value_or("");
    return makefile.find("include /usr/src/") != std::string::npos;
}

using Binds = std::vector<std::pair<fs::path, fs::path>>;

Binds debian_binds(const fs::path& prefix) {
    Binds binds{{prefix / "usr/src", "/usr/src"}};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(prefix / "usr/lib", error))
        if (entry.path().filename().string().starts_with("linux-kbuild-"))
            binds.emplace_back(entry.path(), "/usr/lib" / entry.path().filename());
    return binds;
}

// A build tree is shown where it is on the host: its files may say so. With
// O=, its "source" link leads to a second directory.
Binds tree_binds(const fs::path& build) {
    Binds binds{{build, build}};
    std::error_code error;
    if (const fs::path source = fs::canonical(build / "source", error); !error && source != build)
        binds.emplace_back(source, source);
    return binds;
}

Command make_command(const Architecture& target, const fs::path& build, const fs::path& work,
                     const std::string& compiler, const fs::path& log) {
    const std::string prefix =
        host_architecture() == &target ? "" : std::string(target.triplet) + "-";
    return {.argv = {"make", "-C", build, "M=" + work.string(),
                     "ARCH=" + std::string(target.kbuild), "CROSS_COMPILE=" + prefix,
                     "CC=" + prefix + compiler, "-j2", "modules"},
            .environment = {{"LC_ALL", "C"}},
            .log = log};
}

// How the module is built for this kernel: with this host's compiler if the
// kernel was, else in the build root.
Result<Command> plan(const Cache& cache, const Kernel& kernel, const fs::path& work,
                     const fs::path& log) {
    const bool debian = is_debian_headers(kernel);
    const Architecture& target = *kernel.architecture;
    const std::string host_gcc = std::string(target.triplet) + "-gcc";
    const unsigned major = gcc_major(kernel.config);
    const auto host_version =
        run({.argv = {host_gcc, "-dumpversion"}, .environment = {{"LC_ALL", "C"}}});
    const std::string host = host_version ? host_version->output : "";
    const bool fits_host = !debian && (std::to_string(major) + "\n" == host || major != kRootGcc);
    if (fits_host) {
        if (std::to_string(major) + "\n" != host)
            say("kernel {} was built by another compiler (gcc {}) than {} here; trying",
                kernel.release, major, host_gcc);
        return make_command(target, kernel.build, work, "gcc", log);
    }
    auto toolchain = Toolchain::open(cache, target);
    if (!toolchain)
        return std::unexpected(toolchain.error());
    Binds binds = debian ? debian_binds(kernel.prefix) : tree_binds(kernel.build);
    binds.emplace_back(work, kInside);
    auto jail = toolchain->jail(std::move(binds));
    if (!jail)
        return std::unexpected(jail.error());
    const fs::path build = debian ? fs::path("/usr/src") / kernel.build.filename() : kernel.build;
    Command command = make_command(target, build, kInside, "gcc-14", log);
    command.jail = *jail;
    return command;
}

Status build(const Cache& cache, const Kernel& kernel, const fs::path& source,
             const std::vector<fs::path>& files, const fs::path& entry) {
    const fs::path work = entry / "build", log = entry / "build.log";
    if (auto copied = copy_files(source, files, work); !copied)
        return copied;
    const auto command = plan(cache, kernel, work, log);
    if (!command)
        return std::unexpected(command.error());
    const auto status = run_showing(*command, "building the module for " + kernel.release);
    if (!status)
        return std::unexpected(status.error());
    if (Interrupts::count() > 0)
        return fail_errno("interrupted", EINTR);
    std::error_code error;
    for (const auto& file : fs::directory_iterator(work))
        if (*status == 0 && file.path().extension() == ".ko")
            fs::rename(file.path(), entry / file.path().filename(), error);
    const std::string text = read_text(log).value_or("");
    if (const std::string why = host_trouble(text); *status != 0 && !why.empty())
        return fail(Fault::environment,
                    fmt::format("the build of the module was stopped by this host: {}; the log is "
                                "{}",
                                why, log.string()));
    if (*status != 0 || error || !fs::exists(entry / "dmarace.ko"))
        return fail(Fault::untestable, fmt::format("the module does not build for {}; the log is "
                                                   "{}{}",
                                                   kernel.release, log.string(), errors_in(text)));
    fs::remove_all(work, error);
    return cache.mark_complete(entry);
}

std::vector<fs::path> built_in(const fs::path& entry) {
    std::vector<fs::path> modules{entry / "dmarace.ko"};
    for (const auto& file : fs::directory_iterator(entry))
        if (file.path().extension() == ".ko" && file.path().filename() != "dmarace.ko")
            modules.push_back(file.path());
    return modules;
}

} // namespace

unsigned gcc_major(std::string_view config) {
    constexpr std::string_view kKey = "CONFIG_GCC_VERSION=";
    const auto at = config.find(kKey);
    unsigned version = 0;
    if (at != std::string_view::npos)
        std::from_chars(config.data() + at + kKey.size(), config.data() + config.size(), version);
    return version / 10000;
}

Result<std::vector<fs::path>> build_modules(const Cache& cache, const Kernel& kernel,
                                            const fs::path& source) {
    if (kernel.build.empty()) {
        if (!kernel.ready_module.empty())
            return std::vector<fs::path>{kernel.ready_module};
        return fail(
            Fault::environment,
            fmt::format("kernel {} ({}) brings neither headers (a lib/modules/{}/build link) "
                        "nor a dmarace.ko beside its Image: add one of them",
                        kernel.name, kernel.release, kernel.release));
    }
    const auto files = source_files(source);
    if (!files)
        return std::unexpected(files.error());
    const auto key = key_of(kernel, source, *files);
    if (!key)
        return std::unexpected(key.error());
    const auto lock = cache.lock("module for " + kernel.release);
    if (!lock)
        return std::unexpected(lock.error());
    const fs::path entry = cache.path("modules") / (kernel.release + "-" + *key);
    if (cache.complete(entry))
        return built_in(entry);
    if (auto empty = cache.start_over(entry); !empty)
        return std::unexpected(empty.error());
    if (auto done = build(cache, kernel, source, *files, entry); !done)
        return std::unexpected(done.error());
    return built_in(entry);
}

} // namespace dmarace::vm
