// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Binds = std::vector<std::pair<fs::path, fs::path>>; // of a jail

constexpr const char* kSuite = "trixie";
constexpr unsigned kRootGcc = 14; // what it has
constexpr std::uint64_t kMegabytes = 900;

// The compiler package of the root: a cross compiler unless the host is of the
// kernel's architecture. Debian's package names have no underscores.
std::string compiler_package(const Architecture& target) {
    if (host_architecture() == &target)
        return "gcc-14";
    std::string name = "gcc-14-" + std::string(target.triplet);
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

Status bootstrap(const fs::path& entry, const Architecture& target) {
    TRY_AS(const auto mirrors, host_mirrors());
    const Command command{
        .argv = {"debootstrap", "--variant=minbase",
                 std::string("--include=make,pahole,kmod,perl,") + compiler_package(target), kSuite,
                 entry / "root", mirrors.main},
        .environment = {{"DEBIAN_FRONTEND", "noninteractive"}, {"LC_ALL", "C"}},
        .log = entry / "debootstrap.log"};
    TRY_AS(const auto status,
           run_showing(command, fmt::format("making the build root for {} ({}, about 500 MB)",
                                            target.name, kSuite)));
    if (status != 0)
        return fail(Fault::environment, "the build root cannot be made; see " +
                                            command.log.string() +
                                            " (no network, or a mirror without trixie?)");
    std::error_code error;
    fs::remove_all(entry / "root/var/cache/apt", error);
    return {};
}

// The build root: a small Debian trixie in the cache that modules for an architecture are
// built in, so that this host's compiler and C library need not match those of the kernel.
// It is made unless it is there. Making it and building in it take root.
Result<fs::path> find_build_root(const Cache& cache, const Architecture& target) {
    if (geteuid() != 0)
        return fail(Fault::environment, "building a module for this kernel takes root (it is built "
                                        "in a chroot); run as root once, the result is cached");
    const fs::path entry = cache.path(
        &target == &arm64() ? std::string("toolchain") : "toolchain-" + std::string(target.name));
    if (!cache.complete(entry))
        TRY(cache.fill(entry, kMegabytes, "the build root",
                       [&] { return bootstrap(entry, target); }));
    return entry / "root";
}

// Shows host directories inside the root. The mount points are made.
Result<Jail> jail(const fs::path& root, Binds binds) {
    binds.emplace_back("/proc", "/proc"); // objtool of 7.3 reads its own limits there
    for (const auto& [host, inside] : binds) {
        std::error_code error;
        fs::create_directories(root / inside.relative_path(), error);
        if (error)
            return fail(Fault::environment,
                        (root / inside.relative_path()).string() + ": " + error.message());
    }
    return Jail{root, std::move(binds)};
}

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
        TRY_AS(const auto text, read_text(source / file));
        key.add(file.string()).add(text);
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

// With the programs of LLVM that the kernel was built with: of the same version, if they
// are here under its name.
Command llvm_command(const Kernel& kernel, const fs::path& work, const fs::path& log) {
    const std::string suffix = fmt::format("-{}", clang_major(kernel.config));
    const bool named = !find_program("clang" + suffix).empty();
    if (!named)
        say("kernel {} was built by clang{}, which is not here; trying clang", kernel.release,
            suffix);
    return {.argv = {"make", "-C", kernel.build, "M=" + work.string(),
                     "ARCH=" + std::string(kernel.architecture->kbuild),
                     "LLVM=" + (named ? suffix : "1"), "-j2", "modules"},
            .environment = {{"LC_ALL", "C"}},
            .log = log};
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
    if (clang_major(kernel.config) != 0)
        return llvm_command(kernel, work, log);
    const bool debian = is_debian_headers(kernel);
    const Architecture& target = *kernel.architecture;
    const std::string host_gcc = std::string(target.triplet) + "-gcc";
    const unsigned major = gcc_major(kernel.config);
    const auto host_version =
        run_to_end({.argv = {host_gcc, "-dumpversion"}, .environment = {{"LC_ALL", "C"}}});
    const std::string host = host_version ? host_version->output : "";
    const bool fits_host = !debian && (std::to_string(major) + "\n" == host || major != kRootGcc);
    if (fits_host) {
        if (std::to_string(major) + "\n" != host)
            say("kernel {} was built by another compiler (gcc {}) than {} here; trying",
                kernel.release, major, host_gcc);
        return make_command(target, kernel.build, work, "gcc", log);
    }
    TRY_AS(const auto root, find_build_root(cache, target));
    Binds binds = debian ? debian_binds(kernel.prefix) : tree_binds(kernel.build);
    binds.emplace_back(work, kInside);
    TRY_AS(auto made, jail(root, std::move(binds)));
    const fs::path build = debian ? fs::path("/usr/src") / kernel.build.filename() : kernel.build;
    Command command = make_command(target, build, kInside, "gcc-14", log);
    command.jail = std::move(made);
    return command;
}

Status build(const Cache& cache, const Kernel& kernel, const fs::path& source,
             const std::vector<fs::path>& files, const fs::path& entry) {
    const fs::path work = entry / "build", log = entry / "build.log";
    TRY(copy_files(source, files, work));
    TRY_AS(const auto command, plan(cache, kernel, work, log));
    const auto status = run_showing(command, "building the module for " + kernel.release);
    if (!status)
        return std::unexpected(status.error());
    if (InterruptCount::count() > 0)
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
    if (*status != 0 || error || !fs::exists(entry / kOurModule))
        return fail(Fault::untestable, fmt::format("the module does not build for {}; the log is "
                                                   "{}{}",
                                                   kernel.release, log.string(), errors_in(text)));
    fs::remove_all(work, error);
    return {};
}

std::vector<fs::path> built_in(const fs::path& entry) {
    std::vector<fs::path> modules{entry / kOurModule};
    for (const auto& file : fs::directory_iterator(entry))
        if (file.path().extension() == ".ko" && file.path().filename() != kOurModule)
            modules.push_back(file.path());
    return modules;
}

} // namespace

namespace {

// A version's first number in a line "KEY=190107"; 0 when it is not there.
unsigned major_in(std::string_view config, std::string_view key) {
    const auto at = config.find(key);
    unsigned version = 0;
    if (at != std::string_view::npos)
        std::from_chars(config.data() + at + key.size(), config.data() + config.size(), version);
    return version / 10000;
}

} // namespace

unsigned gcc_major(std::string_view config) { return major_in(config, "CONFIG_GCC_VERSION="); }

unsigned clang_major(std::string_view config) { return major_in(config, "CONFIG_CLANG_VERSION="); }

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
    TRY_AS(const auto files, source_files(source));
    TRY_AS(const auto key, key_of(kernel, source, files));
    TRY_AS(const auto lock, cache.lock("module for " + kernel.release));
    const fs::path entry = cache.path("modules") / (kernel.release + "-" + key);
    if (!cache.complete(entry))
        TRY(cache.fill(entry, 0, "the module",
                       [&] { return build(cache, kernel, source, files, entry); }));
    return built_in(entry);
}

} // namespace dmarace::vm
