// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/process.hpp"
#include "base/text.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
constexpr const char* kNoNetwork =
    "; check the network, and the mirror and proxy of this host's apt configuration";

std::string trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos)
        return {};
    return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::vector<std::string> fields_of(const std::string& text, char separator) {
    auto fields = split(text, separator);
    std::ranges::transform(fields, fields.begin(), trim);
    return fields;
}

bool is_kernel_package(const std::string& name, const std::string& series) {
    for (const char* kind : {"image-unsigned-", "image-", "binary-unsigned-", "binary-", "modules-",
                             "base-", "headers-", "kbuild-"}) {
        const std::string start = std::string("linux-") + kind + series;
        if (name == start || (name.starts_with(start) && name[start.size()] == '.'))
            return true;
    }
    return false;
}

// apt looks for a name in its own architecture (arm64, below) unless told.
std::string qualifier(const std::string& name, const std::string& build) {
    if (name.starts_with("linux-kbuild-"))
        return ":" + build;
    for (const Architecture& one : architectures())
        if (name.ends_with("-" + std::string(one.name)))
            return ":" + std::string(one.name);
    return "";
}

std::map<std::string, std::string> apt_environment(const fs::path& root) {
    return {{"APT_CONFIG", root / "apt.conf"}, {"LC_ALL", "C"}};
}

std::string configuration(const fs::path& root) {
    return fmt::format("Dir::Etc::sourcelist \"{0}/sources.list\";\n"
                       "Dir::Etc::sourceparts \"/dev/null\";\n"
                       "Dir::State \"{0}/state\";\n"
                       "Dir::State::status \"{0}/state/status\";\n"
                       "Dir::Cache \"{0}/cache\";\n"
                       "Dir::Cache::pkgcache \"pkgcache.bin\";\n"
                       "Dir::Cache::srcpkgcache \"srcpkgcache.bin\";\n"
                       "APT::Architecture \"arm64\";\n"
                       "#clear APT::Architectures;\n"
                       "APT::Architectures {{ \"arm64\"; \"amd64\"; }};\n"
                       "APT::Default-Release \"\";\n"
                       "APT::Sandbox::User \"root\";\n"
                       "Acquire::Languages \"none\";\n",
                       root.string());
}

} // namespace

Result<Mirrors> read_mirrors(const std::string& lines) {
    Mirrors mirrors;
    for (const std::string& line : split(lines, '\n')) {
        const auto fields = fields_of(line, '|');
        if (fields.size() != 3 || fields[0] != "Debian")
            continue;
        if (fields[1] == "Debian" && mirrors.main.empty())
            mirrors.main = fields[2];
        if (fields[1] == "Debian-Security" && mirrors.security.empty())
            mirrors.security = fields[2];
    }
    if (mirrors.main.empty())
        return fail(Fault::environment,
                    "this host's apt knows no Debian mirror: name one in /etc/apt and run "
                    "apt-get update, or give --kernel a directory");
    return mirrors;
}

std::vector<std::string> read_list(const std::string& text) {
    auto words = fields_of(text, '\n');
    std::erase_if(words, [](const auto& line) { return line.empty() || line[0] == '#'; });
    return words;
}

std::string sources_list(const Mirrors& mirrors, const std::vector<std::string>& suites,
                         const std::string& architectures) {
    const std::string key =
        fs::exists(kKeyring) ? std::string(" signed-by=") + kKeyring : std::string();
    std::string text;
    for (const std::string& suite : suites) {
        const bool security = suite.ends_with("-security");
        if (security && mirrors.security.empty())
            continue;
        text += fmt::format("deb [arch={}{}] {} {} main\n", architectures, key,
                            security ? mirrors.security : mirrors.main, suite);
    }
    return text;
}

std::vector<Package> read_madison(const std::string& lines) {
    std::vector<Package> packages;
    for (const std::string& line : split(lines, '\n')) {
        const auto fields = fields_of(line, '|');
        if (fields.size() != 3)
            continue;
        // "URI SUITE/COMPONENT ARCH Packages"
        const auto place = split(fields[2], ' ');
        const std::string suite =
            place.size() > 1 ? place[1].substr(0, place[1].find('/')) : std::string();
        Package package{fields[0].substr(0, fields[0].find(':')), fields[1], suite};
        if (std::find(packages.begin(), packages.end(), package) == packages.end())
            packages.push_back(std::move(package));
    }
    return packages;
}

Result<Mirrors> host_mirrors() {
    TRY_AS(const auto targets, run_checked({.argv = {"apt-get", "indextargets", "--format",
                                                     "$(ORIGIN)|$(LABEL)|$(REPO_URI)"}},
                                           "this host's apt configuration"));
    return read_mirrors(targets);
}

