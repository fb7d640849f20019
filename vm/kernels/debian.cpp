// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/debian.hpp"

#include "base/process.hpp"
#include "vm/kernels/say.hpp"
#include "vm/kernels/source.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace dmarace::vm {

// What the cache remembers of one.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DebianKernel, abi, version, suite, packages, kbuild)

namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::string_view kDebian = "debian:";
constexpr std::chrono::seconds kIndexAge{300};   // enough to resolve several series in one go
constexpr std::uint64_t kKernelMegabytes = 1500; // the largest: debs and what they unpack to
constexpr std::uint64_t kSourceMegabytes = 2300; // the package, the archive in it, the tree

// Kernels of a series that are built otherwise: "6.12-rt". In a package's name a flavour
// is a part of the architecture.
struct Flavour {
    std::string_view name;           // behind the series; "" for the usual kernel
    std::string_view before, behind; // the architecture
    std::string_view common;         // behind that of the headers' common package, until 6.18
};

constexpr Flavour kFlavours[] = {
    {"", "", "", ""}, {"-rt", "rt-", "", "-rt"}, {"-16k", "", "-16k", ""}};

// The flavour that a series names; the usual one for any other word.
const Flavour& flavour_of(std::string_view series) {
    for (const Flavour& flavour : kFlavours)
        if (!flavour.name.empty() && series.ends_with(flavour.name))
            return flavour;
    return kFlavours[0];
}

std::string without_flavour(const std::string& series) {
    return series.substr(0, series.size() - flavour_of(series).name.size());
}

// The end of a package's name, after its ABI: "-rt-arm64", "-arm64-16k".
std::string end_of(const std::string& arch, const Flavour& flavour) {
    return fmt::format("-{}{}{}", flavour.before, arch, flavour.behind);
}

// The ABI in linux-headers-ABI-END, "" for other packages and flavours.
std::string abi_of(const std::string& name, const std::string& end) {
    constexpr std::string_view kStart = "linux-headers-";
    if (!name.starts_with(kStart) || !name.ends_with(end) ||
        name.size() <= kStart.size() + end.size())
        return {};
    std::string abi = name.substr(kStart.size(), name.size() - kStart.size() - end.size());
    for (const char* flavour : {"-rt", "-cloud", "-dbg", "-16k", "common"})
        if (abi.find(flavour) != std::string::npos)
            return {};
    return abi;
}

// "6.1.0-56" and "6.1.192-2" share the kbuild package "linux-kbuild-6.1".
std::string short_series(const std::string& abi) {
    const auto dot = abi.find('.');
    return abi.substr(0, abi.find('.', dot + 1));
}

class Stock {
public:
    explicit Stock(const std::vector<Package>& packages) {
        for (const Package& package : packages)
            have_.insert(package.name + "=" + package.version);
    }
    bool has(const std::string& name, const std::string& version) const {
        return have_.contains(name + "=" + version);
    }
    // The first of the names in that version, "" if there is none.
    std::string first(const std::vector<std::string>& names, const std::string& version) const {
        for (const std::string& name : names)
            if (has(name, version))
                return name;
        return {};
    }

private:
    std::set<std::string> have_;
};

// The packages of one kernel; nothing when one is missing.
std::optional<DebianKernel> complete(const std::string& series, const std::string& arch,
                                     const std::string& abi, const Package& headers,
                                     const Stock& stock) {
    const std::string& version = headers.version;
    const Flavour& flavour = flavour_of(series);
    const std::string end = "-" + abi + end_of(arch, flavour);
    DebianKernel choice{series, arch, abi, version, headers.suite, {}, {}};
    const std::string binary =
        stock.first({"linux-binary" + end, "linux-binary-unsigned" + end}, version);
    const std::string common = "linux-headers-" + abi + "-common";
    std::vector<std::string> wanted{"linux-headers" + end,
                                    stock.has(common + std::string(flavour.common), version)
                                        ? common + std::string(flavour.common)
                                        : common};
    if (!binary.empty()) // the image deb is split up, and itself empty
        wanted.insert(wanted.end(), {binary, "linux-modules" + end, "linux-base" + end});
    else
        wanted.push_back(stock.first({"linux-image" + end, "linux-image-unsigned" + end}, version));
    choice.kbuild =
        stock.first({"linux-kbuild-" + abi, "linux-kbuild-" + short_series(abi)}, version);
    for (const std::string& name : wanted)
        if (!stock.has(name, version))
            return std::nullopt;
    if (choice.kbuild.empty())
        return std::nullopt;
    choice.packages = std::move(wanted);
    return choice;
}

