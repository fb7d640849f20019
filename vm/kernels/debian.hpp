// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "base/files.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/kernel.hpp"

#include <chrono>
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
// The words of vm/suites or vm/image/root/packages: one a line, with comments. Pure.
std::vector<std::string> read_list(const std::string& text);
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
    // Fetches packages (name=version or name:arch=version) into a directory, which is made.
    Status download(const std::vector<std::string>& packages,
                    const std::filesystem::path& directory) const;

    // The architecture of the programs that run here, as Debian names it.
    const std::string& build_architecture() const { return architecture_; }

private:
    Result<std::vector<Package>> versions(const std::vector<std::string>& names) const;
    Result<std::vector<std::string>> names(const std::string& start) const;

    UniqueFd lock_;
    std::filesystem::path root_;
    std::string architecture_;
};

// Asks dpkg about two Debian versions.
bool is_newer(const std::string& version, const std::string& than);

// The packages of one kernel.
struct DebianKernel {
    std::string series;  // as asked for: "6.12", "6.12-rt"
    std::string arch;    // as Debian calls it: "arm64"
    std::string abi;     // 6.12.117+deb13
    std::string version; // of the packages
    std::string suite;
    std::vector<std::string> packages; // of arch, or all: image (or its parts) and headers
    std::string kbuild;                // of the build machine's architecture
};

// The newest kernel of the series (7, 6.12, 6.1) whose image, headers and
// kbuild all exist in one version; of a flavour only if the series names it
// (6.12-rt, 6.12-16k).
Result<DebianKernel> choose_kernel(const std::string& series, const std::string& arch,
                                   const std::vector<Package>& packages);

// What a series was last resolved to, by the cache alone; nothing when it
// never was.
std::optional<DebianKernel> cached_choice(const Cache& cache, const std::string& series,
                                          const std::string& arch);
bool is_fetched(const Cache& cache, const DebianKernel& choice);

// Asks the suites for the newest kernel of the series and remembers it.
Result<DebianKernel> resolve(const Cache& cache, const std::filesystem::path& suites,
                             const std::string& series, const std::string& arch);

// The newest of them; Fault::environment, naming the series, when there is none. Pure.
Result<Package> choose_source(const std::string& series, const std::vector<Package>& packages);

// A series as a user writes it: "6.12", "6.12-rt", or "6.12/amd64". Pure.
struct Wanted {
    std::string series;
    const Architecture* architecture;
};
Result<Wanted> read_series(const std::string& text, const Architecture& otherwise);

// What kernels are found and built by: vm/suites and vm/configs.
struct KernelFiles {
    std::filesystem::path suites, configs;
};

// The series in debian:SERIES, checked; nothing when the name is no such word.
Result<std::optional<std::string>> series_of(const std::string& name);

// The source that the user names: debian:SERIES, fetched, or a directory.
Result<std::filesystem::path> find_source(const Cache& cache, const std::filesystem::path& suites,
                                          const std::string& name);

// debian:SERIES[/ARCH], a kernel's source (built with the base options), or what
// open_kernel() takes.
Result<Kernel> find_kernel(const Cache& cache, const KernelFiles& files, const std::string& name,
                           const Architecture& otherwise);

} // namespace dmarace::vm
