// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/library.hpp"

#include "base/text.hpp"
#include "job/load.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace dmarace::job {

namespace fs = std::filesystem;

std::string library_dir() {
    if (const char* dir = std::getenv("DMARACE_JOBS"))
        return dir;
    std::error_code ec;
    return fs::is_directory(DMARACE_JOBS_DIR, ec) ? DMARACE_JOBS_DIR : DMARACE_SOURCE_JOBS;
}

std::vector<std::string> library_jobs() {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator it(library_dir(), ec), end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".toml")
            names.push_back(it->path().stem().string());
    std::ranges::sort(names);
    return names;
}

Result<std::string> job_path(const std::string& name) {
    std::error_code ec;
    if (name.find('/') != std::string::npos || name.ends_with(".toml")) {
        if (fs::is_regular_file(name, ec))
            return name;
        return fail(Fault::usage, "no job file " + name);
    }
    const auto path = fs::path(library_dir()) / (name + ".toml");
    if (fs::is_regular_file(path, ec))
        return path.string();
    return fail(Fault::usage, "no job " + name + did_you_mean(name, library_jobs()) +
                                  " (dmarace list jobs; a file is written with its path)");
}

std::size_t CheckedJob::errors() const {
    return static_cast<std::size_t>(
        std::ranges::count(diagnostics, Diagnostic::Level::error, &Diagnostic::level));
}

Result<CheckedJob> check_job(const std::string& name) {
    const auto path = job_path(name);
    if (!path)
        return std::unexpected(path.error());
    std::ifstream file(*path);
    CheckedJob out{*path, {std::istreambuf_iterator<char>(file), {}}, {}, {}};
    if (!file)
        return fail_errno("cannot read " + *path);
    auto loaded = load(out.text, *path);
    out.diagnostics = loaded ? lint(*loaded) : loaded.error();
    if (loaded)
        out.job = *std::move(loaded);
    return out;
}

} // namespace dmarace::job