// Entries without one are arm64's, and of the usual kernel.
std::string suffix_of(const std::string& arch) { return arch == arm64().name ? "" : "-" + arch; }

fs::path entry_of(const Cache& cache, const DebianKernel& choice) {
    return cache.path("kernels") / fmt::format("{}_{}{}{}", choice.abi, choice.version,
                                               suffix_of(choice.arch),
                                               flavour_of(choice.series).name);
}

fs::path pointer_of(const Cache& cache, const std::string& series, const std::string& arch) {
    return cache.path("series") / (series + suffix_of(arch) + ".json");
}

Status remember(const Cache& cache, const DebianKernel& choice) {
    std::error_code error;
    const fs::path file = pointer_of(cache, choice.series, choice.arch);
    fs::create_directories(file.parent_path(), error);
    return write_text(file, Json(choice).dump(2) + "\n");
}

// A directory that was built in place is a build tree, whatever else it is.
bool is_unbuilt_source(const fs::path& directory) {
    return is_source_tree(directory) &&
           std::ranges::none_of(architectures(), [&](const Architecture& one) {
               return fs::exists(directory / one.image);
           });
}

Result<Kernel> build_source(const Cache& cache, const KernelFiles& files, const std::string& name,
                            const Architecture& architecture) {
    TRY_AS(const auto tree, open_source_tree(name, architecture));
    KernelWish wish{};
    wish.architecture = &architecture;
    TRY_AS(const auto options, choose_options(files.configs, wish));
    TRY_AS(const auto built, build_kernel(cache, tree, options));
    auto kernel = open_kernel(built);
    if (kernel)
        kernel->name = name;
    return kernel;
}

// The packages are of no use any more then.
Status unpack_packages(const fs::path& debs, const fs::path& root) {
    for (const auto& entry : fs::directory_iterator(debs)) {
        if (entry.path().extension() != ".deb")
            continue;
        TRY_AS(const auto done, run_checked({.argv = {"dpkg-deb", "-x", entry.path(), root}},
                                            "unpacking " + entry.path().filename().string()));
    }
    std::error_code error;
    fs::remove_all(debs, error);
    return {};
}

Status unpack_kernel(const fs::path& debs, const fs::path& root) {
    TRY(unpack_packages(debs, root));
    // Device trees and documentation are of no use here.
    std::error_code error;
    fs::remove_all(root / "usr/share", error);
    for (const auto& entry : fs::directory_iterator(root / "usr/lib", error))
        if (entry.path().filename().string().starts_with("linux-image-"))
            fs::remove_all(entry.path(), error);
    return {};
}

Status fetch_packages(const Cache& cache, const Suites& suites, const DebianKernel& choice) {
    const fs::path entry = entry_of(cache, choice);
    std::vector<std::string> packages;
    for (const std::string& name : choice.packages) {
        const bool common = !name.ends_with(end_of(choice.arch, flavour_of(choice.series)));
        packages.push_back(name + (common ? "" : ":" + choice.arch) + "=" + choice.version);
    }
    packages.push_back(
        fmt::format("{}:{}={}", choice.kbuild, suites.build_architecture(), choice.version));
    return cache.fill(entry, kKernelMegabytes, "kernel " + choice.abi, [&]() -> Status {
        TRY(suites.download(packages, entry / "debs"));
        say("unpacking {}", choice.abi);
        return unpack_kernel(entry / "debs", entry / "root");
    });
}