Result<Suites> Suites::open(const Cache& cache, const fs::path& suites) {
    TRY_AS(const auto names, read_text(suites));
    TRY_AS(const auto architecture,
           run_checked({.argv = {"dpkg", "--print-architecture"}}, "this host's architecture"));
    TRY_AS(const auto mirrors, host_mirrors());
    TRY_AS(auto lock, cache.lock_entry(cache.path("apt"), "the Debian suites"));
    Suites result;
    result.lock_ = std::move(lock);
    result.root_ = cache.path("apt");
    result.architecture_ = trim(architecture.substr(0, architecture.find('\n')));
    std::error_code error;
    fs::create_directories(result.root_ / "state/lists/partial", error);
    fs::create_directories(result.root_ / "cache/archives/partial", error);
    const std::string list = sources_list(mirrors, read_list(names), "arm64,amd64");
    for (const auto& [file, text] :
         {std::pair{"apt.conf", configuration(result.root_)}, std::pair{"sources.list", list},
          std::pair{"state/status", std::string()}})
        TRY(write_text(result.root_ / file, text));
    return result;
}

Status Suites::update(std::chrono::seconds max_age) const {
    const fs::path log = root_ / "update.log", stamp = root_ / "updated";
    std::error_code error;
    if (const auto when = fs::last_write_time(stamp, error);
        !error && fs::file_time_type::clock::now() - when < max_age)
        return {};
    fs::remove(log, error);
    fs::remove(stamp, error);
    const Command command{
        .argv = {"apt-get", "update", "-q"}, .environment = apt_environment(root_), .log = log};
    const auto status = run_showing(command, "reading the Debian suites");
    if (!status)
        return std::unexpected(status.error());
    const std::string text = read_text(log).value_or("");
    if (*status == 0 && text.find("\nW: Failed to fetch") == std::string::npos)
        return write_text(stamp, "");
    // One suite that is gone must not stop kernels of the others.
    if (text.find("\nGet:") != std::string::npos || text.find("\nHit:") != std::string::npos) {
        say("not every suite could be read; see {}", log.string());
        return write_text(stamp, "");
    }
    return fail(Fault::environment, "the Debian suites cannot be read" + std::string(kNoNetwork) +
                                        "; the details are in " + log.string());
}

Result<std::vector<std::string>> Suites::names(const std::string& start) const {
    TRY_AS(const auto names, run_checked({.argv = {"apt-cache", "pkgnames", start},
                                          .environment = apt_environment(root_)},
                                         "package names"));
    return split(names, '\n');
}

Result<std::vector<Package>> Suites::versions(const std::vector<std::string>& names) const {
    if (names.empty())
        return std::vector<Package>{};
    std::vector<std::string> query{"apt-cache", "madison"};
    query.insert(query.end(), names.begin(), names.end());
    TRY_AS(const auto lines,
           run_checked({.argv = query, .environment = apt_environment(root_)}, "package versions"));
    return read_madison(lines);
}

Result<std::vector<Package>> Suites::kernel_packages(const std::string& series) const {
    TRY_AS(const auto all, names("linux-"));
    std::vector<std::string> wanted;
    for (const std::string& name : all)
        if (is_kernel_package(name, series))
            wanted.push_back(name + qualifier(name, architecture_));
    return versions(wanted);
}

Result<std::vector<Package>> Suites::source_packages(const std::string& series) const {
    const std::string start = "linux-source-" + series;
    TRY_AS(const auto all, names(start));
    std::vector<std::string> wanted;
    for (const std::string& name : all)
        if (name == start || name.starts_with(start + "."))
            wanted.push_back(name);
    return versions(wanted);
}

Status Suites::download(const std::vector<std::string>& packages, const fs::path& directory) const {
    const fs::path log = directory / "download.log";
    std::error_code error;
    fs::create_directories(directory, error);
    Command command{.argv = {"apt-get", "download", "-q"},
                    .environment = apt_environment(root_),
                    .directory = directory,
                    .log = log};
    command.argv.insert(command.argv.end(), packages.begin(), packages.end());
    const std::string more =
        packages.size() == 1 ? "" : fmt::format(" and {} more packages", packages.size() - 1);
    const auto status = run_showing(command, fmt::format("fetching {}{}", packages.front(), more));
    if (!status)
        return std::unexpected(status.error());
    if (*status == 0)
        return {};
    const std::string text = read_text(log).value_or("");
    const auto at = text.find("E: ");
    const std::string why = at == std::string::npos
                                ? std::string("apt-get failed")
                                : text.substr(at + 3, text.find('\n', at) - at - 3);
    return fail(Fault::environment, "the kernel cannot be fetched: " + why + kNoNetwork);
}

} // namespace dmarace::vm
