// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/source_fetch.hpp"

#include "vm/kernel/series.hpp"
#include "vm/process/process.hpp"
#include "vm/ui/progress.hpp"
#include "vm/ui/say.hpp"

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kDebian = "debian:";
constexpr std::chrono::seconds kIndexAge{300};
constexpr std::uint64_t kMegabytes = 2300; // the package, the archive in it, the tree

// Which directory below sources/ a series stands for.
fs::path pointer_of(const Cache& cache, const std::string& series) {
    return cache.path("sources") / (series + ".source");
}

// The one tree that an entry holds.
fs::path tree_in(const fs::path& entry) {
    std::error_code error;
    for (const auto& child : fs::directory_iterator(entry, error))
        if (child.is_directory() && child.path().filename().string().starts_with("linux-source-"))
            return child.path();
    return {};
}

Status unpack(const fs::path& entry, const Package& package) {
    const fs::path root = entry / "package",
                   archive = root / "usr/src" / (package.name + ".tar.xz");
    for (const auto& file : fs::directory_iterator(entry / "debs"))
        if (file.path().extension() == ".deb")
            if (auto done = run_checked({.argv = {"dpkg-deb", "-x", file.path(), root}},
                                        "unpacking " + package.name);
                !done)
                return std::unexpected(done.error());
    const Command command{.argv = {"tar", "-xJf", archive, "-C", entry},
                          .log = entry / "unpack.log"};
    const auto status = run_showing(command, "unpacking " + package.name);
    if (!status)
        return std::unexpected(status.error());
    if (*status != 0)
        return fail(Fault::environment,
                    package.name + " does not unpack; see " + command.log.string());
    std::error_code error;
    fs::remove_all(root, error);
    fs::remove_all(entry / "debs", error);
    return {};
}

Status fetch(const Cache& cache, const Suites& suites, const Package& package,
             const fs::path& entry) {
    if (auto room = cache.need_space(kMegabytes, package.name); !room)
        return room;
    if (auto empty = cache.start_over(entry); !empty)
        return empty;
    std::error_code error;
    fs::create_directories(entry / "debs", error);
    if (auto got = suites.download({package.name + "=" + package.version}, entry / "debs"); !got)
        return got;
    if (auto unpacked = unpack(entry, package); !unpacked)
        return unpacked;
    return cache.mark_complete(entry);
}

Result<Package> newest(const Suites& suites, const std::string& series) {
    if (auto updated = suites.update(kIndexAge); !updated)
        return std::unexpected(updated.error());
    const auto packages = suites.source_packages(series);
    if (!packages)
        return std::unexpected(packages.error());
    return choose_source(series, *packages);
}

} // namespace

Result<Package> choose_source(const std::string& series, const std::vector<Package>& packages) {
    const Package* best = nullptr;
    for (const Package& package : packages)
        if (!best || compare_versions(package.version, best->version) > 0)
            best = &package;
    if (!best)
        return fail(
            Fault::environment,
            fmt::format("no package linux-source-{} in the configured suites (vm/suites)", series));
    return *best;
}

Result<fs::path> fetch_source(const Cache& cache, const fs::path& suites,
                              const std::string& series) {
    const fs::path pointer = pointer_of(cache, series);
    if (const auto name = read_text(pointer); name && cache.complete(cache.path("sources") / *name))
        return tree_in(cache.path("sources") / *name);
    const auto open = Suites::open(cache, suites);
    if (!open)
        return std::unexpected(open.error());
    const auto package = newest(*open, series);
    if (!package)
        return std::unexpected(package.error());
    const std::string name = package->name + "_" + package->version;
    const fs::path entry = cache.path("sources") / name;
    if (!cache.complete(entry))
        if (auto got = fetch(cache, *open, *package, entry); !got)
            return std::unexpected(got.error());
    if (auto kept = write_text(pointer, name); !kept)
        return std::unexpected(kept.error());
    return tree_in(entry);
}

Result<std::optional<std::string>> series_of(const std::string& name) {
    if (!name.starts_with(kDebian))
        return std::nullopt;
    const std::string series = name.substr(kDebian.size());
    // It becomes a file name: "6.12" but not "6.12/../..".
    if (series.empty() || series.front() == '.' || series.back() == '.' ||
        series.find_first_not_of("0123456789.") != std::string::npos)
        return fail(Fault::usage, fmt::format("'{}' names no series: write debian:6.12", name));
    return series;
}

Result<fs::path> find_source(const Cache& cache, const fs::path& suites, const std::string& name) {
    const auto series = series_of(name);
    if (!series)
        return std::unexpected(series.error());
    if (!*series)
        return fs::path(name);
    const auto lock = cache.lock_entry(cache.path("sources") / **series, name);
    if (!lock)
        return std::unexpected(lock.error());
    return fetch_source(cache, suites, **series);
}

} // namespace dmarace::vm
