// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/fetch.hpp"

#include "vm/kernel/fragment.hpp"
#include "vm/kernel/source_build.hpp"
#include "vm/kernel/source_fetch.hpp"
#include "vm/process/process.hpp"
#include "vm/ui/say.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::string_view kDebian = "debian:";
constexpr std::chrono::seconds kIndexAge{300}; // enough to resolve several series in one go
constexpr std::uint64_t kMegabytes = 1500;     // the largest: debs and what they unpack to

// Entries without one are arm64's.
std::string suffix_of(const std::string& arch) {
    return arch == arm64().name ? "" : "-" + arch;
}

fs::path entry_of(const Cache& cache, const Choice& choice) {
    return cache.path("kernels") /
           fmt::format("{}_{}{}", choice.abi, choice.version, suffix_of(choice.arch));
}

fs::path pointer_of(const Cache& cache, const std::string& series, const std::string& arch) {
    return cache.path("series") / (series + suffix_of(arch) + ".json");
}

Status remember(const Cache& cache, const Choice& choice) {
    std::error_code error;
    const fs::path file = pointer_of(cache, choice.series, choice.arch);
    fs::create_directories(file.parent_path(), error);
    const Json json{{"abi", choice.abi},
                    {"version", choice.version},
                    {"suite", choice.suite},
                    {"packages", choice.packages},
                    {"kbuild", choice.kbuild}};
    return write_text(file, json.dump(2) + "\n");
}

// A directory that was built in place is a build tree, whatever else it is.
bool is_unbuilt_source(const fs::path& directory) {
    return is_source_tree(directory) && !fs::exists(directory / "arch/arm64/boot/Image");
}

Result<Kernel> build_source(const Cache& cache, const KernelFiles& files, const std::string& name) {
    const auto tree = open_source_tree(name);
    const auto fragment = read_fragments(files.configs, {}, {});
    if (!tree || !fragment)
        return std::unexpected(tree ? fragment.error() : tree.error());
    const auto built = build_kernel(cache, *tree, {.variants = {}, .fragment = *fragment});
    if (!built)
        return std::unexpected(built.error());
    auto kernel = open_kernel(*built);
    if (kernel)
        kernel->name = name;
    return kernel;
}

Status unpack(const fs::path& debs, const fs::path& root) {
    for (const auto& entry : fs::directory_iterator(debs)) {
        if (entry.path().extension() != ".deb")
            continue;
        const auto done = run_checked({.argv = {"dpkg-deb", "-x", entry.path(), root}},
                                      "unpacking " + entry.path().filename().string());
        if (!done)
            return std::unexpected(done.error());
    }
    // Device trees and documentation are of no use here.
    std::error_code error;
    fs::remove_all(root / "usr/share", error);
    for (const auto& entry : fs::directory_iterator(root / "usr/lib", error))
        if (entry.path().filename().string().starts_with("linux-image-"))
            fs::remove_all(entry.path(), error);
    return {};
}

Status fetch(const Cache& cache, const Suites& suites, const Choice& choice) {
    const fs::path entry = entry_of(cache, choice);
    if (auto room = cache.need_space(kMegabytes, "kernel " + choice.abi); !room)
        return room;
    if (auto empty = cache.start_over(entry); !empty)
        return empty;
    std::error_code error;
    fs::create_directories(entry / "debs", error);
    std::vector<std::string> packages;
    for (const std::string& name : choice.packages) {
        const bool common = !name.ends_with("-" + choice.arch);
        packages.push_back(name + (common ? "" : ":" + choice.arch) + "=" + choice.version);
    }
    packages.push_back(
        fmt::format("{}:{}={}", choice.kbuild, suites.build_architecture(), choice.version));
    if (auto got = suites.download(packages, entry / "debs"); !got)
        return got;
    say("unpacking {}", choice.abi);
    if (auto unpacked = unpack(entry / "debs", entry / "root"); !unpacked)
        return unpacked;
    fs::remove_all(entry / "debs", error);
    return cache.mark_complete(entry);
}