Result<DebianKernel> resolve_with(const Cache& cache, const Suites& suites,
                                  const std::string& series, const std::string& arch) {
    TRY(suites.update(kIndexAge));
    TRY_AS(const auto packages, suites.kernel_packages(without_flavour(series)));
    TRY_AS(auto choice, choose_kernel(series, arch, packages));
    TRY(remember(cache, choice));
    return choice;
}

// Which directory below sources/ a series stands for.
fs::path source_pointer(const Cache& cache, const std::string& series) {
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

Status unpack_source(const fs::path& entry, const Package& package) {
    const fs::path root = entry / "package",
                   archive = root / "usr/src" / (package.name + ".tar.xz");
    TRY(unpack_packages(entry / "debs", root));
    const Command command{.argv = {"tar", "-xJf", archive, "-C", entry},
                          .log = entry / "unpack.log"};
    TRY_AS(const auto status, run_showing(command, "unpacking " + package.name));
    if (status != 0)
        return fail(Fault::environment,
                    package.name + " does not unpack; see " + command.log.string());
    std::error_code error;
    fs::remove_all(root, error);
    return {};
}

Status fetch_package(const Cache& cache, const Suites& suites, const Package& package,
                     const fs::path& entry) {
    return cache.fill(entry, kSourceMegabytes, package.name, [&]() -> Status {
        TRY(suites.download({package.name + "=" + package.version}, entry / "debs"));
        return unpack_source(entry, package);
    });
}

Result<Package> newest(const Suites& suites, const std::string& series) {
    TRY(suites.update(kIndexAge));
    TRY_AS(const auto packages, suites.source_packages(series));
    return choose_source(series, packages);
}

// The kernel of the series: what it was resolved to before, else the newest;
// fetched and unpacked unless it is there.
Result<Kernel> fetch_kernel(const Cache& cache, const fs::path& suites, const std::string& series,
                            const std::string& arch) {
    auto choice = cached_choice(cache, series, arch);
    if (!choice || !is_fetched(cache, *choice)) {
        TRY_AS(auto open, Suites::open(cache, suites));
        TRY_AS(auto newest, resolve_with(cache, open, series, arch));
        choice = newest;
        if (!is_fetched(cache, *choice))
            TRY(fetch_packages(cache, open, *choice));
    }
    TRY_AS(auto kernel, open_directory(entry_of(cache, *choice) / "root"));
    kernel.name = std::string(kDebian) + series + (arch == arm64().name ? "" : "/" + arch);
    kernel.version = choice->version;
    kernel.source = fmt::format("Debian {} ({})", choice->version, choice->suite);
    return kernel;
}

// The unpacked source of a series (6.12, or 7 for the newest 7.x): the one it
// was resolved to before, else the newest that the suites have.
Result<fs::path> fetch_source(const Cache& cache, const fs::path& suites,
                              const std::string& series) {
    const fs::path pointer = source_pointer(cache, series);
    if (const auto name = read_text(pointer); name && cache.complete(cache.path("sources") / *name))
        return tree_in(cache.path("sources") / *name);
    TRY_AS(const auto open, Suites::open(cache, suites));
    TRY_AS(const auto package, newest(open, series));
    const std::string name = package.name + "_" + package.version;
    const fs::path entry = cache.path("sources") / name;
    if (!cache.complete(entry))
        TRY(fetch_package(cache, open, package, entry));
    TRY(write_text(pointer, name));
    return tree_in(entry);
}

} // namespace

bool is_newer(const std::string& version, const std::string& than) {
    const auto compared = run_to_end({.argv = {"dpkg", "--compare-versions", version, "gt", than}});
    return compared && compared->status == 0;
}

