// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/source_build.hpp"

#include "vm/kernel/build_log.hpp"
#include "vm/kernel/fragment.hpp"
#include "vm/process/process.hpp"
#include "vm/ui/progress.hpp"
#include "vm/ui/say.hpp"
#include "vm/watch/interrupts.hpp"

#include <thread>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMegabytes = 1500; // the largest build directory, all variants on
constexpr const char* kFragment = "dmarace.config";

#ifdef __aarch64__
constexpr const char* kCross = "";
#else
constexpr const char* kCross = "aarch64-linux-gnu-";
#endif

Result<std::string> compiler() {
    const std::string name = std::string(kCross) + "gcc";
    for (const char* program : {"make", "flex", "bison", "bc", name.c_str()})
        if (find_program(program).empty())
            return fail(Fault::environment,
                        fmt::format("building a kernel takes {}, which is not installed; "
                                    "scripts/setup.sh installs it",
                                    program));
    return run_checked({.argv = {name, "-dumpfullversion"}, .environment = {{"LC_ALL", "C"}}},
                       "the compiler's version");
}

// The same source gives the same Image, whoever builds it and when; and a git
// commit does not change the release, which would rebuild every module.
Command make_command(const SourceTree& tree, const fs::path& entry, const char* log) {
    return {.argv = {"make", "-C", tree.directory, "O=" + entry.string(), "ARCH=arm64",
                     std::string("CROSS_COMPILE=") + kCross},
            .environment = {{"LC_ALL", "C"},
                            {"LOCALVERSION", ""},
                            {"KBUILD_BUILD_USER", "dmarace"},
                            {"KBUILD_BUILD_HOST", "dmarace-vm"},
                            {"KBUILD_BUILD_VERSION", "1"},
                            {"KBUILD_BUILD_TIMESTAMP", "1970-01-01"}},
            .log = entry / log};
}

// What a make that ended so tells.
Status judge(int status, const SourceTree& tree, const fs::path& log) {
    if (Interrupts::count() > 0)
        return std::unexpected(
            Error{Fault::environment, "interrupted; what was built so far is kept", EINTR});
    if (status == 0)
        return {};
    const std::string text = read_text(log).value_or("");
    if (const std::string why = host_trouble(text); !why.empty())
        return fail(Fault::environment,
                    fmt::format("the build of {} was stopped by this host: {}; the log is {}",
                                tree.directory.string(), why, log.string()));
    return fail(Fault::untestable,
                fmt::format("{} (Linux {}) does not build; the log is {}{}",
                            tree.directory.string(), tree.version, log.string(), errors_in(text)));
}

// Always from the fragment: a configuration carried on from commit to commit
// would depend on the way there.
Status configure(const SourceTree& tree, const KernelOptions& options, const fs::path& entry) {
    if (auto written = write_text(entry / kFragment, options.fragment); !written)
        return written;
    Command command = make_command(tree, entry, "configure.log");
    command.argv.push_back("KCONFIG_ALLCONFIG=" + (entry / kFragment).string());
    command.argv.emplace_back("allnoconfig");
    std::error_code error;
    fs::remove(command.log, error);
    const auto status = run_showing(command, "configuring Linux " + tree.version);
    if (!status)
        return std::unexpected(status.error());
    if (auto good = judge(*status, tree, command.log); !good)
        return good;
    const auto unmet = unmet_options(options.fragment, read_text(entry / ".config").value_or(""));
    if (!unmet.empty())
        say("Linux {} has other names or conditions for: {}", tree.version, fmt::join(unmet, ", "));
    return {};
}

Status compile(const SourceTree& tree, const KernelOptions& options, const fs::path& entry) {
    Command command = make_command(tree, entry, "build.log");
    const unsigned jobs =
        options.jobs ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
    command.argv.insert(command.argv.end(), {fmt::format("-j{}", jobs), "Image", "modules"});
    std::error_code error;
    fs::remove(command.log, error);
    BuildLog progress(command.log);
    const auto status =
        run_showing(command, "building Linux " + tree.version, [&] { return progress.text(); });
    if (!status)
        return std::unexpected(status.error());
    return judge(*status, tree, command.log);
}

} // namespace

std::string build_name(const SourceTree& tree, const KernelOptions& options,
                       const std::string& compiler_version) {
    Key key;
    key.add(tree.directory.string()).add(options.fragment).add(compiler_version);
    std::string name = tree.directory.filename().string();
    for (const std::string& variant : options.variants)
        name += "-" + variant;
    return name + "-" + key.text();
}

Result<fs::path> build_kernel(const Cache& cache, const SourceTree& tree,
                              const KernelOptions& options) {
    const auto version = compiler();
    if (!version)
        return std::unexpected(version.error());
    const fs::path entry = cache.path("builds") / build_name(tree, options, *version);
    const auto lock = cache.lock_entry(entry, tree.directory.string());
    if (!lock)
        return std::unexpected(lock.error());
    const Interrupts interrupts; // not while we wait for another build
    if (!cache.complete(entry))
        if (auto room = cache.need_space(kMegabytes, "a kernel build"); !room)
            return std::unexpected(room.error());
    std::error_code error;
    fs::create_directories(entry, error);
    if (auto configured = configure(tree, options, entry); !configured)
        return std::unexpected(configured.error());
    if (auto compiled = compile(tree, options, entry); !compiled)
        return std::unexpected(compiled.error());
    if (auto kept = write_text(entry / kHeadersKey, headers_key(tree)); !kept)
        return std::unexpected(kept.error());
    if (auto marked = cache.mark_complete(entry); !marked)
        return std::unexpected(marked.error());
    return entry;
}

} // namespace dmarace::vm