Result<Choice> resolve_with(const Cache& cache, const Suites& suites, const std::string& series,
                            const std::string& arch) {
    if (auto updated = suites.update(kIndexAge); !updated)
        return std::unexpected(updated.error());
    const auto packages = suites.kernel_packages(series);
    if (!packages)
        return std::unexpected(packages.error());
    auto choice = choose_kernel(series, arch, *packages);
    if (!choice)
        return choice;
    if (auto remembered = remember(cache, *choice); !remembered)
        return std::unexpected(remembered.error());
    return choice;
}

} // namespace

std::optional<Choice> cached_choice(const Cache& cache, const std::string& series,
                                    const std::string& arch) {
    const auto text = read_text(pointer_of(cache, series, arch));
    if (!text)
        return std::nullopt;
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object())
        return std::nullopt;
    Choice choice{series,
                  arch,
                  json.value("abi", ""),
                  json.value("version", ""),
                  json.value("suite", ""),
                  json.value("packages", std::vector<std::string>{}),
                  json.value("kbuild", "")};
    if (choice.abi.empty() || choice.packages.empty() || choice.kbuild.empty())
        return std::nullopt;
    return choice;
}

bool is_fetched(const Cache& cache, const Choice& choice) {
    return cache.complete(entry_of(cache, choice));
}

Result<Choice> resolve(const Cache& cache, const fs::path& suites, const std::string& series,
                       const std::string& arch) {
    auto open = Suites::open(cache, suites);
    if (!open)
        return std::unexpected(open.error());
    return resolve_with(cache, *open, series, arch);
}

Result<Kernel> fetch_kernel(const Cache& cache, const fs::path& suites, const std::string& series,
                            const std::string& arch) {
    auto choice = cached_choice(cache, series, arch);
    if (!choice || !is_fetched(cache, *choice)) {
        auto open = Suites::open(cache, suites);
        if (!open)
            return std::unexpected(open.error());
        auto newest = resolve_with(cache, *open, series, arch);
        if (!newest)
            return std::unexpected(newest.error());
        choice = *newest;
        if (!is_fetched(cache, *choice))
            if (auto got = fetch(cache, *open, *choice); !got)
                return std::unexpected(got.error());
    }
    auto kernel = open_directory(entry_of(cache, *choice) / "root");
    if (!kernel)
        return kernel;
    kernel->name = std::string(kDebian) + series + (arch == arm64().name ? "" : "/" + arch);
    kernel->version = choice->version;
    kernel->source = fmt::format("Debian {} ({})", choice->version, choice->suite);
    return kernel;
}

Result<Wanted> read_series(const std::string& text, const Architecture& otherwise) {
    const auto slash = text.find('/');
    const auto series = series_of(std::string(kDebian) + text.substr(0, slash));
    if (!series)
        return std::unexpected(series.error());
    if (slash == std::string::npos)
        return Wanted{**series, &otherwise};
    const auto architecture = find_architecture(text.substr(slash + 1));
    if (!architecture)
        return std::unexpected(architecture.error());
    return Wanted{**series, *architecture};
}

Result<Kernel> find_kernel(const Cache& cache, const KernelFiles& files, const std::string& name,
                           const Architecture& otherwise) {
    if (!name.starts_with(kDebian))
        return is_unbuilt_source(name) ? build_source(cache, files, name) : open_kernel(name);
    const auto wanted = read_series(name.substr(kDebian.size()), otherwise);
    if (!wanted)
        return std::unexpected(wanted.error());
    const std::string arch(wanted->architecture->name);
    auto lock = cache.lock(std::string(kDebian) + wanted->series + suffix_of(arch));
    if (!lock)
        return std::unexpected(lock.error());
    return fetch_kernel(cache, files.suites, wanted->series, arch);
}

} // namespace dmarace::vm
