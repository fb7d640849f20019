// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/toolchain.hpp"

#include "vm/kernel/suites.hpp"
#include "vm/ui/progress.hpp"
#include "vm/ui/say.hpp"

#include <unistd.h>

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSuite = "trixie";
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
    const auto mirrors = host_mirrors();
    if (!mirrors)
        return std::unexpected(mirrors.error());
    const Command command{
        .argv = {"debootstrap", "--variant=minbase",
                 std::string("--include=make,pahole,kmod,perl,") + compiler_package(target), kSuite,
                 entry / "root", mirrors->main},
        .environment = {{"DEBIAN_FRONTEND", "noninteractive"}, {"LC_ALL", "C"}},
        .log = entry / "debootstrap.log"};
    const auto status =
        run_showing(command, fmt::format("making the build root for {} ({}, about 500 MB)",
                                         target.name, kSuite));
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

Result<Toolchain> Toolchain::open(const Cache& cache, const Architecture& target) {
    if (geteuid() != 0)
        return fail(Fault::environment, "building a module for this kernel takes root (it is built "
                                        "in a chroot); run as root once, the result is cached");
    const fs::path entry = cache.path(
        &target == &arm64() ? std::string("toolchain") : "toolchain-" + std::string(target.name));
    if (cache.complete(entry))
        return Toolchain(entry / "root");
    if (auto room = cache.need_space(kMegabytes, "the build root"); !room)
        return std::unexpected(room.error());
    if (auto empty = cache.start_over(entry); !empty)
        return std::unexpected(empty.error());
    if (auto made = bootstrap(entry, target); !made)
        return std::unexpected(made.error());
    if (auto marked = cache.mark_complete(entry); !marked)
        return std::unexpected(marked.error());
    return Toolchain(entry / "root");
}

Result<Jail> Toolchain::jail(std::vector<std::pair<fs::path, fs::path>> binds) const {
    binds.emplace_back("/proc", "/proc"); // objtool of 7.3 reads its own limits there
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