Result<DebianKernel> choose_kernel(const std::string& series, const std::string& arch,
                                   const std::vector<Package>& packages) {
    const Stock stock(packages);
    std::optional<DebianKernel> best;
    for (const Package& package : packages) {
        const std::string abi = abi_of(package.name, end_of(arch, flavour_of(series)));
        if (abi.empty() || !abi.starts_with(without_flavour(series) + "."))
            continue;
        auto choice = complete(series, arch, abi, package, stock);
        if (choice && (!best || is_newer(choice->version, best->version)))
            best = std::move(choice);
    }
    if (!best)
        return fail(Fault::environment,
                    fmt::format("no {} kernel of series {} has image, headers and kbuild in the "
                                "configured suites (vm/suites)",
                                arch, series));
    return *best;
}

std::optional<DebianKernel> cached_choice(const Cache& cache, const std::string& series,
                                          const std::string& arch) {
    const auto text = read_text(pointer_of(cache, series, arch));
    if (!text)
        return std::nullopt;
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object())
        return std::nullopt;
    auto choice = json.get<DebianKernel>();
    choice.series = series;
    choice.arch = arch;
    if (choice.abi.empty() || choice.packages.empty() || choice.kbuild.empty())
        return std::nullopt;
    return choice;
}

bool is_fetched(const Cache& cache, const DebianKernel& choice) {
    return cache.complete(entry_of(cache, choice));
}

Result<DebianKernel> resolve(const Cache& cache, const fs::path& suites, const std::string& series,
                             const std::string& arch) {
    TRY_AS(auto open, Suites::open(cache, suites));
    return resolve_with(cache, open, series, arch);
}

Result<Wanted> read_series(const std::string& text, const Architecture& otherwise) {
    const auto slash = text.find('/');
    TRY_AS(const auto series, series_of(std::string(kDebian) + text.substr(0, slash)));
    if (slash == std::string::npos)
        return Wanted{*series, &otherwise};
    TRY_AS(const auto architecture, find_architecture(text.substr(slash + 1)));
    return Wanted{*series, architecture};
}

Result<Kernel> find_kernel(const Cache& cache, const KernelFiles& files, const std::string& name,
                           const Architecture& otherwise) {
    if (!name.starts_with(kDebian))
        return is_unbuilt_source(name) ? build_source(cache, files, name, otherwise)
                                       : open_kernel(name);
    TRY_AS(const auto wanted, read_series(name.substr(kDebian.size()), otherwise));
    const std::string arch(wanted.architecture->name);
    TRY_AS(auto lock, cache.lock(std::string(kDebian) + wanted.series + suffix_of(arch)));
    return fetch_kernel(cache, files.suites, wanted.series, arch);
}

Result<Package> choose_source(const std::string& series, const std::vector<Package>& packages) {
    const Package* best = nullptr;
    for (const Package& package : packages)
        if (!best || is_newer(package.version, best->version))
            best = &package;
    if (!best)
        return fail(
            Fault::environment,
            fmt::format("no package linux-source-{} in the configured suites (vm/suites)", series));
    return *best;
}

Result<std::optional<std::string>> series_of(const std::string& name) {
    if (!name.starts_with(kDebian))
        return std::nullopt;
    std::string series = name.substr(kDebian.size());
    // It becomes a file name: "6.12" but not "6.12/../..".
    const std::string number = without_flavour(series);
    if (number.empty() || number.front() == '.' || number.back() == '.' ||
        number.find_first_not_of("0123456789.") != std::string::npos)
        return fail(Fault::usage, fmt::format("'{}' names no series: write debian:6.12, or one of "
                                              "its flavours, debian:6.12-rt or debian:6.12-16k",
                                              name));
    return series;
}

Result<fs::path> find_source(const Cache& cache, const fs::path& suites, const std::string& name) {
    const auto series = series_of(name);
    if (!series)
        return std::unexpected(series.error());
    if (!*series)
        return fs::path(name);
    // All flavours are built from one source.
    const std::string number = without_flavour(**series);
    TRY_AS(const auto lock, cache.lock_entry(cache.path("sources") / number, name));
    return fetch_source(cache, suites, number);
}

} // namespace dmarace::vm
