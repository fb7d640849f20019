// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/toolchain.hpp"

#include "vm/kernel/suites.hpp"
#include "vm/ui/progress.hpp"
#include "vm/ui/say.hpp"

#include <unistd.h>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSuite = "trixie";
constexpr std::uint64_t kMegabytes = 900;

// The compiler package of the root: a cross compiler unless the host is arm64.
const char* compiler_package() {
#ifdef __aarch64__
    return "gcc-14";
#else
    return "gcc-14-aarch64-linux-gnu";
#endif
}

Status bootstrap(const fs::path& entry) {
    const auto mirrors = host_mirrors();
    if (!mirrors)
        return std::unexpected(mirrors.error());
    const Command command{
        .argv = {"debootstrap", "--variant=minbase",
                 std::string("--include=make,pahole,kmod,perl,") + compiler_package(), kSuite,
                 entry / "root", mirrors->main},
        .environment = {{"DEBIAN_FRONTEND", "noninteractive"}, {"LC_ALL", "C"}},
        .log = entry / "debootstrap.log"};
    const auto status =
        run_showing(command, fmt::format("making the build root ({}, about 500 MB)", kSuite));
    if (!status)
        return std::unexpected(status.error());
    if (*status != 0)
        return fail(Fault::environment, "the build root cannot be made; see " +
                                            command.log.string() +
                                            " (no network, or a mirror without trixie?)");
    std::error_code error;
    fs::remove_all(entry / "root/var/cache/apt", error);
    return {};
}

} // namespace

Result<Toolchain> Toolchain::open(const Cache& cache) {
    if (geteuid() != 0)
        return fail(Fault::environment, "building a module for this kernel takes root (it is built "
                                        "in a chroot); run as root once, the result is cached");
    const fs::path entry = cache.path("toolchain");
    if (cache.complete(entry))
        return Toolchain(entry / "root");
    if (auto room = cache.need_space(kMegabytes, "the build root"); !room)
        return std::unexpected(room.error());
    if (auto empty = cache.start_over(entry); !empty)
        return std::unexpected(empty.error());
    if (auto made = bootstrap(entry); !made)
        return std::unexpected(made.error());
    if (auto marked = cache.mark_complete(entry); !marked)
        return std::unexpected(marked.error());
    return Toolchain(entry / "root");
}

Result<Jail> Toolchain::jail(std::vector<std::pair<fs::path, fs::path>> binds) const {
    for (const auto& [host, inside] : binds) {
        std::error_code error;
        fs::create_directories(root_ / inside.relative_path(), error);
        if (error)
            return fail(Fault::environment,
                        (root_ / inside.relative_path()).string() + ": " + error.message());
    }
    return Jail{root_, std::move(binds)};
}

} // namespace dmarace::vm
