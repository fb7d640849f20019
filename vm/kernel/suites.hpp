// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads Debian suites through a private apt root in the cache: the
// mirrors are those of this host's apt configuration, its own state is never
// touched, and no root rights are needed.
#pragma once

#include "base/unique_fd.hpp"
#include "vm/cache/cache.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <vector>

namespace dmarace::vm {

// One package as a suite has it.
struct Package {
    std::string name, version, suite;
    bool operator==(const Package&) const = default;
};

// Where this host's apt finds Debian.
struct Mirrors {
    std::string main, security; // URIs
};

// From lines "ORIGIN|LABEL|REPO_URI" of apt-get indextargets. Pure.
Result<Mirrors> read_mirrors(const std::string& lines);
// Those of this host.
Result<Mirrors> host_mirrors();
// The suite names of vm/suites. Pure.
std::vector<std::string> read_suites(const std::string& text);
// sources.list for the suites. Pure.
std::string sources_list(const Mirrors& mirrors, const std::vector<std::string>& suites,
                         const std::string& architectures);
// From lines of apt-cache madison. Pure.
std::vector<Package> read_madison(const std::string& lines);

class Suites {
public:
    // suites: the file vm/suites. The apt root is this program's as long as the
    // object lives; another one waits for it.
    static Result<Suites> open(const Cache& cache, const std::filesystem::path& suites);
    // Reads the indices anew, unless that was done less than max_age ago.
    Status update(std::chrono::seconds max_age) const;
    // Every package of the kernel series, all versions.
    Result<std::vector<Package>> kernel_packages(const std::string& series) const;
    // The packages linux-source-SERIES, or those of all series below it (7: 7.2, 7.3).
    Result<std::vector<Package>> source_packages(const std::string& series) const;
    // Fetches packages (name=version or name:arch=version) into a directory.
    Status download(const std::vector<std::string>& packages,
                    const std::filesystem::path& directory) const;

    const Mirrors& mirrors() const { return mirrors_; }
    // The architecture of the programs that run here, as Debian names it.
    const std::string& build_architecture() const { return architecture_; }

private:
    Result<std::vector<Package>> versions(const std::vector<std::string>& names) const;
    Result<std::vector<std::string>> names(const std::string& start) const;

    UniqueFd lock_;
    std::filesystem::path root_;
    Mirrors mirrors_;
    std::string architecture_;
};

} // namespace dmarace::vm
